"""A file that comes to stand in its place only when it is whole: with its weights beside it, if they were so before."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnx_ir as ir

from upbench.errors import UsageError
from upbench.onnx_files.model_file import external_files


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


@contextmanager
def beside(output: Path) -> Iterator[Path]:
    """A folder beside a file that is to be written, which is gone afterwards."""
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".partial", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
            data = f"{output.name}.{_digest(model)}.data"
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


def _digest(model: ir.Model) -> str:
    names = " ".join(sorted(model.graph.initializers))
    return hashlib.sha256(f"{names}{os.getpid()}".encode()).hexdigest()[:8]


def put(file: Path, output: Path) -> None:
    """Move a model to its place, its weights first."""
    for each in file.parent.iterdir():
        if each != file:
            os.replace(each, output.parent / each.name)
    os.replace(file, output)
