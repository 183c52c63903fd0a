"""Generated files compared as a reader would: words are the same, and so are numbers, but for a processor's rounding.

Another processor's logarithm may end in another digit, which moves one coordinate of a drawing by a millionth. A
drawing names its parts after a digest of their coordinates, so that names are compared by what they refer to.
"""

from __future__ import annotations

import re
from math import isclose

NUMBER = re.compile(r"(?<![\w#])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])", re.IGNORECASE)
DRAWN_ID = re.compile(r"\b(?:id=\"|xlink:href=\"#|href=\"#|url\(#)([\w.-]+)")
RELATIVE = 1e-6
"""How far numbers may be apart, or a step of their last decimal place. Whole numbers may not be apart at all."""


def difference(expected: str, actual: str) -> str | None:
    """Say where two texts differ, or return None for texts that are alike."""
    first, second = _with_plain_ids(expected), _with_plain_ids(actual)
    words, other_words = NUMBER.split(first), NUMBER.split(second)
    if words != other_words:
        place = next((i for i, (a, b) in enumerate(zip(words, other_words, strict=False)) if a != b), -1)
        return f"{words[place][:200]!r} became {other_words[place][:200]!r}"
    for a, b in zip(NUMBER.findall(first), NUMBER.findall(second), strict=True):
        if not _alike(a, b):
            return f"{a} became {b}"
    return None


def _alike(a: str, b: str) -> bool:
    decimals = max(_decimals(a), _decimals(b))
    if decimals == 0:
        return a == b
    return isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=1.01 * 10.0**-decimals)


def _decimals(number: str) -> int:
    mantissa, _, exponent = number.lower().partition("e")
    return max(0, len(mantissa.partition(".")[2]) - int(exponent or 0))


def _with_plain_ids(text: str) -> str:
    names: dict[str, str] = {}
    for name in DRAWN_ID.findall(text):
        names.setdefault(name, f"name-{len(names)}-")
    return DRAWN_ID.sub(lambda match: match[0][: -len(match[1])] + names[match[1]], text)
