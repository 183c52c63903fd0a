"""What takes a site's place: layers in a row whose parameters are told in the call, some of them in an exact form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from upsample.exact.exact_form import ExactForm, Row, recording
from upsample.rewriting.steps import Linear

Split = list[tuple[int, int, ExactForm | None]]
"""Layers from the first to before the last, and the form that takes their place if they are not left as they are."""

Known = tuple[Tensor, int, torch.dtype, torch.device]


class GivenRow(nn.Module):
    """Linear layers in a row; their parameters are told in every call.

    Parameters stay where a network keeps them, whoever puts others there: the row is told, and forms work their kernels
    out anew when a parameter is another one or has changed. Compiled code and exported graphs do not look.
    """

    def __init__(self, links: Sequence[Linear]) -> None:
        super().__init__()
        # Of its own, as others may be made of the same links.
        layers = [deepcopy(link.layer) for link in links]
        given = [
            (layer, name, each) for layer, link in zip(layers, links, strict=True) for name, each in link.given.items()
        ]
        sources = list(dict.fromkeys(source for _, _, each in given for source in each.sources))
        self._bound: list[tuple[nn.Module, str, tuple[int, ...], Callable[..., Tensor]]] = [
            (layer, name, tuple(map(sources.index, each.sources)), each.make) for layer, name, each in given
        ]
        # A tuple hides modules from torch: their parameters are not this one's.
        self._hidden = (Row(*layers),)
        self._seen: tuple[Known, ...] | None = None
        self.parts = nn.ModuleList()
        self.split([(0, len(links), None)])

    @staticmethod
    def sources(links: Sequence[Linear]) -> list[fx.Node]:
        """The values of the graph that the parameters are made from, in the order of the call."""
        return list(dict.fromkeys(source for link in links for each in link.given.values() for source in each.sources))

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, with the parameters of the last call."""
        return list(self._hidden[0])

    @property
    def divided(self) -> Split:
        """As it was split last."""
        forms = (part if isinstance(part, ExactForm) else None for part in self.parts)
        return [(first, last, form) for (first, last), form in zip(self._order, forms, strict=True)]

    def split(self, parts: Split) -> None:
        """Run some of the layers in the form that is given with them."""
        self._order = [(first, last) for first, last, _ in parts]
        self.parts = nn.ModuleList(form if form is not None else nn.Identity() for _, _, form in parts)

    def forward(self, input: Tensor, *given: Tensor, size: Sequence[int] | None = None) -> Tensor:
        wanted = torch.is_grad_enabled() and any(each.requires_grad for each in given)
        if wanted and not torch.compiler.is_dynamo_compiling():
            with self._lent(given):
                return self._run(input, given, size)
        if not recording():
            self.follow(given)
        return self._run(input, given, size)

    def _run(self, input: Tensor, given: Sequence[Tensor], size: Sequence[int] | None) -> Tensor:
        for (first, last), part in zip(self._order, self.parts, strict=True):
            if isinstance(part, ExactForm):
                input = part(input, size)
            elif recording():
                input = self._called(input, given, first, last, size)
            else:
                input = Row(*self.layers[first:last])(input, size)
            size = None
        return input

    @contextmanager
    def _lent(self, given: Sequence[Tensor]) -> Iterator[None]:
        """Have the layers use these parameters for one call, through which gradients reach them."""
        before = [layer._parameters[name] for layer, name, _, _ in self._bound]
        self._bind(given)
        try:
            yield
        finally:
            for (layer, name, _, _), own in zip(self._bound, before, strict=True):
                layer._parameters[name] = own

    def refresh(self, given: Sequence[Tensor]) -> None:
        """Bring the kernels up to date where they are, for code that was compiled with them."""
        before = self._seen
        self.follow(given)
        if self._seen is before:
            return
        for form in self.parts:
            if isinstance(form, ExactForm):
                kept = dict(form.named_buffers(recurse=False))
                form.refresh()
                for name, buffer in kept.items():
                    form._buffers[name] = buffer.copy_(form._buffers[name])  # type: ignore[arg-type]

    def follow(self, given: Sequence[Tensor]) -> None:
        """Give the layers their parameters, if they are not what they were."""
        now = tuple((each, 0 if each.is_inference() else each._version, each.dtype, each.device) for each in given)
        if self._seen is None or not all(map(_same, self._seen, now)):
            self._bind(given)
            self._seen = now

    def _bind(self, given: Sequence[Tensor]) -> None:
        for layer, name, places, make in self._bound:
            layer._parameters[name] = make(*(given[place] for place in places))  # type: ignore[assignment]

    def _called(
        self, input: Tensor, given: Sequence[Tensor], first: int, last: int, size: Sequence[int] | None
    ) -> Tensor:
        """The same in a way that can be recorded."""
        for layer in self.layers[first:last]:
            own = {
                name: make(*(given[place] for place in places))
                for one, name, places, make in self._bound
                if one is layer
            }
            input = torch.func.functional_call(layer, own, input) if own else Row(layer)(input, size)
        return input

    def __getstate__(self) -> dict[str, Any]:
        # It may hold tensors that were computed, which cannot be copied.
        return {**super().__getstate__(), "_seen": None}  # type: ignore[no-untyped-call]


def _same(one: Known, other: Known) -> bool:
    return one[0] is other[0] and one[1:] == other[1:]


class AddedTo(nn.Module):
    """An upsampled value added to another: ``up(a) + b``."""

    def __init__(self, layer: nn.Upsample) -> None:
        super().__init__()
        self.row = Row(layer)

    def forward(self, input: Tensor, other: Tensor, size: Sequence[int] | None = None) -> Tensor:
        raise NotImplementedError


class AddedInPlace(AddedTo):
    """What was upsampled is nobody else's, and the sum is written into it."""

    def forward(self, input: Tensor, other: Tensor, size: Sequence[int] | None = None) -> Tensor:
        made = self.row(input, size)
        if made.shape != other.shape or made.dtype != other.dtype:
            return made + other  # type: ignore[no-any-return]
        return made.add_(other)  # type: ignore[no-any-return]


class AddedByRows(AddedTo):
    """Nearest-neighbour interpolation along one axis, whose rows are then added to all that they stand for."""

    def forward(self, input: Tensor, other: Tensor, size: Sequence[int] | None = None) -> Tensor:
        layer = self.row[0]
        assert isinstance(layer, nn.Upsample)
        assert isinstance(layer.scale_factor, tuple)
        high, wide = (int(each) for each in layer.scale_factor)
        whole = (high * input.shape[2], wide * input.shape[3])
        if tuple(other.shape) != (*input.shape[:2], *whole) or (size is not None and tuple(size) != whole):
            return self.row(input, size) + other  # type: ignore[no-any-return]
        rows = F.interpolate(input, scale_factor=(1.0, float(wide)), mode=layer.mode)
        added: Tensor = other.unflatten(2, (input.shape[2], high)) + rows[:, :, :, None]
        return added.flatten(2, 3)


SUMS: dict[str, type[AddedTo]] = {"added_in_place": AddedInPlace, "added_by_rows": AddedByRows}
"""Ways to add what was upsampled to something else, by name."""
