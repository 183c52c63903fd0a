"""A file that comes to stand in its place only when it is whole: with its weights beside it, if they were so before."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import onnx
import onnx_ir as ir

from upbench.errors import UsageError
from upbench.leftovers import HeldFolder, remove_left
from upbench.onnx_files.model_file import external_files
from upbench.whole_file import sync

SUFFIX = ".partial"
"""Of the folder in which a file is written before it comes to its place."""

PLAN = ".plan"
"""In that folder: what is about to be moved, by name and number."""


def check_output(source: Path, output: Path, model: ir.Model, overwrite: bool) -> None:
    """See whether a file may be written there.

    Raises:
        UsageError: it is a folder, or what is read.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder, and no name of a file.")
    if _same(source, output) and not overwrite:
        raise UsageError(f"{output} is the file that is read: --force overwrites it.")
    if any(_same(each, output) for each in external_files(model)):
        raise UsageError(f"{output} holds weights of the file that is read.")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def clear_left(output: Path) -> None:
    """Remove what a killed process has left beside its output, with the weights that it had put in their place."""

    def take_back(left: Path) -> None:
        # Where the model is in its place as well, all of it is; and nothing is before the plan is whole.
        with suppress(FileNotFoundError, ValueError):
            planned = json.loads((left / PLAN).read_text())
            for name, number in planned.items() if (left / output.name).exists() else ():
                place = output.parent / name
                if place.exists() and place.stat().st_ino == number:
                    place.unlink()

    remove_left(output.parent, f".{output.name}.", SUFFIX, take_back)


@contextmanager
def beside(output: Path) -> Iterator[Path]:
    """A folder beside a file that is to be written, which is gone afterwards."""
    output.parent.mkdir(parents=True, exist_ok=True)
    clear_left(output)
    with HeldFolder(output.parent, f".{output.name}.", SUFFIX) as held:
        yield held.path


def save(model: ir.Model, output: Path, folder: Path, beside_it: bool) -> Path:
    """Write a model into a folder, under the names that it will have in its place; the model's own file.

    Args:
        model: with all its weights.
        output: its place.
        folder: where it is written first.
        beside_it: whether its weights go into a file of their own.
    """
    file = folder / output.name
    if beside_it:
        data = f"{output.name}.data"
        if (output.parent / data).exists():
            # It may belong to the file that is read, or to one that stays if this one is not finished.
            data = f"{output.name}.{uuid.uuid4().hex[:8]}.data"
        ir.save(model, file, external_data=data)
    else:
        ir.save(model, file)
    return file


def broken_rule(file: Path) -> str | None:
    """Which rule of ONNX a file breaks, in the words of its checker; None if it keeps all."""
    try:
        onnx.checker.check_model(str(file))
    except (onnx.checker.ValidationError, ValueError) as error:
        return str(error).strip().splitlines()[0].rstrip(".")
    return None


def put(file: Path, output: Path) -> None:
    """Move a model to its place, its weights first; should that be cut short, the next one takes them back.

    Raises:
        OSError: they cannot be put there, and are not.
    """
    weights = [each for each in file.parent.iterdir() if each != file]
    for each in (*weights, file):
        sync(each)
    # A file keeps its number where it is moved to. Links would tell as well, but ONNX opens no weights that have two.
    plan = file.parent / PLAN
    plan.write_text(json.dumps({each.name: each.stat().st_ino for each in weights}))
    sync(plan)
    placed: list[Path] = []
    try:
        for each in weights:
            os.replace(each, output.parent / each.name)
            placed.append(output.parent / each.name)
        os.replace(file, output)
    except BaseException:
        for each in placed:
            each.unlink(missing_ok=True)
        raise
    sync(output.parent)
