"""What inductor asks of a machine rather than of a model: which vector instructions it can compile for.

It compiles and loads a few lines for each set of them: ten seconds where nothing was ever compiled, and one second in
each process after that. Importing this module does it for the process and all that are forked from it, so the server of
workers imports it where a case is compiled.
"""

from __future__ import annotations

from contextlib import suppress

from torch._inductor import cpu_vec_isa

with suppress(Exception):  # Without a compiler. The compilation of a case meets the same, and says so in its own words.
    cpu_vec_isa.pick_vec_isa()
