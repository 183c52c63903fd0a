"""The options that choose a grid, the same for every command that has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from upbench.errors import UsageError

if TYPE_CHECKING:
    from upbench.cases.grid import Axes


def chosen_grid(
    quick: bool,
    full: bool,
    upsampler: Sequence[str] | None,
    module: Sequence[str] | None,
    exact_forms: bool,
    module_alone: bool = False,
    **spelt: str | None,
) -> Axes:
    """The grid that was asked for: a preset, the axes that were given, exact forms, and classes of the user's own.

    Args:
        quick: the default preset, which stands unless told.
        full: the whole catalogue in its place.
        upsampler: names in its place.
        module: classes beside these.
        exact_forms: whether all exact forms stand beside each.
        module_alone: whether classes replace the preset where nothing else was chosen.
        spelt: values of the axes, by the fields of :class:`upbench.cases.grid.Axes`.

    Raises:
        UsageError: options exclude each other, or a value is not what its axis takes.
    """
    if quick and full:
        raise UsageError("--quick and --full exclude each other.")
    from upbench.cases import grid
    from upbench.cases.spelling import given_axes

    given = given_axes(upsamplers=",".join(upsampler) if upsampler else None, **spelt)
    if any(":" in name for name in (*given.get("upsamplers", ()), *(module or ()))):
        # As for python -m: what lies in the current folder can be imported, by the workers too.
        sys.path.insert(0, os.getcwd())
    axes = grid.full() if full else grid.quick()
    if module_alone and module and not (quick or full or upsampler):
        axes = replace(axes, upsamplers=())
    axes = replace(axes, **given)
    if exact_forms:
        axes = replace(axes, upsamplers=grid.with_exact_forms(axes.upsamplers))
    return replace(axes, upsamplers=(*axes.upsamplers, *(module or ())))
