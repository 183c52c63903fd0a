"""JSON that somebody else may have written: read within bounds, and held against the shape that it must have.

A file of records may be cut off, edited by hand, or made to do harm. What is read here is bounded in size and depth and
has no number that is none; what has its shape can be counted with, compared and drawn.
"""

from __future__ import annotations

import re
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upbench.wording import shown

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST_BYTES = 64 << 20
"""Of a file: the records of some ten thousand cases. What is parsed takes some thirty times as much at the worst."""


BEYOND_FLOATS = re.compile(rb"[eE]\+?[0-9]{3}|[0-9]{300}")
"""What a number has in it that no float can hold; it is read as infinity."""


class DocumentError(ValueError):
    """What is wrong with a file, as the rest of a sentence that begins with its name."""


def read_document(path: Path) -> Any:
    """Read a JSON file; twice the same key is the last of them.

    Raises:
        DocumentError: it cannot be read, is too large, or is not JSON: also where it holds NaN, half a surrogate pair,
            or brackets within brackets beyond any that we write.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}.") from error
    if len(data) > MOST_BYTES:
        raise DocumentError(f"is larger than {MOST_BYTES >> 20} MiB, as no file of records is.")
    return parsed(data)


def parsed(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        DocumentError: it is none.
    """
    # Takes a tenth of a second, which whoever only needs a constant of this room can do without.
    from pydantic_core import from_json

    try:
        document = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise DocumentError(f"is damaged: it is not JSON ({shown(str(error))}).") from error
    if BEYOND_FLOATS.search(data) and _holds_infinity(document):
        raise DocumentError("is damaged: it holds a number that is too large.")
    return document


def _holds_infinity(document: Any) -> bool:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float) and not isfinite(value):
            return True
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    return False


def check_schema(schema: object, newest: int, oldest: int = 1) -> None:
    """See whether a document is of a schema that can be read.

    Raises:
        DocumentError: it is of a later one, or says nothing that could be one.
    """
    # True is 1, and no schema.
    if type(schema) is int and oldest <= schema <= newest:
        return
    reads = f"schema {newest}" if oldest == newest else f"schemas {oldest} to {newest}"
    later = " A later version wrote it." if type(schema) is int and schema > newest else ""
    raise DocumentError(f"has schema {shown(repr(schema))}; this version reads {reads}.{later}")


def fault_in(value: Any, shape: type[BaseModel]) -> str | None:
    """What of a value does not have its shape: the first such field and why, or None."""
    from pydantic import ValidationError

    try:
        shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "itself"
        return shown(f"{where}: {first['msg']}")
    return None
