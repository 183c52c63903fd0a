"""What all exact forms share: kernels that follow the weights of the layers, wherever those weights are kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from upsample.contract import Work

PREFIX = "exact_"
"""Of the names of buffers, beside which a module may hold a layer's own parameters."""


def recording() -> bool:
    """Whether the calls are recorded to be compiled or exported; then writing into slices costs more than copying."""
    return torch.compiler.is_compiling() or bool(torch._C._get_tracing_state())


def exporting() -> bool:
    """Whether they are recorded for another runtime than torch."""
    return recording() and not torch.compiler.is_dynamo_compiling()


def _in_older_export() -> bool:
    """Whether torch's older exporter to ONNX records, which it does with gradients, though its graph has none."""
    return not torch.compiler.is_compiling() and torch.onnx.is_in_onnx_export() and bool(torch._C._get_tracing_state())


@contextmanager
def _not_recorded() -> Iterator[None]:
    """Keep what is computed out of a graph that is being recorded, in which its result is a constant."""
    graph = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]  # missing in the stubs
    try:
        yield
    finally:
        torch._C._set_tracing_state(graph)  # type: ignore[attr-defined]


class Held:
    """The parameters of a layer under the care of another module, which stands in its place.

    Whatever gives that module other tensors, ``load_state_dict(assign=True)`` or ``torch.func.functional_call``, gives
    them to the layer as well.
    """

    def __init__(self, holder: nn.Module, layer: nn.Module) -> None:
        self._layer = layer
        for name, parameter in layer._parameters.items():
            holder.register_parameter(name, parameter)
        for name, value in vars(layer).items():
            # What a network may read of it, such as its scale factor.
            if not name.startswith("_") and not hasattr(holder, name):
                setattr(holder, name, value)

    def follow(self, holder: nn.Module) -> None:
        """Give the layer what its holder has now."""
        for name, parameter in self._layer._parameters.items():
            if parameter is not None and holder._parameters[name] is not parameter:
                self._layer._parameters[name] = holder._parameters[name]


class Kept(nn.Module):
    """Stands in the place of a layer whose work another module does now: has its parameters, and hands its input on."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._held = Held(self, layer)

    def forward(self, input: Tensor) -> Tensor:
        self._held.follow(self)
        return input


class ExactForm(nn.Module):
    """What all forms share: the layers that they stand for, kernels that follow their weights, and the ring.

    The layers keep their parameters. While gradients are wanted the kernels are worked out anew in every call, so that
    gradients reach those parameters; otherwise they are kept until a weight changes. Inputs too small to tell the
    borders apart go through the layers themselves.

    Class attributes:
        title: what a table adds to the name of the usual form.

    Args:
        layers: first to last, as for :func:`upsample.exact.layers.stage`.
        channels: of the input, where the layers do not tell.
        owned: whether the layers' parameters are this module's as well; otherwise they belong to somebody else.
        ready: whether to work the kernels out; otherwise :meth:`refresh` is to be called before the first call. What a
            form costs is known without them.

    Raises:
        UnsupportedError: this form does not exist for these layers; one sentence says why.
    """

    title: ClassVar[str]

    def __init__(
        self, layers: Sequence[nn.Module], channels: int | None = None, owned: bool = True, ready: bool = True
    ) -> None:
        super().__init__()
        usual = nn.Sequential(*layers)
        # A tuple hides modules from torch, so that a state_dict holds their parameters once.
        self._hidden = (usual,)
        self._held: Held | None = None
        if owned:
            self.layers = usual
        self._prepare(channels)
        self._seen: tuple[tuple[int, int, torch.dtype], ...] = ()
        if ready:
            self.refresh()
        self.register_load_state_dict_post_hook(_refresh_loaded)  # type: ignore[no-untyped-call]  # torch leaves it unannotated

    def hold(self, layer: nn.Module) -> Self:
        """Stand in the place of one of the layers, with its parameters and its attributes under their names."""
        self._held = Held(self, layer)
        return self

    @property
    def usual(self) -> nn.Sequential:
        """The layers themselves, in a row."""
        return self._hidden[0]

    def forward(self, input: Tensor) -> Tensor:
        if self._held is not None:
            self._held.follow(self)
        if input.dim() != 4 or not input.is_floating_point() or not self._fits(input):
            usual: Tensor = self.usual(input)
            return usual
        if self._wants_gradients():
            return self._run(input, self._weights())
        if not torch.compiler.is_compiling() and self._versions() != self._seen:
            with _not_recorded():
                self.refresh()
        weights = self._kept()
        if not self._seen:
            # Layers without weights take any dtype.
            weights = {name: weight.to(input) for name, weight in weights.items()}
        return self._run(input, weights)

    @torch.no_grad()
    def refresh(self) -> None:
        """Work the kernels out from the layers' present weights.

        A call does so by itself where a weight has changed, and so does loading a state; only compiled code does not
        look.
        """
        if self._held is not None:
            self._held.follow(self)
        for name, weight in self._weights().items():
            self.register_buffer(f"{PREFIX}{name}", weight.detach(), persistent=False)
        self._seen = self._versions()

    def _wants_gradients(self) -> bool:
        if not torch.is_grad_enabled() or _in_older_export():
            return False
        return any(parameter.requires_grad for parameter in self.usual.parameters())

    def _kept(self) -> dict[str, Tensor]:
        return {name.removeprefix(PREFIX): buffer for name, buffer in self._buffers.items() if buffer is not None}

    def _versions(self) -> tuple[tuple[int, int, torch.dtype], ...]:
        # Kernels that were rounded to a dtype of before are no kernels for this one.
        return tuple(
            (id(parameter), 0 if parameter.is_inference() else parameter._version, parameter.dtype)
            for parameter in self.usual.parameters()
        )

    @abstractmethod
    def _prepare(self, channels: int | None) -> None:
        """Work out all that does not depend on the weights."""

    @abstractmethod
    def _weights(self) -> dict[str, Tensor]:
        """Return what :meth:`_run` needs, from the layers' present weights; differentiable."""

    @abstractmethod
    def _fits(self, input: Tensor) -> bool:
        """Whether the input is large enough for this form."""

    @abstractmethod
    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """Compute the output."""

    @abstractmethod
    def work(self, batch: int, height: int, width: int) -> Work:
        """Return the exact arithmetic on an input of ``(batch, C, height, width)``."""


def _refresh_loaded(form: ExactForm, _: object) -> None:
    form.refresh()
