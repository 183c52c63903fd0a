"""Silence of what other packages write as they are loaded and as they convert."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, logs and what C++ writes to the terminal away from people who can do nothing about them."""
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)
    sys.stdout.flush()
    sys.stderr.flush()
    ends = {number: os.dup(number) for number in (1, 2)}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in ends:
            os.dup2(nowhere, number)
        # Where somebody has put another stream in their place, as pytest does, it does not lead to those ends.
        with open(os.devnull, "w") as sink, redirect_stdout(sink), redirect_stderr(sink), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, end in ends.items():
            os.dup2(end, number)
            os.close(end)
        os.close(nowhere)
        logging.disable(silenced)
