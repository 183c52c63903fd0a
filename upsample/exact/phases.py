"""The form with the fewest multiply-accumulates: a convolution for each set of phases that read the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from upsample.contract import Work
from upsample.exact.blocks import interleave, phase_sets
from upsample.exact.exact_form import exporting
from upsample.exact.normal_form import Kernels
from upsample.exact.polyphase import PolyphaseForm, cropped


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
            named[f"kernel_{number}"] = split.permute(0, 3, 5, 1, 2, 4).flatten(0, 2)
            if kernels.bias is not None:
                phases = kernels.bias[:, list(vertical.phases)][:, :, list(horizontal.phases)]
                named[f"bias_{number}"] = phases.flatten()
        return named

    def _interior(self, input: Tensor, weights: dict[str, Tensor]) -> Tensor:
        height, width = input.shape[2:]
        made: list[Tensor] = []
        for number, (vertical, horizontal) in enumerate(self._sets):
            kernel, bias = weights[f"kernel_{number}"], weights.get(f"bias_{number}")
            padding = (vertical.padding, horizontal.padding)
            blocks = F.conv2d(input, kernel, bias, padding=padding, groups=self.normal.groups)
            made.append(blocks[:, :, vertical.blocks(height), horizontal.blocks(width)])
        output = self._shuffled(made) if exporting() else self._written(made)
        vertical, horizontal = self._sets[0]
        return cropped(output, vertical.outputs(height), horizontal.outputs(width), input)

    def _shuffled(self, made: Sequence[Tensor]) -> Tensor:
        """Put ``(N, O·phases·phases, H, W)`` of each set in their places by one shuffle."""
        by_phase = {
            (phase_v, phase_h): blocks[:, index :: len(vertical.phases) * len(horizontal.phases)]
            for (vertical, horizontal), blocks in zip(self._sets, made, strict=True)
            for index, (phase_v, phase_h) in enumerate(product(vertical.phases, horizontal.phases))
        }
        stacked = torch.stack([by_phase[key] for key in sorted(by_phase)], 2)
        batch, channels, count, height, width = stacked.shape
        # Sizes are spelt out, as torch's older exporter to ONNX makes those of the example of what flatten leaves.
        together = stacked.reshape(batch, channels * count, height, width)
        return interleave(together, (self.vertical.scale, self.horizontal.scale))

    def _written(self, made: Sequence[Tensor]) -> Tensor:
        """Put them in their places one by one."""
        batch, _, height, width = made[0].shape
        output = made[0].new_empty(
            batch, self.normal.out_channels, height, self.vertical.scale, width, self.horizontal.scale
        )
        for (vertical, horizontal), blocks in zip(self._sets, made, strict=True):
            rows = output[:, :, :, vertical.phases[0] : vertical.phases[-1] + 1]
            place = rows[..., horizontal.phases[0] : horizontal.phases[-1] + 1]
            by_phase = blocks.unflatten(1, (-1, len(vertical.phases), len(horizontal.phases)))
            place.copy_(by_phase.permute(0, 1, 4, 2, 5, 3))
        placed: Tensor = output.flatten(4, 5).flatten(2, 3)
        return placed

    def _interior_work(self, batch: int, height: int, width: int) -> Work:
        macs = sum(vertical.macs(height) * horizontal.macs(width) for vertical, horizontal in self._sets)
        return Work(flops=2 * batch * self._pairs() * macs)
