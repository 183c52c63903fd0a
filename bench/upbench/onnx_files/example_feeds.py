"""What a model is called with: a user's arrays, or random ones of the sizes that its file asks for; and other sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import onnx_ir as ir

from upbench.errors import UsageError
from upbench.onnx_files.engines import Array
from upbench.wording import shown

SIDE = 96
"""Height and width where a file names no number; the house's default."""

OTHER_SIDES = ((1, 1), (2, 3), (5, 4), (9, 16), (17, 6))
"""Heights and widths that are tried besides, where a file fixes none."""

SEED = 0

MOST_BYTES = 4 << 30
"""Of all inputs together."""


def inputs_of(model: ir.Model) -> list[ir.Value]:
    """What has to be given to a model."""
    return [value for value in model.graph.inputs if not value.is_initializer()]


def example(model: ir.Model, file: Path | None) -> dict[str, Array]:
    """What the model is timed on.

    Args:
        model: whose inputs they are.
        file: an ``.npz`` with an array for each of them, by name; None for random ones.

    Raises:
        UsageError: the file is none of that, or the model asks for something that cannot be made up.
    """
    if file is None:
        return {value.name or "": _random(value, _default_shape(value)) for value in inputs_of(model)}
    arrays = _read(file, {value.name or "" for value in inputs_of(model)})
    return {value.name or "": _checked(value, arrays, file) for value in inputs_of(model)}


def _read(file: Path, wanted: Set[str]) -> dict[str, Array]:
    """The arrays of those names, and empty ones for the other names that a message has to tell."""
    try:
        with ZipFile(file) as packed:
            # What a small file holds may fill any memory.
            size = sum(each.file_size for each in packed.infolist() if each.filename.removesuffix(".npy") in wanted)
        if size <= MOST_BYTES:
            with np.load(file, allow_pickle=False) as held:
                arrays = {name: held[name] if name in wanted else np.empty(0) for name in held.files}
            # What has no header is handed on as bytes.
            if all(isinstance(each, np.ndarray) for each in arrays.values()):
                return arrays
            raise ValueError(file)
    except Exception as error:  # whatever archives, compression and headers can be wrong in
        raise UsageError(f"{file} is no .npz file with arrays.") from error
    raise UsageError(f"{file} holds arrays of {size >> 20} MiB; up to {MOST_BYTES >> 20} MiB are read.")


def _checked(value: ir.Value, arrays: Mapping[str, Array], file: Path) -> Array:
    name = value.name or ""
    if name not in arrays:
        names = ", ".join(arrays) or "none"
        raise UsageError(f"{file} has no array {name}, which the model is to be given; it has {names}.")
    array = arrays[name]
    wanted = _dtype(value) or array.dtype
    dims = list(value.shape) if value.shape is not None else list(array.shape)
    fits = len(dims) == array.ndim and all(
        not isinstance(dim, int) or dim == side for dim, side in zip(dims, array.shape, strict=True)
    )
    if not fits or array.dtype != wanted:
        raise UsageError(
            f"The model takes {name} as {wanted} of {spelt(dims)};"
            f" {file} has it as {array.dtype} of {spelt(array.shape)}."
        )
    return array


def spelt(shape: Iterable[Any]) -> str:
    """A shape as people write it."""
    return "×".join(str(each.value if isinstance(each, ir.SymbolicDim) else each) for each in shape) or "()"


def _default_shape(value: ir.Value) -> list[int]:
    dims = list(value.shape) if value.shape is not None else None
    if dims is None or _dtype(value) is None or not isinstance(value.type, ir.TensorType):
        raise UsageError(f"The model does not say what {shown(str(value.name))} is like: give an example with --input.")
    image = len(dims) == 4
    shape = [each if isinstance(each, int) else SIDE if image and axis > 1 else 1 for axis, each in enumerate(dims)]
    if min(shape, default=0) < 0 or prod(shape) * 8 > MOST_BYTES:
        raise UsageError(f"The model takes {shown(str(value.name))} of {spelt(shape)}, which cannot be made up here.")
    return shape


def _dtype(value: ir.Value) -> np.dtype[Any] | None:
    """NumPy's dtype of a value; None where the file does not say it, or NumPy has none like it."""
    with suppress(TypeError):
        return value.dtype.numpy() if value.dtype is not None else None
    return None


def _random(value: ir.Value, shape: list[int]) -> Array:
    dtype = _dtype(value)
    if value.dtype is None or not value.dtype.is_floating_point():
        return np.ones(shape, dtype)
    return np.random.default_rng(SEED).random(shape, np.float32).astype(dtype)


def others(model: ir.Model, given: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """Other values, and other sizes where the file fixes none: small and odd ones, and a batch of two."""
    inputs = inputs_of(model)
    yield {v.name or "": _like(v, given, list(given[v.name or ""].shape), 1) for v in inputs}
    if all(v.shape is None or all(isinstance(dim, int) for dim in v.shape) for v in inputs):
        return
    for seed, sides in enumerate(OTHER_SIDES, 2):
        named: dict[str, int] = {}
        made = {}
        for value in inputs:
            array = given[value.name or ""]
            shape = list(array.shape)
            for axis, dim in enumerate(value.shape or ()):
                if isinstance(dim, ir.SymbolicDim) and array.ndim == 4 and axis != 1:
                    side = sides[axis - 2] if axis > 1 else 2
                    # Sizes of one name are the same.
                    shape[axis] = named.setdefault(dim.value, side) if dim.value else side
            made[value.name or ""] = _like(value, given, shape, seed)
        yield made


def _like(value: ir.Value, given: Mapping[str, Array], shape: list[int], seed: int) -> Array:
    array = given[value.name or ""]
    if not np.issubdtype(array.dtype, np.floating):
        return array if list(array.shape) == shape else np.ones(shape, array.dtype)
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 1.0)
    generator = np.random.default_rng(seed)
    return (low + (high - low) * generator.random(shape, np.float32)).astype(array.dtype)
