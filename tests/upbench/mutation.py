"""Valid JSON with something wrong in it: dropped, retyped, huge, nested, hostile, or somebody else's."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

ESCAPE = "\x1b]0;hurt\x07\x1b[2J"
JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    1e-300,
    1e300,
    2**31,
    2**63,
    10**400,
    "",
    "x",
    "2",
    "<script>window.hurt = 1</script>",
    ESCAPE,
    "two\nlines",
    "../../../../hurt",
    "/hurt",
    "[/bold]",
    "{name} {0}",
    "\u202eturned",
    "long " * 5000,
    [],
    {},
    [[]],
    ["x", None],
    [0, 0, 0],
    {"": {"": []}},
)
"""What may stand in the place of anything."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to everything in a document, of long lists to the first few."""
    found = [path]
    if isinstance(value, dict):
        found += [inner for key, each in value.items() for inner in places(each, (*path, key))]
    elif isinstance(value, list):
        found += [inner for key, each in enumerate(value[:4]) for inner in places(each, (*path, key))]
    return found


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """The document with one to three things wrong."""
    changed = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        ways = places(changed)[1:]
        if not ways:
            return changed
        *above, last = draw(st.sampled_from(ways))
        holder = changed
        for key in above:
            holder = holder[key]
        what = draw(st.sampled_from(("drop", "junk", "junk", "junk", "other", "number", "more", "rename")))
        if what == "drop":
            del holder[last]
        elif what == "junk":
            holder[last] = deepcopy(draw(st.sampled_from(JUNK)))
        elif what == "number":
            holder[last] = draw(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
        elif what == "other":
            # Of the right type maybe, and of another record.
            other: Any = changed
            for key in draw(st.sampled_from(ways)):
                if not isinstance(other, dict | list):
                    break
                other = other.get(key) if isinstance(other, dict) else other[key] if key in range(len(other)) else None
            holder[last] = deepcopy(other)
        elif isinstance(holder, dict):
            key = draw(st.sampled_from(("further", "", ESCAPE, "__class__", *holder)))
            holder[key] = holder.pop(last) if what == "rename" else deepcopy(draw(st.sampled_from(JUNK)))
        else:
            holder.insert(0, deepcopy(draw(st.sampled_from(JUNK))))
    return changed


def texts(document: Any) -> list[str]:
    """Files that are no JSON, or none that anybody should write."""
    text = json.dumps(document)
    deep = 100_000
    return [
        "",
        "\x00",
        text[: len(text) // 2],
        text[:-1],
        text + text,
        "\ufeff" + text,
        "[" * deep,
        "[" * deep + "]" * deep,
        '{"a":' * deep + "1" + "}" * deep,
        *(
            '{"further": ' + wrong + ", " + text[1:]
            for wrong in ("NaN", "-Infinity", "1e999", "9" * 100_000, '"\\ud800"')
        ),
        text.replace('"', "\x1b", 1),
        '{"benchmarks": "' + "x" * 1_000_000 + '"}',
    ]
