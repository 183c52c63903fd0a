"""Measure where public FLOP counters go wrong on upsampling operators, and write the page that says so.

Every counter counts every operator in a process of its own, so that a crash, a patched function or a changed module
spoils no other cell. What it reports, converted to FLOPs, is divided by the true figure, which comes from
:func:`upsample.cost` or from a closed form beside the operator. Run it with ``python docs/flop_counters.py``; it needs
the packages of ``COUNTERS`` beside this library.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from textwrap import fill
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import upsample

INPUT_SHAPE = (1, 64, 24, 32)
"""Not square, so that height and width cannot be mixed up unseen; one image, since ptflops chooses the batch itself."""

CHANNELS = INPUT_SHAPE[1]
PIXELS = prod(INPUT_SHAPE[2:])
TAPS = 5
TOLERANCE = 0.01
CELL_SECONDS = 120

Reported = float | str
"""FLOPs, or the name of the error that was raised instead."""

Table = Mapping[str, Mapping[str, Reported]]
"""What was reported, divided by the truth: by operator, then by counter."""


# What is counted


class Interpolate(nn.Module):
    """Interpolation alone, called as a function, which counters that replace functions must find by its name."""

    def __init__(self, mode: str, antialias: bool = False) -> None:
        super().__init__()
        self.mode, self.antialias = mode, antialias

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, scale_factor=2, mode=self.mode, align_corners=False, antialias=self.antialias)


class GridSample(nn.Module):
    """Look up every channel at fixed positions, twice as many along each axis."""

    grid: Tensor

    def __init__(self) -> None:
        super().__init__()
        batch, _, height, width = INPUT_SHAPE
        y, x = torch.linspace(-1, 1, 2 * height), torch.linspace(-1, 1, 2 * width)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2)
        self.register_buffer("grid", grid.expand(batch, 2 * height, 2 * width, 2))

    def forward(self, input: Tensor) -> Tensor:
        return F.grid_sample(input, self.grid, align_corners=False)


class Linear(nn.Module):
    """One nn.Linear on every pixel, as the MLPs of arbitrary-scale upsamplers apply it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(CHANNELS, CHANNELS, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.linear(input.movedim(1, 3))
        return output.movedim(3, 1)


Spelling = Literal["einsum", "multiply"]


def reassemble(input: Tensor, kernels: Tensor, spelling: Spelling) -> Tensor:
    """Weigh unfolded neighbourhoods by ``(N, k², s, s, H, W)`` kernels, to ``(N, C, s·H, s·W)``."""
    batch, channels, height, width = input.shape
    scale = kernels.shape[2]
    neighbours = F.unfold(input, TAPS, padding=TAPS // 2).view(batch, channels, TAPS**2, height, width)
    if spelling == "einsum":
        output = torch.einsum("nckhw,nkyxhw->nchywx", neighbours, kernels)
    else:
        product = neighbours[:, :, :, None, None] * kernels[:, None]
        output = product.sum(2).permute(0, 1, 4, 2, 5, 3)
    return output.reshape(batch, channels, scale * height, scale * width)


class Reassembly(nn.Module):
    """The reassembly of CARAFE by itself, with fixed kernels."""

    kernels: Tensor

    def __init__(self, spelling: Spelling) -> None:
        super().__init__()
        self.spelling: Spelling = spelling
        self.register_buffer("kernels", torch.rand(INPUT_SHAPE[0], TAPS**2, 2, 2, *INPUT_SHAPE[2:]))

    def forward(self, input: Tensor) -> Tensor:
        return reassemble(input, self.kernels, self.spelling)


class Carafe(nn.Module):
    """The whole of CARAFE at scale 2 in its textbook form."""

    def __init__(self, spelling: Spelling) -> None:
        super().__init__()
        self.spelling: Spelling = spelling
        self.compress = nn.Conv2d(CHANNELS, 64, 1, bias=False)
        self.encode = nn.Conv2d(64, TAPS**2 * 4, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        kernels = self.encode(self.compress(input)).unflatten(1, (TAPS**2, 2, 2)).softmax(1)
        return reassemble(input, kernels, self.spelling)


def transposed(scale: int, groups: int = 1) -> nn.Module:
    """A transposed convolution with k = 2s whose output is exactly ``scale`` times the input."""
    return nn.ConvTranspose2d(
        CHANNELS,
        CHANNELS,
        2 * scale,
        stride=scale,
        padding=(scale + 1) // 2,
        output_padding=scale % 2,
        groups=groups,
        bias=False,
    )


def conv(out_channels: int = CHANNELS) -> nn.Module:
    """The plain 3×3 convolution by which each counter's unit is known."""
    return nn.Conv2d(CHANNELS, out_channels, 3, padding=1, bias=False)


def layer_and_conv(mode: str) -> nn.Module:
    """An nn.Upsample and a 3×3 convolution behind it."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode=mode), conv())


def catalogued(name: str, scale: int = 2) -> nn.Module:
    """The library's own module."""
    return upsample.create(name, CHANNELS, CHANNELS, scale)


def cost_of(name: str, scale: int = 2) -> int:
    """What the library states for one of its modules."""
    return upsample.cost(catalogued(name, scale), INPUT_SHAPE).flops


@dataclass(frozen=True)
class Operator:
    """One row of the table.

    Attributes:
        title: what it is and how it is spelt.
        build: makes the module.
        flops: the truth.
    """

    title: str
    build: Callable[[], nn.Module]
    flops: int


def operators() -> dict[str, Operator]:
    """Return the rows in order."""
    _, _, height, width = INPUT_SHAPE
    outputs = 4 * CHANNELS * PIXELS
    antialiased = 4 * CHANNELS * height * 2 * width + 4 * CHANNELS * 2 * height * 2 * width
    reassembled = 2 * TAPS**2 * outputs
    return {
        "conv": Operator("3×3 conv, the check of the unit", conv, 2 * 9 * CHANNELS**2 * PIXELS),
        "transposed_2": Operator(
            "Transposed conv ×2, `nn.ConvTranspose2d`", partial(transposed, 2), cost_of("transposed")
        ),
        "transposed_3": Operator(
            "Transposed conv ×3, with output padding", partial(transposed, 3), cost_of("transposed", 3)
        ),
        "transposed_4": Operator("Transposed conv ×4", partial(transposed, 4), cost_of("transposed", 4)),
        "transposed_functional": Operator(
            "Transposed conv ×2, `F.conv_transpose2d`", partial(catalogued, "transposed"), cost_of("transposed")
        ),
        "transposed_depthwise": Operator(
            "Depthwise transposed conv ×2", partial(transposed, 2, CHANNELS), 2 * 16 * CHANNELS * PIXELS
        ),
        "subpixel": Operator(
            "3×3 conv + `nn.PixelShuffle`",
            lambda: nn.Sequential(conv(4 * CHANNELS), nn.PixelShuffle(2)),
            cost_of("subpixel"),
        ),
        "nearest_conv": Operator("Nearest + 3×3 conv", partial(layer_and_conv, "nearest"), cost_of("nearest_conv")),
        "bilinear_conv": Operator("Bilinear + 3×3 conv", partial(layer_and_conv, "bilinear"), cost_of("bilinear_conv")),
        "bicubic_conv": Operator("Bicubic + 3×3 conv", partial(layer_and_conv, "bicubic"), cost_of("bicubic_conv")),
        "bilinear_layer": Operator(
            "Bilinear alone, `nn.Upsample`", partial(nn.Upsample, scale_factor=2, mode="bilinear"), 8 * outputs
        ),
        "bilinear": Operator("Bilinear alone, `F.interpolate`", partial(Interpolate, "bilinear"), 8 * outputs),
        "bicubic_layer": Operator(
            "Bicubic alone, `nn.Upsample`", partial(nn.Upsample, scale_factor=2, mode="bicubic"), 32 * outputs
        ),
        "bicubic": Operator("Bicubic alone, `F.interpolate`", partial(Interpolate, "bicubic"), 32 * outputs),
        "antialiased": Operator("Bilinear alone, antialiased", partial(Interpolate, "bilinear", True), antialiased),
        "grid_sample": Operator("`F.grid_sample` alone", GridSample, 8 * outputs),
        "dysample": Operator("DySample (LP)", partial(catalogued, "dysample_lp"), cost_of("dysample_lp")),
        "reassembly_einsum": Operator(
            "CARAFE's reassembly alone, `einsum`", partial(Reassembly, "einsum"), reassembled
        ),
        "reassembly_multiply": Operator(
            "CARAFE's reassembly alone, `(a * b).sum()`", partial(Reassembly, "multiply"), reassembled
        ),
        "carafe_einsum": Operator("CARAFE, `einsum`", partial(Carafe, "einsum"), cost_of("carafe")),
        "carafe_multiply": Operator("CARAFE, `(a * b).sum()`", partial(Carafe, "multiply"), cost_of("carafe")),
        "linear": Operator("`nn.Linear` on every pixel", Linear, 2 * CHANNELS**2 * PIXELS),
        "liif": Operator("LIIF", partial(catalogued, "liif"), cost_of("liif")),
    }


# Who counts


def count_fvcore(module: nn.Module, input: Tensor) -> float:
    """MACs of the operators in a trace."""
    analysis = importlib.import_module("fvcore.nn").FlopCountAnalysis(module, input)
    return float(analysis.total())


def count_thop(module: nn.Module, input: Tensor) -> float:
    """MACs of the layers that it has a hook for."""
    operations, _ = importlib.import_module("thop").profile(module, (input,), verbose=False)
    return float(operations)


def count_ptflops(module: nn.Module, input: Tensor, backend: str) -> float:
    """MACs of layers and functions (pytorch), or of the operators that run (aten)."""
    operations, _ = importlib.import_module("ptflops").get_model_complexity_info(
        module, tuple(input.shape[1:]), print_per_layer_stat=False, as_strings=False, backend=backend
    )
    if operations is None:
        raise RuntimeError("ptflops caught an error and returned nothing")
    return float(operations)


def count_calflops(module: nn.Module, input: Tensor) -> float:
    """FLOPs of the functions of torch that it replaces while it counts."""
    # It asks for the device of the first parameter, and stops where there is none.
    if next(module.parameters(), None) is None:
        module.register_parameter("unused", nn.Parameter(torch.zeros(())))
    flops, _, _ = importlib.import_module("calflops").calculate_flops(
        module, args=[input], print_results=False, output_as_string=False
    )
    return float(flops)


def count_torchinfo(module: nn.Module, input: Tensor) -> float:
    """Multiply-adds of layers, from their parameters."""
    return float(importlib.import_module("torchinfo").summary(module, input_data=input, verbose=0).total_mult_adds)


def count_flop_counter_mode(module: nn.Module, input: Tensor, inference: bool) -> float:
    """FLOPs of the operators that run."""
    counter = FlopCounterMode(display=False)
    with torch.inference_mode() if inference else torch.no_grad(), counter:
        module(input)
    return float(counter.get_total_flops())


def count_profiler(module: nn.Module, input: Tensor) -> float:
    """FLOPs of the operators that the profiler records."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiler:
        module(input)
    return float(sum(event.flops for event in profiler.key_averages()))


@dataclass(frozen=True)
class Counter:
    """One column of the table.

    Attributes:
        package: whose version the page states.
        unit: what it reports; a MAC is 2 FLOPs.
        count: runs the module on the input and returns what is reported.
    """

    package: str
    unit: Literal["MACs", "FLOPs"]
    count: Callable[[nn.Module, Tensor], float]

    @property
    def flops_per_unit(self) -> int:
        return 2 if self.unit == "MACs" else 1


MERGED = "FlopCounterMode"
MODES = ("FlopCounterMode, no_grad", "FlopCounterMode, inference_mode")

COUNTERS: dict[str, Counter] = {
    "fvcore": Counter("fvcore", "MACs", count_fvcore),
    "thop": Counter("thop", "MACs", count_thop),
    "ptflops, pytorch": Counter("ptflops", "MACs", partial(count_ptflops, backend="pytorch")),
    "ptflops, aten": Counter("ptflops", "MACs", partial(count_ptflops, backend="aten")),
    "calflops": Counter("calflops", "FLOPs", count_calflops),
    "torchinfo": Counter("torchinfo", "MACs", count_torchinfo),
    MODES[0]: Counter("torch", "FLOPs", partial(count_flop_counter_mode, inference=False)),
    MODES[1]: Counter("torch", "FLOPs", partial(count_flop_counter_mode, inference=True)),
    "torch.profiler": Counter("torch", "FLOPs", count_profiler),
}


# Counting


def confine() -> None:
    """Keep this process from printing, warning, logging, running more than one thread, and hanging."""
    signal.alarm(CELL_SECONDS)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)


def count(counter: str, operator: str) -> Reported:
    """Return the FLOPs that a counter finds in a new module, or the name of the error; for a process of its own."""
    chosen = COUNTERS[counter]
    module = operators()[operator].build().eval()
    try:
        return chosen.count(module, torch.rand(INPUT_SHAPE)) * chosen.flops_per_unit
    except Exception as error:
        return type(error).__name__


def count_apart(counter: str, operator: str) -> Reported:
    """The same in a new process, whose crash is an error like any other."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "upsample"])
    with ProcessPoolExecutor(1, context, initializer=confine) as pool:
        try:
            return pool.submit(count, counter, operator).result()
        except BrokenProcessPool:
            return "process died"


def measure(rows: Mapping[str, Operator]) -> Table:
    """Count every operator with every counter.

    Raises:
        SystemExit: a counter does not report the unit that is said of it.
    """
    table: dict[str, dict[str, Reported]] = {}
    for key, row in rows.items():
        reports = {name: count_apart(name, key) for name in COUNTERS}
        table[key] = {name: each if isinstance(each, str) else each / row.flops for name, each in reports.items()}
        print(f"{row.title}: {', '.join(map(cell, table[key].values()))}", file=sys.stderr)
    wrong = [name for name, ratio in table["conv"].items() if not is_right(ratio)]
    if wrong:
        raise SystemExit(f"a plain convolution does not come out at 1.00, so that the unit is in doubt: {wrong}")
    return table


def with_modes_merged(table: Table) -> Table:
    """Show FlopCounterMode once where its two columns are equal."""
    no_grad, inference = MODES
    if any(row[no_grad] != row[inference] for row in table.values()):
        return table
    return {
        key: {MERGED if name == no_grad else name: ratio for name, ratio in row.items() if name != inference}
        for key, row in table.items()
    }


# The page


@dataclass(frozen=True)
class Finding:
    """One item of the list: the counters that are wrong on some rows, and a remark.

    Attributes:
        subject: what the rows have in common, in their order.
        rows: keys of operators.
        remark: what is true of the operators, whatever the counters report.
    """

    subject: str
    rows: tuple[str, ...]
    remark: str


FINDINGS = (
    Finding(
        "Transposed convolution at scale 2, 3, 4",
        ("transposed_2", "transposed_3", "transposed_4"),
        "Each pixel of the input meets each tap of the kernel once; the output has s² times as many pixels.",
    ),
    Finding(
        "Depthwise transposed convolution",
        ("transposed_depthwise",),
        "The weight has one channel for each group already; dividing by the groups again, in whole numbers, gives 0.",
    ),
    Finding(
        "Transposed convolution called as a function",
        ("transposed_functional",),
        "The operator of the second row, in a module that calls `F.conv_transpose2d` with its own weight.",
    ),
    Finding(
        "Bilinear interpolation as a layer, as a function",
        ("bilinear_layer", "bilinear"),
        "The convention is 8 FLOPs an output value, however it is called.",
    ),
    Finding(
        "Bicubic interpolation as a layer, as a function",
        ("bicubic_layer", "bicubic"),
        "The convention is 32 FLOPs an output value, however it is called.",
    ),
    Finding(
        "Antialiased bilinear interpolation, as a function",
        ("antialiased",),
        "An operator of its own in PyTorch, which filters one axis after the other.",
    ),
    Finding(
        "Nearest, bilinear, bicubic in front of a convolution",
        ("nearest_conv", "bilinear_conv", "bicubic_conv"),
        f"The convolution costs {18 * CHANNELS:,} FLOPs an interpolated value and hides the interpolation.",
    ),
    Finding(
        "`F.grid_sample` alone, and in DySample",
        ("grid_sample", "dysample"),
        "DySample predicts positions with one 1×1 convolution; the lookup is the rest of its work.",
    ),
    Finding(
        "CARAFE's reassembly by `einsum`, by `(a * b).sum()`",
        ("reassembly_einsum", "reassembly_multiply"),
        "The same multiply-accumulates, as a matrix product and as two element-wise operators.",
    ),
    Finding(
        "CARAFE as a whole, by `einsum`, by `(a * b).sum()`",
        ("carafe_einsum", "carafe_multiply"),
        "Its two convolutions are most of the work at this number of channels.",
    ),
    Finding(
        "`nn.Linear` on every pixel, and LIIF, which is made of it",
        ("linear", "liif"),
        f"The layer is applied to each of {PIXELS:,} pixels, not once for the image.",
    ),
)


def is_right(ratio: Reported) -> bool:
    """Whether a ratio is 1, but for rounding and for what is too little to matter."""
    return not isinstance(ratio, str) and abs(round(ratio, 2) - 1) < TOLERANCE + 1e-9


def cell(ratio: Reported) -> str:
    """Write one ratio, without emphasis."""
    if isinstance(ratio, str):
        return f"error: {ratio}"
    if ratio == 0:
        return "0"
    return "<0.01" if ratio < 0.005 else f"{ratio:.2f}"


def emphasised(ratio: Reported) -> str:
    """Write one ratio, in bold where it is wrong."""
    return cell(ratio) if is_right(ratio) else f"**{cell(ratio)}**"


def markdown_table(rows: Mapping[str, Operator], table: Table) -> str:
    """Write one line for each operator and one column for each counter."""
    counters = list(next(iter(table.values())))
    lines = [["Operator", *counters], ["---", *["---:"] * len(counters)]]
    lines += [[rows[key].title, *map(emphasised, ratios.values())] for key, ratios in table.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def describe(finding: Finding, table: Table) -> str:
    """Say which counters report what on the rows of a finding; those that report the same share a clause."""
    alike: dict[tuple[str, ...], list[str]] = {}
    right = []
    for name in table["conv"]:
        ratios = [table[key][name] for key in finding.rows]
        if all(map(is_right, ratios)):
            right.append(name)
        else:
            alike.setdefault(tuple(map(cell, ratios)), []).append(name)
    clauses = [f"{listed(names)} {shortened(cells)}" for cells, names in sorted(alike.items(), reverse=True)]
    if not right:
        clauses.append("none is right" + (" on every row" if len(finding.rows) > 1 else ""))
    elif alike:
        clauses.append(f"right: {listed(right)}")
    else:
        clauses.append("every counter is right")
    item = f"- **{finding.subject}.** {capitalised('; '.join(clauses))}. {finding.remark}"
    return wrapped(item, indent="  ")


def wrapped(text: str, indent: str = "") -> str:
    """Fold a paragraph into lines, without breaking words."""
    return fill(" ".join(text.split()), 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def shortened(cells: Sequence[str]) -> str:
    """Write equal cells once."""
    return cells[0] if len(set(cells)) == 1 else ", ".join(cells)


def listed(names: Sequence[str]) -> str:
    """Write names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def capitalised(text: str) -> str:
    """Start with a capital, whatever follows."""
    return text[:1].upper() + text[1:]


def versions() -> str:
    """Name each package with its version and what it reports.

    Raises:
        SystemExit: a package is missing.
    """
    units = {counter.package: counter.unit for counter in COUNTERS.values()}
    try:
        # What follows a plus sign tells builds of one version apart.
        return ", ".join(f"{name} {version(name).partition('+')[0]} ({unit})" for name, unit in units.items())
    except PackageNotFoundError as error:
        raise SystemExit(f"{error.name} is missing; this needs {', '.join(units)}.") from error


def page(rows: Mapping[str, Operator], measured: Table, used: str) -> str:
    """Write the whole page."""
    table = with_modes_merged(measured)
    modes = "without any difference" if MERGED in table["conv"] else "with different results"
    what_was_run = f"""Each counter was asked for the cost of one forward pass of each operator, on one float32 input of
        {"×".join(map(str, INPUT_SHAPE))} on the CPU, at scale 2 unless the row says otherwise. The counters, with the
        unit that each reports: {used}. `torch` stands for `torch.utils.flop_counter.FlopCounterMode`, under `no_grad`
        and under `inference_mode`, {modes}, and for `torch.profiler` with `with_flops=True`; ptflops has two backends.
        Every count ran in a process of its own, because some counters replace functions of torch while they count.
        calflops stops at a module without parameters, so that such modules were given an unused one."""
    convention = f"""A cell is what the counter reports, in FLOPs, divided by the truth; bold is more than {TOLERANCE}
        off. One multiply-accumulate (MAC) is 2 FLOPs, so that a plain 3×3 convolution comes out at 1.00 everywhere. The
        truth is `upsample.cost`, or the same convention in closed form: bias and copies 0; bilinear interpolation and
        `grid_sample` 8 FLOPs an output value, bicubic 32, antialiased bilinear 4 for each value after each of its two
        passes; other element-wise work is left out. For interpolation that is one convention among others, and a
        constant factor need not be an error there; 0 is, and so is a figure that depends on how the
        operator is called."""
    always = [row.title for key, row in rows.items() if all(map(is_right, table[key].values()))]
    findings = "\n".join(describe(finding, table) for finding in FINDINGS)
    packages = " ".join(dict.fromkeys([*(counter.package for counter in COUNTERS.values()), "transformers"]))
    return f"""# Where public FLOP counters go wrong

{wrapped(what_was_run)}

{wrapped(convention)}

{markdown_table(rows, table)}

## What goes wrong

The figures are those of the table: a counter and what it reports on the rows named, one figure where they are equal.

{findings}

{wrapped(f"Right in every counter: {'; '.join(always)}.")}

## Run it again

With this library installed; calflops imports transformers without asking for it:

```
pip install {packages}
python docs/flop_counters.py
```
"""


def main() -> None:
    """Read the command line, measure, and write the page."""
    parser = argparse.ArgumentParser(description="Measure where public FLOP counters go wrong, and write the page.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"), help="the page to write")
    output: Path = parser.parse_args().output
    used = versions()
    rows = operators()
    output.write_text(page(rows, measure(rows), used), encoding="utf-8")


if __name__ == "__main__":
    main()
