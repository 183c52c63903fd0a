"""Random networks from a grammar of layers, calls and containers, sensible or not, to rewrite.

``python -m tests.upsample.random_networks 2000`` tries so many and says what became of them.
"""

from __future__ import annotations

import itertools
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample
from upsample.exact.forms import FORMS
from upsample.rewriting import proof
from upsample.rewriting.structure import tensors


class Interpolate(nn.Module):
    """A functional interpolation, with whatever arguments it may be called with."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, **self.arguments)


class InterpolateTo(nn.Module):
    """The size is computed from the input's."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=(2 * x.shape[-2], 2 * x.shape[-1]))


class Shuffle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, 2)


class Twice(nn.Module):
    """Calls the same part twice."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x) + self.part(x + 1)


class Branches(nn.Module):
    """Concatenates the outputs of two parts."""

    def __init__(self, one: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.other(x)], 1)


class Controlled(nn.Module):
    """Cannot be traced: what is run depends on values."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x) if x.sum() < 1e30 else x


class Remembers(nn.Module):
    """Assigns to itself."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part, self.shift = part, torch.zeros(())
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.shift = self.shift.type_as(x)
        self.count = self.count + 1
        return self.part(x - self.shift)


class Reads(nn.Module):
    """Asks its layer for more than its output."""

    def __init__(self, layer: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.layer, self.after = layer, after

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Upsample):
            assert self.layer.scale_factor is not None or self.layer.size is not None
        elif isinstance(self.layer, nn.ConvTranspose2d):
            x = x.to(self.layer.weight.dtype) * self.layer.stride[0]
        return self.after(self.layer(x))


class OutputSize(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.ConvTranspose2d(channels, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, output_size=[2 * x.shape[-2], 2 * x.shape[-1] - 1])


class ByKeyword(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, *, scale: float = 1.0) -> dict[str, Any]:
        return {"out": self.part(x) * scale, "also": [x, None]}


class Level(nn.Module):
    """One level of a U-Net: halved, seen through a part, brought back to the size it had, and joined to what it was."""

    def __init__(self, part: nn.Module, after: nn.Module, order: str, mode: str) -> None:
        super().__init__()
        self.part, self.after, self.order, self.mode = part, after, order, mode

    def forward(self, x: Tensor) -> Tensor:
        low = self.part(F.max_pool2d(x, 2))
        up = F.interpolate(low, size=x.shape[-2:], mode=self.mode)
        parts = {"first": [up, x], "last": [x, up], "twice": [up, x, up]}[self.order]
        return self.after(torch.cat(parts, dim=1))


class Summed(nn.Module):
    """What is upsampled is added to something else, and perhaps convolved then."""

    def __init__(self, one: nn.Module, other: nn.Module, after: nn.Module, in_place: bool) -> None:
        super().__init__()
        self.one, self.other, self.after, self.in_place = one, other, after, in_place

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.one(x), self.other(x)
        if self.in_place:
            one += F.interpolate(other, size=one.shape[2:])
            return self.after(one)
        high, wide = one.shape[2:]
        return self.after(F.interpolate(one, scale_factor=2.0) + F.interpolate(other, size=(2 * high, 2 * wide)))


class WritesInto(nn.Module):
    """Changes what a part has made where it stands, or a piece of it."""

    def __init__(self, part: nn.Module, after: nn.Module, kind: str) -> None:
        super().__init__()
        self.part, self.after, self.kind = part, after, kind

    def forward(self, x: Tensor) -> Tensor:
        made = self.part(x)
        if self.kind == "item":
            made[:, :1] = 0.5
        elif self.kind == "row":
            made[..., 0, :] *= 2
        elif self.kind == "chunk":
            return self.after(torch.cat(list(made.split(1, dim=1)), 1))
        else:
            made.mul_(2).clamp_(min=-1)
        return self.after(made)


Made = tuple[nn.Module, int]
"""A layer, and how many channels come out of it."""


class Grammar:
    """Networks drawn from one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def network(self) -> tuple[nn.Module, Tensor]:
        channels = self.random.choice([1, 3, 4, 8])
        model, _ = self.row(channels, depth=2)
        for wrap in (ByKeyword, Remembers, Controlled):
            if self.random.random() < 0.1:
                model = wrap(model)
        shape = [1, channels, *self.random.choices(range(4, 10), k=2)]
        kind = self.random.random()
        if kind < 0.05:
            shape = shape[1:]
        elif kind < 0.08:
            shape.append(5)
        elif kind < 0.11:
            shape.pop()
        dtype = self.random.choices([torch.float32, torch.float64, torch.bfloat16, torch.complex64], [20, 4, 1, 1])[0]
        input = torch.randn(shape).to(dtype)
        model = model.to(dtype)
        if self.random.random() < 0.2 and input.dim() == 4:
            model, input = model.to(memory_format=torch.channels_last), input.to(memory_format=torch.channels_last)
        return model.train(self.random.random() < 0.2), input

    def row(self, channels: int, depth: int) -> Made:
        layers = []
        for _ in range(self.random.randint(1, 5)):
            layer, channels = self.random.choice(self.choices(depth))(channels)
            layers.append(layer)
        return nn.Sequential(*layers), channels

    def choices(self, depth: int) -> list[Callable[[int], Made]]:
        flat = [self.convolution, self.convolution, self.transposed, self.upsample, self.upsample, self.shuffle]
        flat += [self.pointwise, self.normed, self.odd, self.padded]
        return [*flat, self.nested, self.nested, self.joined] if depth else flat

    def nested(self, channels: int) -> Made:
        row, out = self.row(channels, depth=1)
        kind = self.random.choice([Twice, Controlled, Remembers, Branches])
        if kind is Branches:
            return Branches(row, row if self.random.random() < 0.3 else self._like(channels)), 2 * out
        if self.random.random() < 0.2:
            row.register_forward_hook(lambda *_: None)
        return kind(row), out

    def joined(self, channels: int) -> Made:
        """Levels, sums and writing in place, with a convolution behind or something that is none."""
        kind = self.random.choice([Level, Summed, WritesInto])
        if kind is WritesInto:
            part, middle = self.random.choice([self.upsample, self.transposed, self.shuffle])(channels)
            after, out = self._behind(middle)
            return WritesInto(part, after, self.random.choice(["item", "row", "chunk", "all"])), out
        same = [nn.Conv2d(channels, 4, 3, padding=1), nn.Conv2d(channels, 4, 1), self._like(channels)]
        if kind is Level:
            order = self.random.choice(["first", "last", "twice"])
            middle = channels + (8 if order == "twice" else 4)
            after, out = self._behind(middle)
            mode = self.random.choice(["nearest", "bilinear", "nearest-exact"])
            return Level(self.random.choice(same), after, order, mode), out
        after, out = self._behind(4)
        return Summed(same[0], self.random.choice(same), after, self.random.random() < 0.3), out

    def _behind(self, channels: int) -> Made:
        """What reads a joined value."""
        made, out = self.random.choice([self.convolution, self.convolution, self.pointwise])(channels)
        if self.random.random() < 0.3:
            before = self.random.choice([self.pointwise, self.padded])(channels)[0]
            made = nn.Sequential(before, made)
        return made, out

    def padded(self, channels: int) -> Made:
        """Padding of a layer's own, which a convolution or a blur may follow."""
        kinds: list[Callable[[], nn.Module]] = [
            lambda: nn.ReflectionPad2d(1),
            lambda: nn.ReplicationPad2d((1, 0, 2, 1)),
            lambda: nn.ConstantPad2d(1, 0.5),
            lambda: nn.CircularPad2d(1),
            lambda: nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        ]
        return self.random.choice(kinds)(), channels

    def _like(self, channels: int) -> nn.Module:
        return self.row(channels, depth=0)[0]

    def convolution(self, channels: int) -> Made:
        kernel, out = self.random.choice([1, 2, 3, 5]), self.random.choice([1, 4, 8])
        groups = channels if self.random.random() < 0.1 else 1
        out = out * channels if groups > 1 else out
        mode = self.random.choice(["zeros", "zeros", "reflect", "replicate", "circular"])
        stride = self.random.choices([1, 2], [9, 1])[0]
        padding = self.random.choice([0, kernel // 2, "same"] if mode == "zeros" and stride == 1 else [0, kernel // 2])
        bias = self.random.random() < 0.7
        return nn.Conv2d(channels, out, kernel, stride, padding, 1, groups, bias, mode), out

    def transposed(self, channels: int) -> Made:
        out, kernel, stride = (
            self.random.choice([1, 4]),
            self.random.choice([2, 3, 4, 6]),
            self.random.choice([1, 2, 3]),
        )
        padding = self.random.randint(0, kernel // 2)
        extra = self.random.randint(0, stride - 1)
        return nn.ConvTranspose2d(channels, out, kernel, stride, padding, extra), out

    def upsample(self, channels: int) -> Made:
        mode = self.random.choice(["nearest", "bilinear", "bicubic", "nearest-exact"])
        arguments: dict[str, Any] = {
            "mode": mode,
            "scale_factor": self.random.choice([2, 2.0, 3, (2, 3), 1.5, 0.7, 2.5]),
        }
        if mode.startswith("bi"):
            arguments["align_corners"] = self.random.choice([None, False, True])
        if self.random.random() < 0.3:
            arguments["recompute_scale_factor"] = self.random.random() < 0.7
        if self.random.random() < 0.5:
            return nn.Upsample(**arguments), channels
        if mode.startswith("bi"):
            arguments["antialias"] = self.random.random() < 0.2
        if self.random.random() < 0.2:
            return InterpolateTo(), channels
        return Interpolate(**arguments), channels

    def shuffle(self, channels: int) -> Made:
        before = nn.Conv2d(channels, 4 * 2, 3, padding=1)
        return nn.Sequential(before, self.random.choice([Shuffle, lambda: nn.PixelShuffle(2)])()), 2

    def pointwise(self, channels: int) -> Made:
        kinds: list[Callable[[], nn.Module]] = [nn.ReLU, nn.Identity, nn.Dropout, nn.SiLU, nn.PReLU, nn.Flatten]
        return self.random.choices(kinds, [5, 5, 5, 5, 5, 1])[0](), channels

    def normed(self, channels: int) -> Made:
        conv = nn.Conv2d(channels, 4, 3, padding=1)
        kinds: list[Callable[[], nn.Module]] = [
            lambda: nn.utils.weight_norm(conv),
            lambda: nn.utils.parametrizations.weight_norm(conv),
            lambda: nn.utils.spectral_norm(conv),
            lambda: nn.Sequential(conv, nn.BatchNorm2d(4)),
            lambda: nn.Sequential(conv, nn.InstanceNorm2d(4)),
            lambda: nn.LazyConv2d(4, 3, padding=1),
        ]
        return self.random.choice(kinds)(), 4

    def odd(self, channels: int) -> Made:
        layer, out = self.random.choice([self.upsample, self.transposed])(channels)
        kinds: list[Callable[[], Made]] = [
            lambda: (OutputSize(channels), 4),
            lambda: (Reads(layer, nn.Conv2d(out, 4, 3, padding=1)), 4),
            lambda: (nn.Upsample(size=(9, 11)), channels),
            lambda: (nn.UpsamplingBilinear2d(scale_factor=2), channels),
            lambda: (nn.ZeroPad2d(1), channels),
        ]
        return self.random.choice(kinds)()


@contextmanager
def preferring(form: str) -> Iterator[None]:
    """Make a form the fastest wherever there is it, which is otherwise up to the machine."""

    def times(
        calls: Mapping[str, Callable[[], object]], seconds: float, least: int = 9, warm: bool = False
    ) -> dict[str, list[float]]:
        for call in calls.values():
            call()
        return {name: [1.0 if name == form else 3.0 if name in USUAL else 2.0] * least for name in calls}

    measured, proof.interleaved = proof.interleaved, times
    try:
        yield
    finally:
        proof.interleaved = measured


USUAL = ("usual", "a", "before")
"""What times are taken of under these names is the network as it was."""


NOT_TRIED = "does not run by itself, or takes too long"

LARGEST = 1 << 18
"""Values that come out of any layer: upsamplers one after another soon make gigabytes of a few pixels."""


def _refuse_what_is_large(_: nn.Module, __: object, output: object) -> None:
    if isinstance(output, Tensor) and output.numel() > LARGEST:
        raise ValueError("too large to be tried.")


def outcome(seed: int) -> str:
    """Rewrite one network, and say what became of it; the model must run by itself.

    Raises:
        AssertionError: the rewritten network differs at some size.
    """
    torch.manual_seed(seed)
    grammar = Grammar(seed)
    handle = nn.modules.module.register_module_forward_hook(_refuse_what_is_large)
    try:
        model, input = grammar.network()
        with torch.no_grad():
            model(input)
    except Exception:
        return NOT_TRIED
    finally:
        handle.remove()
    with preferring(grammar.random.choice(list(FORMS))):
        faster, report = upsample.rewrite(model, input)
    model.eval(), faster.eval()
    for taller, wider in ((0, 0), (1, 0), (-1, 2)):
        size = list(input.shape)
        if input.dim() >= 3:
            size[-2], size[-1] = max(2, size[-2] + taller), max(2, size[-1] + wider)
        other = torch.randn(size).to(input.dtype)
        with torch.no_grad():
            try:
                expected = list(tensors(model(other)))
            except Exception:
                continue
            apart = proof.difference(expected, list(tensors(faster(other))))
        finite = all(bool(torch.isfinite(torch.view_as_real(e) if e.is_complex() else e).all()) for e in expected)
        assert apart <= proof.tolerance(expected) or not finite, (
            f"seed {seed}: differs by {apart:.1e} at {size}: {report}"
        )
    assert (report.gain is not None) == any(site.after for site in report.sites)
    return "left alone" if report.gain is None else "rewritten"


def main() -> None:
    """Try as many networks that run by themselves as the first argument says."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    found: Counter[str] = Counter()
    for seed in itertools.count():
        if found.total() - found[NOT_TRIED] >= int(sys.argv[1]):
            break
        try:
            found[outcome(seed)] += 1
        except Exception as error:
            found["WRONG"] += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    print(dict(found))


if __name__ == "__main__":
    main()
