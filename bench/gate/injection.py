"""Makes one function of a source tree slower by a known share, so that it is known what a gate ought to find."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError
from bench.gate.live import SLOWED

SOURCE = """

def _slowed_on_purpose(call, name, share):
    import functools
    import sys
    import time

    ran = vars(sys).setdefault({attribute!r}, set())

    @functools.wraps(call)
    def slowed(*args, **kwargs):
        ran.add(name)
        start = time.perf_counter()
        result = call(*args, **kwargs)
        end = start + (time.perf_counter() - start) * (1 + share)
        while time.perf_counter() < end:
            pass
        return result

    return slowed


{function} = _slowed_on_purpose({function}, {name!r}, {share!r})
"""
"""Each call takes its own time and the share of it, whatever its arguments; it notes that it ran."""


def slow_down(tree: Path, name: str, share: float) -> None:
    """Append to the module's source what slows one of its functions or methods down.

    Args:
        tree: root of the source tree.
        name: such as ``package.module:Class.method``.
        share: 0.05 for 5 % more time in each call.

    Raises:
        UsageError: the tree has no such module.
    """
    module, _, function = name.partition(":")
    relative = Path(*module.split("."))
    places = [
        tree / source / path
        for source in ("", "src")
        for path in (relative.with_suffix(".py"), relative / "__init__.py")
    ]
    found = next((place for place in places if place.is_file()), None)
    if found is None or not function:
        raise UsageError(f"--slow needs MODULE:FUNCTION of a module in the repository; got {name!r}.")
    with found.open("a") as file:
        file.write(SOURCE.format(attribute=SLOWED, function=function, name=name, share=share))
