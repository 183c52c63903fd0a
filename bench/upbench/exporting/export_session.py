"""From cases to folders: each is made in a process of its own, and appears whole, where nothing of others stands."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from upbench.cases.case import Case, scale_text
from upbench.cases.grid import Axes
from upbench.cases.outcome import OutcomeKind
from upbench.errors import UsageError
from upbench.exporting import exporter
from upbench.exporting.formats import FORMATS
from upbench.exporting.model_format import ModelFormat
from upbench.leftovers import HeldFolder
from upbench.processes.isolation import Isolation
from upbench.sweep.plan import planned
from upbench.sweep.preloading import preload_for
from upbench.whole_file import only_writer

PREFIX, SUFFIX = ".upbench-", ".partial"


@dataclass(frozen=True)
class Exported:
    """How one case ended in one format.

    Attributes:
        case: what was to be exported.
        format: as which kind of files.
        folder: where it is or would be.
        outcome: ``ok`` if it is there; otherwise ``reason`` says why not, in the runtime's words if it was that.
        error: the largest difference from the definition, as a share of the largest value.
    """

    case: Case
    format: ModelFormat
    folder: Path
    outcome: OutcomeKind
    reason: str | None
    error: float | None


@dataclass(frozen=True)
class Order:
    """A case that is to be exported in a format, into a folder."""

    case: Case
    format: ModelFormat
    folder: Path


def ordered(axes: Axes, folders: Mapping[str, Path]) -> list[Order]:
    """What is to be exported: the grid in each format that has a folder, one order for each case.

    Raises:
        GridError: a format's runtime is not installed.
        UsageError: something else stands where a case's folder would be, or two formats were given one folder.
    """
    if len({folder.resolve() for folder in folders.values()}) < len(folders):
        raise UsageError("each format wants a folder of its own: the same names stand in all of them.")
    orders = []
    for name, folder in folders.items():
        chosen = FORMATS[name]
        for case in planned(replace(axes, runtimes=(chosen.runtime,))):
            orders.append(Order(case, chosen, folder / folder_name(case)))
    for order in orders:
        if os.path.lexists(order.folder) and not is_ours(order.folder):
            raise UsageError(f"{order.folder} is there already and was not exported by upbench: move it away.")
    return orders


def export_all(orders: Sequence[Order], timeout_s: float, told: Callable[[Exported], None]) -> list[Exported]:
    """Make one folder after the other; what cannot be made is said and leaves what was there.

    Args:
        orders: as :func:`ordered` gives them.
        timeout_s: after which the conversion of one case is ended.
        told: is called with each as it ends.

    Raises:
        TakenFileError: another process is exporting to one of the folders.
    """
    isolation = Isolation(preload=preload_for([order.case for order in orders]))
    done = []
    for order in orders:
        with only_writer(order.folder):
            done.append(_exported(order, isolation, timeout_s))
        told(done[-1])
    return done


def _exported(order: Order, isolation: Isolation, timeout_s: float) -> Exported:
    with HeldFolder(order.folder.parent, PREFIX, SUFFIX) as held:
        made = held.path / "made"
        outcome = isolation.call(exporter.export, order.case, order.format.name, made, timeout=timeout_s)
        if outcome.kind == "ok":
            if order.folder.exists():
                # Into what is removed next.
                os.replace(order.folder, held.path / "before")
            os.replace(made, order.folder)
    return Exported(order.case, order.format, order.folder, outcome.kind, outcome.reason, outcome.value)


def folder_name(case: Case) -> str:
    """A name for what a file depends on, which is neither threads nor layout, without what no folder may be called."""
    cell = case.cell
    channels = f"c{cell.channels}-{cell.in_channels}to{cell.out_channels}"
    size = f"{cell.height}x{cell.width}-b{cell.batch}-{cell.dtype}"
    return re.sub(r"[^\w.-]", "_", f"{case.upsampler}-x{scale_text(cell.scale)}-{channels}-{size}")


def is_ours(folder: Path) -> bool:
    """Whether a folder holds what this program has exported, which it may write anew."""
    with suppress(OSError, ValueError, RecursionError):
        card = json.loads((folder / exporter.CARD).read_text(encoding="utf-8"))
        return isinstance(card, dict) and card.get("schema") == exporter.SCHEMA and not folder.is_symlink()
    return False
