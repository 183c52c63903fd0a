"""JSON that a person can page through and a version control system can compare: an entry a line, and no idle digits.

A record holds hundreds of times. Spelt with a digit a line they fill a repository, and more digits than a clock has
change with every run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

SIGNIFICANT_DIGITS = 6
"""Of every number that is not whole: timings repeat to three, and a clock of a nanosecond tells no more of a call."""


def dumps(document: Mapping[str, Any]) -> str:
    """Return ``document`` as JSON: a line for each of its entries, and for each element of a list of objects.

    What lies under a key of the document is opened one level further where it holds such lists itself.
    """
    return _opened(_rounded(document), 0) + "\n"


def _opened(value: Any, depth: int) -> str:
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and (depth == 0 or any(_is_table(each) for each in value.values())):
        lines = [f"{json.dumps(key)}: {_opened(each, depth + 1)}" for key, each in value.items()]
        brackets = "{}"
    elif _is_table(value):
        lines, brackets = [json.dumps(each, allow_nan=False) for each in value], "[]"
    else:
        return json.dumps(value, allow_nan=False)
    return f"{brackets[0]}\n{inner}" + f",\n{inner}".join(lines) + f"\n{outer}{brackets[1]}"


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # JSON has no word for it.
        if not math.isfinite(value):
            return None
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
