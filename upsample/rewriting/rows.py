"""What takes a site's place: layers in a row whose parameters are told in the call, some of them in an exact form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from upsample.exact.exact_form import ExactForm, Row, exporting, in_graph_of_values, recording
from upsample.exact.seen import Seen, all_still, transformed
from upsample.rewriting.steps import Linear

Split = list[tuple[int, int, ExactForm | None]]
"""Layers from the first to before the last, and the form that takes their place if they are not left as they are."""


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
        self._seen: tuple[Seen, ...] | None = None
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
        wanted = transformed(given) or (torch.is_grad_enabled() and any(each.requires_grad for each in given))
        if exporting() or in_graph_of_values() or (wanted and not torch.compiler.is_dynamo_compiling()):
            with self._lent(given):
                return self._run(input, size)
        self.follow(given, wanted)
        output = self._run(input, size)
        if wanted:
            # What was computed from parameters holds their history.
            for layer, name, _, _ in self._bound:
                layer._parameters[name] = layer._parameters[name].detach()  # type: ignore[union-attr, assignment]
        return output

    def _run(self, input: Tensor, size: Sequence[int] | None) -> Tensor:
        for (first, last), part in zip(self._order, self.parts, strict=True):
            row = part if isinstance(part, ExactForm) else Row(*self.layers[first:last])
            input, size = row(input, size), None
        return input

    @contextmanager
    def _lent(self, given: Sequence[Tensor]) -> Iterator[None]:
        """With parameters that stand for a call's in what is recorded, and are worth nothing after it."""
        before = [layer._parameters[name] for layer, name, _, _ in self._bound]
        try:
            self._bind(given)
            yield
        finally:
            for (layer, name, _, _), own in zip(self._bound, before, strict=True):
                layer._parameters[name] = own

    def refresh(self, given: Sequence[Tensor]) -> None:
        """Bring the kernels up to date where they are, for code that was compiled with them."""
        if self._seen is not None and all_still(self._seen, given):
            return
        forms = [part for part in self.parts if isinstance(part, ExactForm)]
        kept = [(form, dict(form.named_buffers(recurse=False))) for form in forms]
        self.follow(given)
        for form, buffers in kept:
            for name, buffer in buffers.items():
                form._buffers[name] = buffer.copy_(form._buffers[name])  # type: ignore[arg-type]

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def follow(self, given: Sequence[Tensor], wanted: bool = False) -> None:
        """Give the layers their parameters, if they are not what they were."""
        if not wanted and self._seen is not None and all_still(self._seen, given):
            return
        if wanted:
            self._bind(given)
            self._seen = None
            return
        # What is kept may come to be used where gradients are wanted.
        with torch.inference_mode(False), torch.no_grad():
            self._bind(given)
        self._seen = tuple(map(Seen, given))
        for part in self.parts:
            if isinstance(part, ExactForm):
                # Compiled code, which does not look by itself, has this one called as it is.
                part.refresh()

    def _bind(self, given: Sequence[Tensor]) -> None:
        for layer, name, places, make in self._bound:
            layer._parameters[name] = make(*(given[place] for place in places))  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        # It may hold tensors that were computed, which cannot be copied.
        return {**super().__getstate__(), "_seen": None}  # type: ignore[no-untyped-call]


def added_to(total: Tensor, more: Tensor) -> Tensor:
    """The sum, written into the first, which nobody else has, where that is nothing that is recorded."""
    wanted = torch.is_grad_enabled() and (total.requires_grad or more.requires_grad)
    return total + more if wanted or recording() or transformed([total, more]) else total.add_(more)


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
        return added_to(made, other)


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
