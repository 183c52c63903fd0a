"""What a rewriting says of itself: every site, what became of it, and what was gained."""

from __future__ import annotations

from dataclasses import dataclass

Gain = tuple[float, float, float]
"""By how much a time shrinks: the median of rounds, and the limits of its 99 % interval."""


@dataclass(frozen=True)
class Site:
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
    """

    name: str
    before: str
    after: str = ""
    shape: tuple[int, ...] = ()
    expected: float | None = None
    gain: Gain | None = None
    difference: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What :func:`rewrite` did.

    Attributes:
        sites: all that looks like upsampling, in order.
        gain: of the whole network, measured, and the limits of the 99 % interval; None if nothing was rewritten.
        difference: the largest difference of the whole network's output, as a share of the largest value.
        notes: what the user should know besides.
    """

    sites: tuple[Site, ...]
    gain: Gain | None = None
    difference: float | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = []
        for site in self.sites:
            if site.gain is None or not site.after:
                lines.append(f"{site.name}: {site.before} left alone: {site.reason}")
            else:
                lines.append(
                    f"{site.name}: {site.before} -> {site.after}, {site.gain[0]:.2f}x faster"
                    f" ({site.gain[1]:.2f} to {site.gain[2]:.2f}), {site.expected:.2f}x fewer multiply-accumulates,"
                    f" output within {site.difference:.1e}"
                )
        if not lines:
            lines.append("Nothing in this network looks like upsampling.")
        if self.gain is not None:
            lines.append(
                f"whole network: {self.gain[0]:.2f}x faster ({self.gain[1]:.2f} to {self.gain[2]:.2f}),"
                f" output within {self.difference:.1e}"
            )
        return "\n".join([*lines, *self.notes])
