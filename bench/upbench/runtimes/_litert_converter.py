"""What converts to LiteRT's files, imported without what its parts say of graphics cards that are not there.

The import takes seconds, so that the server of workers does it where a case is converted to LiteRT.
"""

from __future__ import annotations

from contextlib import suppress

from upbench.runtimes.quiet import quiet

with suppress(Exception), quiet():  # Whoever converts meets the same, and says so in its own words.
    import litert_torch  # noqa: F401
