"""A site of a file as small models, of its own operators or of what could take their place, in the runtimes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, fx, nn

from upbench.onnx_files.emission import written
from upbench.onnx_files.engines import load
from upbench.onnx_files.model_file import opset_of
from upbench.onnx_files.recording import Recording
from upbench.onnx_files.writer import Dynamic, Written
from upsample.rewriting import proof
from upsample.rewriting.sites import Site
from upsample.rewriting.substitution import Measured, inputs_of

KINDS = {torch.float32: ir.DataType.FLOAT, torch.float64: ir.DataType.DOUBLE, torch.float16: ir.DataType.FLOAT16}


def dynamic(node: fx.Node) -> list[bool]:
    """Which sizes of a value are not known before it runs."""
    return [isinstance(size, torch.SymInt) for size in node.meta["val"].shape]


class MeasuredInFile(Measured):
    """A site of a file.

    Args:
        model: the file's.
        recording: its graph.
        site: found in it.
    """

    def __init__(self, model: ir.Model, recording: Recording, site: Site) -> None:
        self.model, self.recording, self.site = model, recording, site
        self.inputs = inputs_of(site)
        generator = torch.Generator().manual_seed(0)
        # Values do not matter for its time, and these cannot be told from others by any form.
        seen = {node: self._some(node, generator) for node in self.inputs}
        super().__init__(nn.Module(), recording.constants, site, seen)
        self.originals: set[nn.Module] = set()

    def _some(self, node: fx.Node, generator: torch.Generator) -> Any:
        value = node.meta.get("val")
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        shape = self.recording.symbols.actual(value.shape)
        return torch.randn(shape, generator=generator).to(value.dtype)

    def usual(self) -> fx.GraphModule:
        """The site as it is; the file's own operators are what is timed of it."""
        module = super().usual()
        self.originals.add(module)
        return module

    def original(self) -> bytes | None:
        """The site's own operators as a model; None where they are not all between values of the file."""
        values = [self.recording.values.get(node) for node in (*self.inputs, self.site.nodes[-1])]
        if any(value is None for value in values):
            return None
        *inputs, output = [value for value in values if value is not None]
        try:
            graph = ir.convenience.extract(self.model.graph, inputs, [output])
        except ValueError:
            # As where a size is computed from another value's.
            return None
        for value, node in zip(graph.inputs, self.inputs, strict=True):
            _describe(value, node.meta["val"])
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                # A model of bytes has no place beside which its weights could lie.
                value.const_value = ir.tensor(value.const_value.numpy(), name=value.name)
        functions = list(self.model.functions.values())
        whole = ir.Model(graph, ir_version=self.model.ir_version, functions=functions)
        made: bytes = ir.to_proto(whole).SerializeToString()
        return made


def _describe(value: ir.Value, fake: Tensor) -> None:
    value.type = ir.TensorType(KINDS[fake.dtype])
    value.shape = ir.Shape([each if isinstance(each, int) else None for each in fake.shape])


class InRuntimes:
    """What makes a call of a module and its inputs: in all runtimes, one after the other.

    Args:
        runtimes: by name.
        opset: of the file.
        ir_version: of the file.
    """

    def __init__(self, runtimes: Sequence[str], model: ir.Model) -> None:
        self._runtimes, self._opset, self._ir_version = runtimes, opset_of(model), model.ir_version
        self.site: MeasuredInFile | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> proof.Call:
        """Let the runtimes load it.

        Raises:
            NotWrittenError: it is no operators of ONNX.
            EngineError: a runtime cannot.
        """
        assert self.site is not None
        original = self.site.original() if module in self.site.originals else None
        if original is not None:
            names = [value.name or "" for value in map(self.site.recording.values.get, self.site.inputs) if value]
            model = original
        else:
            made = written(module, inputs, self._flags(inputs), self._opset, "exact/")
            names = [value.name or "" for value in made.inputs]
            model = alone(made, inputs, self._flags(inputs), self._opset, self._ir_version)
        feeds: Mapping[str, Any] = {name: each.detach().numpy() for name, each in zip(names, inputs, strict=True)}
        loaded = [load(runtime, model) for runtime in self._runtimes]

        def call() -> None:
            for run in loaded:
                run(feeds)

        return call

    def _flags(self, inputs: Sequence[Tensor]) -> list[Dynamic]:
        assert self.site is not None
        own = self.site.example
        exact: list[Dynamic] = [dynamic(node) for node in self.site.inputs if isinstance(node.meta.get("val"), Tensor)]
        if len(own) == len(inputs) and all(one is other for one, other in zip(own, inputs, strict=True)):
            return exact
        # A part of the site, whose sizes are as unknown as what it is made from.
        images = [each for each in exact if len(each) == 4]
        union = [any(each[axis] for each in images) and axis != 1 for axis in range(4)]
        return [union if each.dim() == 4 else [False] * each.dim() for each in inputs]


def alone(made: Written, inputs: Sequence[Tensor], flags: Sequence[Dynamic], opset: int, ir_version: int) -> bytes:
    """What was written as a model of its own."""
    for value, tensor, unknown in zip(made.inputs, inputs, flags, strict=True):
        value.type = ir.TensorType(KINDS[tensor.dtype])
        value.shape = ir.Shape([None if there else size for size, there in zip(tensor.shape, unknown, strict=True)])
    made.output.type = ir.TensorType(KINDS[inputs[0].dtype])
    graph = ir.Graph(
        made.inputs,
        [made.output],
        nodes=made.nodes,
        initializers=made.constants,
        opset_imports={"": opset},
        name="alone",
    )
    whole: bytes = ir.to_proto(ir.Model(graph, ir_version=ir_version)).SerializeToString()
    return whole
