"""Makes one function of a source tree slower by a known share, so that it is known what a gate ought to find."""

from __future__ import annotations

import ast
from pathlib import Path

from upbench.errors import UsageError
from upbench.gate.live import SLOWED

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
        UsageError: the tree has no such module, or that no such plain function.
    """
    module, _, function = name.partition(":")
    stem = Path(*module.split("."))
    files = (stem.with_suffix(".py"), stem / "__init__.py") if all(map(str.isidentifier, module.split("."))) else ()
    places = [tree / source / file for source in ("", "src") for file in files]
    found = next((place for place in places if place.is_file()), None)
    if found is None or not _is_plain_function(found, function):
        raise UsageError(
            f"--slow needs MODULE:FUNCTION or MODULE:CLASS.METHOD, undecorated, in the repository; got {name!r}."
        )
    with found.open("a") as file:
        file.write(SOURCE.format(attribute=SLOWED, function=function, name=name, share=share))


def _is_plain_function(file: Path, function: str) -> bool:
    """Whether the module defines it itself and without a decorator, which would see what replaces it differently."""
    body: list[ast.stmt] = ast.parse(file.read_text()).body
    *classes, name = function.split(".")
    for each in classes:
        body = [statement for c in body if isinstance(c, ast.ClassDef) and c.name == each for statement in c.body]
    return any(isinstance(each, ast.FunctionDef) and each.name == name and not each.decorator_list for each in body)
