"""One linear upsampler, written in ways that differ in cost and not in output.

All follow from the polyphase normal form (:mod:`upsample.exact.normal_form`), which has every border right:

- ``shuffled``: one convolution at low resolution that makes all s² phases, then the shuffle; ``shuffled_in_place`` with
  blocks that are the input's own pixels;
- ``transposed``: one transposed convolution;
- ``phases``: a convolution for each set of phases that read the same inputs, with no tap too many;
- ``mixed_shuffled``: channels are mixed by a 1×1 convolution with an output for every tap, and one convolution with the
  bank of the taps alone and the shuffle put them together;
- ``mixed_first``: channels are mixed at low resolution, interpolated, and summed tap by tap, which asks of the
  interpolation only that it treats channels alike (``align_corners=True`` and fractional scales included).

Which is fastest depends on the runtime and is measured, not assumed; their arithmetic is stated in closed form. A new
form is one class in a file of this package and its name in :data:`FORMS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from upsample.contract import UnsupportedError
from upsample.exact.exact_form import ExactForm
from upsample.exact.mixed_first import MixedFirst
from upsample.exact.phases import Phases
from upsample.exact.shuffled import MixedShuffled, Shuffled, ShuffledInPlace
from upsample.exact.transposed_form import TransposedForm

FORMS: dict[str, type[ExactForm]] = {
    "shuffled": Shuffled,
    "shuffled_in_place": ShuffledInPlace,
    "transposed": TransposedForm,
    "phases": Phases,
    "mixed_shuffled": MixedShuffled,
    "mixed_first": MixedFirst,
}
"""The forms by name, beside the usual one."""


def exact_forms(layers: Sequence[nn.Module], channels: int | None = None) -> dict[str, ExactForm]:
    """Return every exact form of layers in a row, by name: modules that take the layers' place.

    Args:
        layers: an upsampler and what is convolved with it, first to last: ``nn.Conv2d`` with stride 1,
            ``nn.ConvTranspose2d``, ``nn.PixelShuffle``, ``nn.Upsample``, :class:`upsample.exact.ZeroStuff`. The forms
            share their parameters.
        channels: of the input, where no layer tells.

    Raises:
        UnsupportedError: there is none; the message says why for each.
    """
    forms, reasons = {}, []
    for name, form in each_form(layers, channels):
        if isinstance(form, UnsupportedError):
            reasons.append(f"{name}: {form}")
        else:
            forms[name] = form
    if not forms:
        raise UnsupportedError(" ".join(reasons))
    return forms


def each_form(
    layers: Sequence[nn.Module], channels: int | None = None, owned: bool = True, ready: bool = True
) -> Iterator[tuple[str, ExactForm | UnsupportedError]]:
    """Yield the name of every form, and the form itself or why it does not exist.

    The arguments are those of :class:`upsample.exact.exact_form.ExactForm`.
    """
    for name, form in FORMS.items():
        try:
            yield name, form(layers, channels, owned, ready)
        except UnsupportedError as error:
            yield name, error
