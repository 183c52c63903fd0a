"""The form with the fewest multiply-accumulates: a convolution for each set of phases that read the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import Work
from upsample.exact.blocks import by_phase, cropped, layout_of, part, phase_sets, shuffle
from upsample.exact.exact_form import recording
from upsample.exact.normal_form import Kernels
from upsample.exact.polyphase import PolyphaseForm


class Phases(PolyphaseForm):
    """A convolution for each set of phases that read the same inputs: the fewest multiply-accumulates of all forms."""

    title = "as a conv for each phase"

    def _prepare(self, channels: int | None) -> None:
        super()._prepare(channels)
        self._sets = [(v, h) for v in phase_sets(self.vertical) for h in phase_sets(self.horizontal)]

    def _of_interior(self, kernels: Kernels) -> dict[str, Tensor | None]:
        named: dict[str, Tensor | None] = {}
        for number, (vertical, horizontal) in enumerate(self._sets):
            split = horizontal.split(vertical.split(kernels.interior, 2), 4)  # (O, C, taps, phases, taps, phases)
            named[f"kernel_{number}"] = by_phase(split, (3, 5), self.normal.groups)
            if kernels.bias is not None:
                phases = kernels.bias[:, list(vertical.phases)][:, :, list(horizontal.phases)]
                named[f"bias_{number}"] = by_phase(phases, (1, 2), self.normal.groups)
        return named

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        height, width = input.shape[2:]
        made: list[Tensor] = []
        for number, (vertical, horizontal) in enumerate(self._sets):
            kernel, bias = weights[f"kernel_{number}"], weights.get(f"bias_{number}")
            padding = (vertical.padding, horizontal.padding)
            blocks = F.conv2d(input, kernel, bias, padding=padding, groups=self.normal.groups)
            made.append(part(blocks, vertical.blocks(height), horizontal.blocks(width)))
        output = self._shuffled(made) if recording() else self._written(made)
        vertical, horizontal = self._sets[0]
        return cropped(output, vertical.outputs(height), horizontal.outputs(width))

    def _shuffled(self, made: Sequence[Tensor]) -> Tensor:
        """Put ``(N, G·phases·phases·O/G, H, W)`` of each set in their places by one shuffle."""
        # Sizes are spelt out, as torch's older exporter to ONNX makes those of the example of what flatten leaves.
        batch, _, height, width = made[0].shape
        outputs, groups = self.normal.out_channels, self.normal.groups
        of_phase = {}
        for (vertical, horizontal), blocks in zip(self._sets, made, strict=True):
            phases = list(product(vertical.phases, horizontal.phases))
            split = blocks.reshape(batch, groups, len(phases), outputs // groups, height, width)
            for index, phase in enumerate(phases):
                of_phase[phase] = split[:, :, index].reshape(batch, outputs, height, width)
        stacked = torch.stack([of_phase[phase] for phase in sorted(of_phase)], 2)
        return shuffle(stacked.reshape(batch, outputs * len(of_phase), height, width), self._scales)

    def _written(self, made: Sequence[Tensor]) -> Tensor:
        """Put them in their places one by one."""
        (batch, _, height, width), (scale_v, scale_h) = made[0].shape, self._scales
        outputs, groups = self.normal.out_channels, self.normal.groups
        output = torch.empty(
            (batch, outputs, scale_v * height, scale_h * width),
            dtype=made[0].dtype,
            device=made[0].device,
            memory_format=layout_of(made[0]),
        )
        places = output.view(batch, groups, outputs // groups, height, scale_v, width, scale_h)
        for (vertical, horizontal), blocks in zip(self._sets, made, strict=True):
            rows = places[:, :, :, :, vertical.phases[0] : vertical.phases[-1] + 1]
            phases = len(vertical.phases), len(horizontal.phases)
            split = blocks.view(batch, groups, *phases, outputs // groups, height, width)
            rows[..., horizontal.phases[0] : horizontal.phases[-1] + 1] = split.permute(0, 1, 4, 5, 2, 6, 3)
        return output

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        macs = sum(vertical.macs(height) * horizontal.macs(width) for vertical, horizontal in self._sets)
        return Work(flops=2 * batch * self._pairs() * macs)
