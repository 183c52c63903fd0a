"""What a rewriting says of itself: every site, what became of it, and what was gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Gain = tuple[float, float, float]
"""By how much a time shrinks: the median of rounds, and the limits of its 99 % interval."""


@dataclass(frozen=True)
class SiteReport:
    """One place in a network, and what became of it.

    Attributes:
        name: the path of its layer, or the name of its call.
        before: its layers.
        after: its forms; empty where it was left alone.
        shape: of its input in the example.
        expected: by how much its multiply-accumulates shrink.
        gain: by how much its time shrinks, measured, and the limits of the 99 % interval.
        difference: the largest difference of its output, as a share of the largest value.
        reason: why it was left alone.
        details: of forms that it does not have, or that the runtime cannot run.
        measured_as: the site with the same layers and shapes whose measurement is this one's too.
    """

    name: str
    before: str
    after: str = ""
    shape: tuple[int, ...] = ()
    expected: float | None = None
    gain: Gain | None = None
    difference: float | None = None
    reason: str = ""
    details: tuple[str, ...] = ()
    measured_as: str = ""

    @property
    def provable(self) -> bool:
        """Whether some exact form of it was found to have the same output."""
        return self.difference is not None


@dataclass(frozen=True)
class Report:
    """What :func:`rewrite` did.

    Attributes:
        sites: all that upsamples, in order.
        gain: of the whole network, measured, and the limits of the 99 % interval; None if nothing was rewritten.
        difference: the largest difference of the whole network's output, as a share of the largest value.
        notes: what the user should know besides.
    """

    sites: tuple[SiteReport, ...]
    gain: Gain | None = None
    difference: float | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        done = [site for site in self.sites if site.after]
        lines = [_rewritten(site) for site in done]
        for reason, names in _grouped([site for site in self.sites if not site.after]):
            lines.append(f"left alone: {', '.join(names)}: {reason}")
        if not lines and not self.notes:
            lines.append("Nothing in this network looks like upsampling.")
        if self.gain is not None:
            lines.append(
                f"whole network: {self.gain[0]:.2f}x faster ({self.gain[1]:.2f} to {self.gain[2]:.2f}),"
                f" output within {self.difference:.1e}"
            )
        return "\n".join([*lines, *self.notes])


def _rewritten(site: SiteReport) -> str:
    assert site.gain is not None
    fewer = "" if site.expected is None else f" {site.expected:.2f}x fewer multiply-accumulates,"
    same = f", measured as {site.measured_as}" if site.measured_as else ""
    return (
        f"{site.name}: {site.before} -> {site.after}, {site.gain[0]:.2f}x faster"
        f" ({site.gain[1]:.2f} to {site.gain[2]:.2f}),{fewer} output within {site.difference:.1e}{same}"
    )


def _grouped(sites: Sequence[SiteReport]) -> list[tuple[str, list[str]]]:
    """The sites by the reason why they were left alone."""
    groups: dict[str, list[str]] = {}
    for site in sites:
        best = "" if site.gain is None else f", at best {site.gain[0]:.2f}x"
        groups.setdefault(site.reason, []).append(f"{site.name} ({site.before}{best})")
    return list(groups.items())
