"""Arbitrary scale: the image as a function of continuous coordinates, evaluated wherever an output pixel lies.

Meta-SR predicts the convolution kernel of each output pixel from where it lies between the input's pixels; LIIF and
LTE ask a small network (MLP) for its value, given the features around it and its relative coordinates, and mix the
answers of the four nearest input pixels by the area of the opposite rectangle, as bilinear interpolation does.

Sources: Hu et al., "Meta-SR", CVPR 2019; Chen et al., "Learning continuous image representation with local implicit
image function" (LIIF), CVPR 2021; Lee & Jin, "Local texture estimator for implicit representation function" (LTE),
CVPR 2022.

Traps: the size of the output is rounded down here and rounded to nearest in some code. An output pixel Y lies at
``(Y + 1/2)/s - 1/2`` in LIIF and LTE, whose authors divide by the ratio of the rounded sizes instead of s, and at
``Y/s`` in Meta-SR, whose first kernel therefore stands on a corner. LTE adds the interpolated low-resolution image to
its output; an upsampler of features has none and leaves it out. At odd scales the authors keep four areas of zero from
dividing by zero with 1e-9 each, so that on the row and the column through the border's last centre the mix is, up to
rounding, ¼ of each whatever the other axis says; here it is the limit from inside.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from math import floor, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import Card, Scale, UnsupportedError, UpsampleError, Upsampler, Work, conv_work
from upsample.registry import register

NUDGE = 1e-6
"""Moves positions that lie on a pixel's centre, so that rounding does not decide which neighbours they have."""

NO_EXTENT = 1e-6
"""Two neighbours along an axis that are no further apart than this are one pixel, at the border."""


@dataclass(frozen=True)
class Corner:
    """One of the two neighbours along one axis, for every output position.

    Attributes:
        sources: indices of input pixels, clamped to the edge.
        distances: from the neighbour to the position, half an input pixel being 1 as the authors scale it.
        shares: of the answer from this neighbour in the mix: how far the other one is away, of both distances.
    """

    sources: list[int]
    distances: list[float]
    shares: list[float]


def corners(size: int, factor: float) -> tuple[Corner, Corner]:
    """Return the neighbours before and after every output position of an axis of ``size`` input pixels."""
    centres = [(position + 0.5) / factor - 0.5 for position in range(int(size * factor))]
    sources = [[min(max(floor(centre + NUDGE) + step, 0), size - 1) for centre in centres] for step in (0, 1)]
    before, after = ([2 * (centre - source) for centre, source in zip(centres, own, strict=True)] for own in sources)
    shares = [_share(abs(own), abs(other)) for own, other in zip(before, after, strict=True)]
    return Corner(sources[0], before, shares), Corner(sources[1], after, [1 - share for share in shares])


def _share(own: float, other: float) -> float:
    """Of a neighbour at distance ``own``; where both stand for the same pixel of the border, half."""
    return other / (own + other) if own + other > NO_EXTENT else 0.5


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers between these widths with ReLU between them, for inputs of ``(..., widths[0])``."""
    layers: list[nn.Module] = []
    for in_features, out_features in pairwise(widths):
        layers += [nn.Linear(in_features, out_features), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mlp_work(widths: Sequence[int], samples: int) -> Work:
    """Work of :func:`mlp` on so many samples."""
    products = sum(in_features * out_features for in_features, out_features in pairwise(widths))
    return Work(flops=2 * samples * products, elementwise=samples * sum(widths[1:-1]))


class _FourCorners(Upsampler):
    """What LIIF and LTE share: an MLP asked from each of the four nearest pixels, and the mix of its answers."""

    fractional = True

    widths: tuple[int, ...]
    mlp: nn.Sequential

    @abstractmethod
    def maps(self, input: Tensor) -> list[Tensor]:
        """The low-resolution features that the answers depend on."""

    @abstractmethod
    def ask(self, found: Sequence[Tensor], y: Tensor, x: Tensor) -> Tensor:
        """Answer ``(N, high, wide, O)`` for gathered features ``(N, C, high, wide)`` at distances ``y``, ``x``."""

    def forward(self, input: Tensor) -> Tensor:
        features = self.maps(input)
        batch, _, height, width = input.shape
        high, wide = self.output_size(height, width)
        rows, columns = corners(height, self.factors[0]), corners(width, self.factors[1])
        output = input.new_zeros(batch, high, wide, self.out_channels)
        for row, column in product(rows, columns):
            found = [_gather(each, row.sources, column.sources) for each in features]
            answer = self.ask(found, input.new_tensor(row.distances)[:, None], input.new_tensor(column.distances))
            # The opposite rectangle's area, of all four: a product of two shares.
            share = input.new_tensor(row.shares)[:, None] * input.new_tensor(column.shares)
            output = torch.addcmul(output, answer, share[:, :, None])
        return output.movedim(3, 1)

    def mixing_work(self, batch: int, positions: int) -> Work:
        """Work of the four shares, once for the batch, and of mixing the answers."""
        shares = Work(elementwise=4 * positions)
        return shares + Work(flops=4 * 2 * batch * self.out_channels * positions)

    def definition(self, input: Tensor) -> Tensor:
        """Query by query, with the neighbours found by nearest sampling of shifted positions."""
        batch, _, height, width = input.shape
        high, wide = self.output_size(height, width)
        maps = self.maps(input)
        y = _unit_positions(high, height * self.factors[0], input)
        x = _unit_positions(wide, width * self.factors[1], input)
        query = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1)
        size = input.new_tensor([height, width])
        own_y, own_x = _unit_positions(height, height, input), _unit_positions(width, width, input)
        centres = torch.stack(torch.meshgrid(own_y, own_x, indexing="ij"))[None]
        answers, distances = [], []
        for shift in product((-1, 1), repeat=2):
            moved = (query + input.new_tensor(shift) / size + NUDGE).clamp(NUDGE - 1, 1 - NUDGE)
            grid = moved.flip(-1).expand(batch, -1, -1, -1)
            found = [F.grid_sample(each, grid, mode="nearest", align_corners=False) for each in maps]
            centre = F.grid_sample(centres, grid[:1], mode="nearest", align_corners=False)[0].movedim(0, -1)
            distance = (query - centre) * size
            answers.append(self.ask(found, distance[..., 0], distance[..., 1]))
            distances.append(distance.abs())
        # The opposite of a neighbour lies on the other side along both axes. Where there is no rectangle between
        # them, on the row and the column through the border's last centre, both are the same pixel.
        own, opposite = torch.stack(distances), torch.stack(distances[::-1])
        extent = own + opposite
        shares = torch.where(extent > NO_EXTENT, opposite / extent, torch.full_like(extent, 0.5)).prod(-1)
        return (torch.stack(answers) * shares[:, None, :, :, None]).sum(0).movedim(3, 1)


def _gather(features: Tensor, rows: list[int], columns: list[int]) -> Tensor:
    device = features.device
    return features[:, :, torch.tensor(rows, device=device)][..., torch.tensor(columns, device=device)]


def _unit_positions(count: int, extent: float, like: Tensor) -> Tensor:
    """Centres of ``count`` pixels of which ``extent`` lie between -1 and 1."""
    return (2 * torch.arange(count, dtype=like.dtype, device=like.device) + 1) / extent - 1


@register(
    Card(
        name="liif",
        family="continuous",
        title="LIIF",
        paper="Chen et al. (LIIF), CVPR",
        year=2021,
        advice="One network for every scale, fractional ones too; a deep MLP four times for each output pixel.",
        preset="full",
    )
)
class Liif(_FourCorners):
    """The value of a pixel from an MLP over the unfolded 3×3 features, the relative position and the cell's size.

    ``4·s_y·s_x·((9C+4)·w + (l-1)·w² + w·O)`` multiply-accumulates per input pixel for l hidden layers of width w.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; fractional scales and pairs too.
        width: w, of the hidden layers.
        depth: l, hidden layers.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, width: int = 256, depth: int = 4) -> None:
        super().__init__(in_channels, out_channels, scale)
        self.widths = (9 * in_channels + 4, *[width] * depth, out_channels)
        self.mlp = mlp(self.widths)

    def maps(self, input: Tensor) -> list[Tensor]:
        return [F.unfold(input, 3, padding=1).unflatten(2, input.shape[2:])]

    def ask(self, found: Sequence[Tensor], y: Tensor, x: Tensor) -> Tensor:
        (features,) = found
        batch, _, high, wide = features.shape
        cell = features.new_tensor([2 / factor for factor in self.factors]).expand(batch, high, wide, 2)
        place = torch.stack(torch.broadcast_tensors(y, x), dim=-1).expand(batch, high, wide, 2)
        answer: Tensor = self.mlp(torch.cat([features.movedim(1, 3), place, cell], dim=3))
        return answer

    def work(self, batch: int, height: int, width: int) -> Work:
        high, wide = self.output_size(height, width)
        asked = mlp_work(self.widths, 4 * batch * high * wide)
        return asked + self.mixing_work(batch, high * wide)


@register(
    Card(
        name="lte",
        family="continuous",
        title="LTE",
        paper="Lee & Jin (LTE), CVPR",
        year=2022,
        advice="LIIF with estimated frequencies in place of raw features: the MLP sees fewer channels and is cheaper.",
        preset="full",
    )
)
class Lte(_FourCorners):
    """LIIF's mix over an MLP that sees amplitudes times cosines and sines of estimated frequencies.

    Amplitudes and frequencies are two 3×3 convolutions C→w at low resolution; w/2 phases come from the size of the
    cell.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; fractional scales and pairs too.
        width: w, of frequencies and hidden layers, even.
        depth: hidden layers.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, width: int = 256, depth: int = 3) -> None:
        super().__init__(in_channels, out_channels, scale)
        if width % 2:
            raise UpsampleError(f"width must be even, as frequencies come in pairs; got {width}.")
        self.amplitude = nn.Conv2d(in_channels, width, 3, padding=1)
        self.frequency = nn.Conv2d(in_channels, width, 3, padding=1)
        self.phase = nn.Linear(2, width // 2, bias=False)
        self.widths = (width, *[width] * depth, out_channels)
        self.mlp = mlp(self.widths)

    def maps(self, input: Tensor) -> list[Tensor]:
        return [self.amplitude(input), self.frequency(input)]

    def ask(self, found: Sequence[Tensor], y: Tensor, x: Tensor) -> Tensor:
        amplitude, frequency = found
        phase = self.phase(frequency.new_tensor([[2 / factor for factor in self.factors]])).view(-1, 1, 1)
        turns = frequency[:, 0::2] * y + frequency[:, 1::2] * x + phase
        angle = pi * turns
        seen = amplitude * torch.cat([angle.cos(), angle.sin()], dim=1)
        answer: Tensor = self.mlp(seen.movedim(1, 3).contiguous())
        return answer

    def work(self, batch: int, height: int, width: int) -> Work:
        high, wide = self.output_size(height, width)
        samples, frequencies = 4 * batch * high * wide, self.phase.out_features
        # Two products, two sums, π, cosine and sine of each frequency, and the product with the amplitudes.
        waves = Work(flops=4 * 2 * 2 * frequencies, elementwise=samples * (7 * frequencies + 2 * frequencies))
        return (
            conv_work(batch, self.in_channels, 2 * self.widths[0], height * width, 3)
            + waves
            + mlp_work(self.widths, samples)
            + self.mixing_work(batch, high * wide)
        )


MOST_PLACES = 64
"""Scales such as 2.7 have 27 places, 10/3 written as a float more than any memory holds."""


@dataclass(frozen=True)
class Period:
    """How output positions repeat along one axis at scale p/q: p of them for every q input pixels.

    Attributes:
        outputs: p.
        inputs: q.
        count: periods that cover the output.
    """

    outputs: int
    inputs: int
    count: int

    @classmethod
    def of(cls, size: int, factor: float, ratio: tuple[int, int]) -> Period:
        """The period of an axis of ``size`` input pixels whose factor is ``ratio``, p and q."""
        return cls(*ratio, -(-int(size * factor) // ratio[0]))

    def at(self, source: int) -> list[float]:
        """How far behind input pixel ``source`` of the period each of its outputs lies, as a share of a pixel."""
        behind = [output * self.inputs - source * self.outputs for output in range(self.outputs)]
        return [each / self.outputs for each in behind if 0 <= each < self.outputs]


@register(
    Card(
        name="meta_sr",
        family="continuous",
        title="Meta-SR",
        paper="Hu et al. (Meta-SR), CVPR",
        year=2019,
        advice="Kernels predicted from position and scale: at whole scales a sub-pixel convolution behind them.",
        preset="full",
    )
)
class MetaSr(Upsampler):
    """A k×k convolution whose kernel an MLP predicts for each place between the input's pixels.

    At scale p/q the places repeat every p outputs, so that only p_y·p_x kernels exist. Each call predicts them once,
    and all that read the same input pixel of a period run as one convolution with stride q; at a whole scale that is
    one sub-pixel convolution. ``p_y·p_x·(3w + 9wCO)`` multiply-accumulates for the kernels and ``s_y·s_x·9CO`` per
    input pixel, with the size of the output rounded up to whole periods. Fractions with up to 64 places an axis.

    Args:
        in_channels, out_channels, scale: see :class:`~upsample.Upsampler`; fractional scales and pairs too. Of a pair
            the MLP is told the geometric mean, as the paper has one scale only.
        width: w, of the hidden layer.
    """

    fractional = True

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, width: int = 256) -> None:
        super().__init__(in_channels, out_channels, scale)
        # The decimal number that the factor is meant to be: 2.7 is 27/10.
        self.ratios = [Fraction(str(factor)).as_integer_ratio() for factor in self.factors]
        if max(places for places, _ in self.ratios) > MOST_PLACES:
            raise UnsupportedError(
                f"Meta-SR predicts a kernel for each place between pixels, for at most {MOST_PLACES} along an axis; "
                f"the scale {scale!r} as a fraction has {max(places for places, _ in self.ratios)}."
            )
        self.widths = (3, width, 9 * in_channels * out_channels)
        self.mlp = mlp(self.widths)

    def kernels(self, rows: Sequence[float], columns: Sequence[float]) -> Tensor:
        """Predict ``(len(rows), len(columns), O, C, 3, 3)`` for all places at these distances behind a pixel."""
        inverse = (self.factors[0] * self.factors[1]) ** -0.5
        places = [[inverse, row, column] for row, column in product(rows, columns)]
        predicted: Tensor = self.mlp(next(self.mlp.parameters()).new_tensor(places))
        kernels = predicted.view(len(rows), len(columns), self.in_channels, 3, 3, self.out_channels)
        return kernels.permute(0, 1, 5, 2, 3, 4)

    def periods(self, height: int, width: int) -> tuple[Period, Period]:
        """How the places repeat down and to the right, for an input of this size."""
        sizes = zip((height, width), self.factors, self.ratios, strict=True)
        down, right = (Period.of(size, factor, ratio) for size, factor, ratio in sizes)
        return down, right

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        down, right = self.periods(height, width)
        missing = (max(0, right.inputs * right.count - width), max(0, down.inputs * down.count - height))
        padded = F.pad(input, (1, 1 + missing[0], 1, 1 + missing[1]))
        output = input.new_empty(batch, self.out_channels, down.count, down.outputs, right.count, right.outputs)
        first_row = 0
        for y in range(down.inputs):
            rows, first_column = down.at(y), 0
            for x in range(right.inputs):
                columns = right.at(x)
                kernels = self.kernels(rows, columns).reshape(-1, channels, 3, 3)
                bottom, end = y + down.inputs * (down.count - 1) + 3, x + right.inputs * (right.count - 1) + 3
                part = F.conv2d(padded[:, :, y:bottom, x:end], kernels, stride=(down.inputs, right.inputs))
                part = part.reshape(batch, len(rows), len(columns), self.out_channels, down.count, right.count)
                output[:, :, :, first_row : first_row + len(rows), :, first_column : first_column + len(columns)] = (
                    part.permute(0, 3, 4, 1, 5, 2)
                )
                first_column += len(columns)
            first_row += len(rows)
        high, wide = self.output_size(height, width)
        return output.flatten(2, 3).flatten(3, 4)[:, :, :high, :wide]

    def definition(self, input: Tensor) -> Tensor:
        batch, channels, height, width = input.shape
        high, wide = self.output_size(height, width)
        ratios = [Fraction(*ratio) for ratio in self.ratios]
        rows, columns = ([place / ratio for place in range(n)] for n, ratio in zip((high, wide), ratios, strict=True))
        neighbours = F.unfold(input, 3, padding=1).view(batch, channels, 3, 3, height, width)
        output = input.new_empty(batch, self.out_channels, high, wide)
        known: dict[tuple[float, float], Tensor] = {}
        for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
            place = (float(row - floor(row)), float(column - floor(column)))
            if place not in known:
                known[place] = self.kernels(place[:1], place[1:])[0, 0]
            seen = neighbours[..., floor(row), floor(column)]
            output[:, :, i, j] = torch.einsum("ocyx,ncyx->no", known[place], seen)
        return output

    def work(self, batch: int, height: int, width: int) -> Work:
        down, right = self.periods(height, width)
        predict = mlp_work(self.widths, down.outputs * right.outputs)
        positions = down.outputs * down.count * right.outputs * right.count
        return predict + conv_work(batch, self.in_channels, self.out_channels, positions, 3)
