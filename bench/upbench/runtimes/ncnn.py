"""ncnn on the CPU, by way of pnnx, which reads a traced module and writes ncnn's two files."""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from upbench.cases.case import Cell
from upbench.leftovers import HeldFolder
from upbench.runtimes.runtime import Call, ConversionError, Runtime

PNNX_S = 60.0
"""After which pnnx is ended; it takes a second for an upsampler."""

PREFIX, SUFFIX = "upbench-pnnx-", ".tmp"
PARAM, BIN = "model.ncnn.param", "model.ncnn.bin"
HALF_PRECISION = (
    *("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
    *("use_bf16_packed", "use_bf16_storage"),
)
"""Options of ncnn, some of them on by default, under which float32 is kept or computed in fewer bits."""


class NcnnError(Exception):
    """There is no model that ncnn runs; the message holds pnnx's words or ncnn's."""


class Ncnn(Runtime):
    """Float32 throughout; Winograd's transforms, packed layouts and matrix products as ncnn chooses them."""

    name = "ncnn"
    title = "ncnn"
    packages = ("ncnn", "pnnx")

    def refusal(self, cell: Cell) -> str | None:
        if cell.dtype != "float32":
            return f"{self.title} is run in float32, which is what it takes and gives; got {cell.dtype}"
        return super().refusal(cell)

    def prepare(self, module: nn.Module, inputs: tuple[Tensor, ...], kept: Path | None = None) -> Call:
        folder = None if kept is None else kept / self.name
        try:
            model = NcnnModel.read(folder) if folder and folder.exists() else converted(module, inputs)
            call = called(model, inputs)
            call()
        except Exception as error:
            raise ConversionError(self, error) from error
        if folder is not None:
            # Others do without it where there is no room.
            with suppress(OSError):
                model.keep(folder)
        return call


@dataclass(frozen=True)
class NcnnModel:
    """What pnnx makes of a module.

    Attributes:
        param: the layers, as text.
        weights: what lies in the ``.bin`` file.
        output_shape: of the module; where ncnn has four axes it knows no batch, and says so in a shape of its own.
    """

    param: str
    weights: bytes
    output_shape: tuple[int, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` has written."""
        shape = tuple(map(int, (folder / "shape").read_text().split()))
        return cls((folder / PARAM).read_text(), (folder / BIN).read_bytes(), shape)

    def write(self, folder: Path) -> None:
        """Write the two files, and what they do not tell."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PARAM).write_text(self.param)
        (folder / BIN).write_bytes(self.weights)
        (folder / "shape").write_text(" ".join(map(str, self.output_shape)))

    def keep(self, folder: Path) -> None:
        """Leave it for others, who find it whole or not at all, as this process may be ended at any moment."""
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            self.write(partial)
            partial.replace(folder)


def converted(module: nn.Module, inputs: tuple[Tensor, ...]) -> NcnnModel:
    """The module as ncnn's two files, for inputs of these sizes.

    Raises:
        NcnnError: pnnx does not read it, or leaves operators that ncnn lacks.
    """
    if others := [each.dtype for each in inputs if each.dtype is not torch.float32]:
        raise NcnnError(f"its inputs are float32; got {others[0]}")
    with torch.no_grad(), warnings.catch_warnings():
        # It warns of itself, and of values that are fixed by the inputs' sizes, as is meant.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, inputs, check_trace=False)
        shape = tuple(module(*inputs).shape)
    with HeldFolder(Path(tempfile.gettempdir()), PREFIX, SUFFIX) as held:
        traced.save(str(held.path / "model.pt"))
        told = _run_pnnx(held.path, inputs)
        if not (held.path / PARAM).exists():
            raise NcnnError(f"pnnx: {told[-1] if told else 'it writes nothing, and says nothing'}")
        param, weights = (held.path / PARAM).read_text(), (held.path / BIN).read_bytes()
    _check_layers(param, told)
    return NcnnModel(param, weights, shape)


def _run_pnnx(folder: Path, inputs: Sequence[Tensor]) -> list[str]:
    """Let it read and write there, and return what it says beside its progress: last what it ended for."""
    import pnnx

    shapes = ",".join(f"[{','.join(map(str, each.shape))}]f32" for each in inputs)
    # Without fp16=0 it rounds the weights.
    command = [pnnx.EXEC_PATH, "model.pt", f"inputshape={shapes}", "device=cpu", "fp16=0"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=PNNX_S)
    except subprocess.TimeoutExpired:
        raise NcnnError(f"pnnx does not end within {PNNX_S:g} s") from None
    complaints = [line for line in _lines(done.stderr) if any(word in line for word in ("support", "exceed", "not "))]
    reasons = [line.removeprefix("what():").strip() for line in _lines(done.stderr) if line.startswith("what():")]
    ended = [f"it was ended by signal {-done.returncode}"] if done.returncode < 0 else []
    return [*complaints, *(reasons or ended)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _check_layers(param: str, told: Sequence[str]) -> None:
    """See whether ncnn has every layer; loading a model that has others says no more than that it failed.

    Raises:
        NcnnError: it lacks some; pnnx has said of the first why it did not do without.
    """
    import ncnn

    kinds = dict.fromkeys(line.split()[0] for line in param.splitlines()[2:] if line.strip())
    if unknown := [kind for kind in kinds if ncnn.layer_to_index(kind) < 0]:
        why = f" ({told[0]})" if told else ""
        raise NcnnError(f"pnnx leaves {', '.join(unknown)}, which ncnn lacks{why}")


def called(model: NcnnModel, inputs: Sequence[Tensor]) -> Call:
    """Load a model, to be called on copies of these inputs with as many threads as torch has now.

    Raises:
        NcnnError: ncnn cannot load or run it.
    """
    net = loaded(model)
    feeds = [(name, as_mat(each)) for name, each in zip(net.input_names(), inputs, strict=True)]
    (output,) = net.output_names()

    def call() -> Tensor:
        # An extractor knows what it has computed, so that every call needs one of its own.
        extractor = net.create_extractor()
        for name, mat in feeds:
            extractor.input(name, mat)
        status, made = extractor.extract(output)
        if status:
            raise NcnnError(f"it ends with status {status} as it runs the model")
        return torch.from_numpy(made.numpy(batch_index=0)).reshape(model.output_shape)

    return call


def loaded(model: NcnnModel) -> Any:
    """The ``ncnn.Net`` of a model, with its options set.

    Raises:
        NcnnError: ncnn cannot load it.
    """
    import ncnn

    net = ncnn.Net()
    set_options(net.opt)
    # From files, as the bytes of weights would have to outlive the net.
    with HeldFolder(Path(tempfile.gettempdir()), PREFIX, SUFFIX) as held:
        model.write(held.path)
        for status in (net.load_param(str(held.path / PARAM)), net.load_model(str(held.path / BIN))):
            if status:
                raise NcnnError(f"it ends with status {status} as it loads the model")
    return net


def set_options(options: Any) -> None:
    """As many threads as torch has now, and every number in float32."""
    options.num_threads = torch.get_num_threads()
    options.use_vulkan_compute = False
    for name in HALF_PRECISION:
        if hasattr(options, name):
            setattr(options, name, False)


def as_mat(input: Tensor) -> Any:
    """A copy, whose channels lie as ncnn wants them; the batch is an axis of its own."""
    import ncnn

    return ncnn.Mat(input.detach().contiguous().numpy(), batch_index=0).clone()
