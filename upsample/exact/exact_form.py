"""What all exact forms share: kernels that follow the weights of the layers, wherever those weights are kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Work
from upsample.exact.seen import Seen, all_still, transformed

PREFIX = "exact_"
"""Of the names of buffers, beside which a module may hold a layer's own parameters."""


def recording() -> bool:
    """Whether the calls are recorded to be compiled or exported; then writing into slices costs more than copying."""
    return torch.compiler.is_compiling() or bool(torch._C._get_tracing_state()) or in_graph_of_values()


def in_graph_of_values() -> bool:
    """Whether a backend of torch.compile records what a call does, which it does with tensors that have no values."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None


def exporting() -> bool:
    """Whether they are recorded for another runtime than torch."""
    return recording() and not torch.compiler.is_dynamo_compiling() and not in_graph_of_values()


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


class Row(nn.Sequential):
    """Layers in a row, of which an interpolation may be told the size of its output in the call."""

    def forward(self, input: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Compute the output of the last layer."""
        for layer in self:
            if size is not None and isinstance(layer, nn.Upsample):
                input = F.interpolate(input, size, mode=layer.mode, align_corners=layer.align_corners)
            else:
                input = layer(input)
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
        usual = Row(*layers)
        # A tuple hides modules from torch, so that a state_dict holds their parameters once.
        self._hidden = (usual,)
        if owned:
            self.layers = usual
        self._prepare(channels)
        self._seen: tuple[Seen, ...] = ()
        if ready:
            self.refresh()
        self.register_load_state_dict_post_hook(_refresh_loaded)  # type: ignore[no-untyped-call]  # torch leaves it unannotated

    @property
    def usual(self) -> Row:
        """The layers themselves, in a row."""
        return self._hidden[0]

    def forward(self, input: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Compute the output.

        Args:
            input: ``(N, C, H, W)``.
            size: of what the interpolation among the layers is to make, where a call tells; the usual way is taken
                where the form stands for another.
        """
        if input.dim() != 4 or not input.is_floating_point() or not self._fits(input):
            return self.usual.forward(input, size)
        if size is not None and not self._makes(input, size):
            return self.usual.forward(input, size)
        if self._wants_gradients():
            # What is kept may be of weights that are gone by the time somebody asks for it.
            self._seen = ()
            return self._run_to(size, input, self._weights())
        looked = torch.compiler.is_compiling() or in_graph_of_values()
        if not looked and not all_still(self._seen, self.usual.parameters()):
            with _not_recorded():
                self.refresh()
        weights = self._kept()
        if not self._seen:
            # Layers without weights take any dtype.
            weights = {name: weight.to(input) for name, weight in weights.items()}
        return self._run_to(size, input, weights)

    def refresh(self) -> None:
        """Work the kernels out from the layers' present weights.

        A call does so by itself where a weight has changed, and so does loading a state; only compiled code does not
        look.
        """
        # What is kept may come to be used where gradients are wanted.
        with torch.inference_mode(False), torch.no_grad():
            for name, weight in self._weights().items():
                self.register_buffer(f"{PREFIX}{name}", weight.detach(), persistent=False)
        self._seen = tuple(map(Seen, self.usual.parameters()))

    def _wants_gradients(self) -> bool:
        if transformed(self.usual.parameters()):
            return True
        if not torch.is_grad_enabled() or _in_older_export():
            return False
        return any(parameter.requires_grad for parameter in self.usual.parameters())

    def _kept(self) -> dict[str, Tensor]:
        return {name.removeprefix(PREFIX): buffer for name, buffer in self._buffers.items() if buffer is not None}

    def __getstate__(self) -> dict[str, Any]:
        # A copy has other tensors.
        return {**super().__getstate__(), "_seen": ()}  # type: ignore[no-untyped-call]

    @abstractmethod
    def _prepare(self, channels: int | None) -> None:
        """Work out all that does not depend on the weights."""

    @abstractmethod
    def _weights(self) -> dict[str, Tensor]:
        """Return what :meth:`_run` needs, from the layers' present weights; differentiable."""

    @abstractmethod
    def fits(self, height: int, width: int) -> bool:
        """Whether an input of this size is computed in this form; a smaller one goes through the layers."""

    def _fits(self, input: Tensor) -> bool:
        """Whether the input is large enough for this form, or left to its run to find out."""
        return self.fits(input.shape[2], input.shape[3])

    def _makes(self, input: Tensor, size: Sequence[int]) -> bool:
        """Whether an interpolation to this size is the one that this form stands for."""
        factors = next((layer.scale_factor for layer in self.usual if isinstance(layer, nn.Upsample)), None)
        high, wide = factors if isinstance(factors, tuple) else (factors, factors)
        return bool(high and wide and size[0] == high * input.shape[2] and size[1] == wide * input.shape[3])

    def _run_to(self, size: Sequence[int] | None, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """Compute the output, of which the size is known to be right if it was told."""
        return self._run(input, weights)

    @abstractmethod
    def _run(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """Compute the output."""

    @abstractmethod
    def work(self, batch: int, height: int, width: int) -> Work:
        """Return the exact arithmetic on an input of ``(batch, C, height, width)``."""


def _refresh_loaded(form: ExactForm, _: object) -> None:
    form.refresh()
