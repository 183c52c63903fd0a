"""What a rewriting says of itself: every site, what became of it, and what was gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
        folded: the gain of the known trick where it has one: nearest neighbours and the convolution after them as one
            transposed convolution, whether or not that is the fastest.
        peak_bytes: of tensors that it has alive at once, before and after; None where another runtime runs it.
        elsewhere: its form and its gain in other settings, by their names.
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
    folded: Gain | None = None
    peak_bytes: tuple[int, int] | None = None
    elsewhere: Mapping[str, tuple[str, Gain]] = field(default_factory=dict)
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
            lines.append(f"whole network: {_times(self.gain)} faster, output within {self.difference:.1e}")
        return "\n".join([*lines, *self.notes])


def _rewritten(site: SiteReport) -> str:
    assert site.gain is not None
    said = [f"{site.name}: {site.before} -> {site.after}, {_times(site.gain)} faster"]
    if site.expected is not None:
        said.append(f"{site.expected:.2f}x fewer multiply-accumulates")
    if site.folded is not None and site.after != "transposed":
        said.append(f"folded into a transposed convolution {_times(site.folded)}")
    if site.peak_bytes is not None:
        before, after = (each / 2**20 for each in site.peak_bytes)
        said.append(f"tensors of {before:.1f} to {after:.1f} MiB at most")
    said.append(f"output within {site.difference:.1e}")
    said += [f"{where}: {form}, {_times(gain)}" for where, (form, gain) in site.elsewhere.items()]
    if site.measured_as:
        said.append(f"measured as {site.measured_as}")
    return ", ".join(said)


def _times(gain: Gain) -> str:
    return f"{gain[0]:.2f}x ({gain[1]:.2f} to {gain[2]:.2f})"


def _grouped(sites: Sequence[SiteReport]) -> list[tuple[str, list[str]]]:
    """The sites by the reason why they were left alone."""
    groups: dict[str, list[str]] = {}
    for site in sites:
        known = [site.before]
        if site.gain is not None:
            known.append(f"at best {site.gain[0]:.2f}x")
        known += [f"{where}: {form}, {_times(gain)}" for where, (form, gain) in site.elsewhere.items()]
        groups.setdefault(site.reason, []).append(f"{site.name} ({', '.join(known)})")
    return list(groups.items())
