"""What the rewriter makes of the zoo: ``python -m examples.zoo [--seconds 0.2] [--full] [NAME …]``.

A line a network: upsampling sites that were seen, for how many an exact form was proven equal, how many were rewritten,
and what the whole network gained.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter

import torch
from tabulate import tabulate

import upsample
from examples.zoo import ZOO
from examples.zoo.entry import Entry
from examples.zoo.package import installed
from upsample.rewriting import Report

HEADERS = ("network", "seen", "proven", "rewritten", "whole network", "left alone")


def report_of(entry: Entry, full: bool, seconds: float) -> Report:
    """Rewrite one network, and return what there is to say of it."""
    torch.manual_seed(0)
    make = entry.full if full and entry.full is not None else entry.make
    _, report = upsample.rewrite(make().eval(), entry.example(), seconds=seconds)
    return report


def row(name: str, report: Report) -> tuple[str, ...]:
    """The line of a network."""
    proven = sum(site.provable for site in report.sites)
    done = sum(bool(site.after) for site in report.sites)
    whole = "–" if report.gain is None else "{:.2f} ({:.2f} to {:.2f})".format(*report.gain)
    reasons = Counter(site.reason for site in report.sites if not site.after)
    left = " ".join(f"{count}: {reason}" for reason, count in reasons.items())
    return name, str(len(report.sites)), str(proven), str(done), whole, " ".join([left, *report.notes]).strip()


def main() -> None:
    """Rewrite what was asked for, or all that can be imported, and print the table."""
    parser = argparse.ArgumentParser(description="Rewrite the networks of the zoo.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ZOO)}")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each comparison")
    parser.add_argument("--full", action="store_true", help="in their published widths, where they have them")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - ZOO.keys():
        parser.error(f"there is no {sorted(unknown)[0]!r} in the zoo")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows: list[tuple[str, ...]] = []
    for name in chosen.names or ZOO:
        entry = ZOO[name]
        if entry.requires is not None and not installed(entry.requires):
            rows.append((name, "", "", "", "", f"{entry.requires} is not installed"))
        else:
            rows.append(row(name, report_of(entry, chosen.full, chosen.seconds)))
    print(tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
