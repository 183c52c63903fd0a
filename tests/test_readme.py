"""The README and the page of what was measured say what the committed results say, and show files that exist."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from tabulate import tabulate

import upsample
from examples import rewrite_onnx_files
from examples.rewrite_networks import HEADERS, SUMMARY, rows, summary
from tests.likeness import difference
from tests.test_forms_by_runtime import forms_table
from upbench.gate.rates import (
    SHARES,
    TRIAL,
    detections,
    false_alarms,
    inconclusive,
    median_seconds,
    plain_false_alarms,
)
from upbench.recommend.quantities import QUANTITIES
from upbench.recommend.stated_error import coverage
from upbench.records.quality_run import read_quality
from upbench.records.quality_statistics import in_league, mean_of, paired_difference
from upbench.records.record import Run, read_run
from upbench.records.repeatability import TWINS, contradictions, false_differences, half_width, runs_of
from upbench.report.claims import Exhibits, judge_claims
from upbench.report.evidence import gather
from upbench.report.exact_section import findings
from upbench.report.summary import summarise
from upbench.report.tables import results_table
from upbench.wording import Language
from upsample import GuidedUpsampler as Guided

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()
QUALITY = read_quality(ROOT / "results" / "quality.json")
NETWORKS = json.loads((ROOT / "results" / "rewritten_networks.json").read_text())["networks"]
FILES = json.loads((ROOT / "results" / "rewritten_onnx_files.json").read_text())["files"]
PAGE = ROOT / "docs" / "measured.md"
MEASURED = " ".join(PAGE.read_text().split())


@pytest.fixture(scope="module")
def reference() -> Run:
    return read_run(ROOT / "results" / "reference.json")


@pytest.mark.parametrize(("text", "language"), [(README, "en"), (CHINESE, "zh")], ids=["English", "Chinese"])
def test_the_findings_are_those_of_the_reference_run(reference: Run, text: str, language: Language) -> None:
    evidence = gather([reference])
    for line in summarise(evidence, judge_claims(Exhibits(evidence, QUALITY))):
        assert f"\n• {line.in_language(language)}\n" in text


def test_both_readmes_have_the_same_commands_links_and_figures() -> None:
    def commands(text: str) -> list[str]:
        blocks = re.findall(r"```(?:sh|python)\n(.*?)```", text, re.DOTALL)
        return [line.partition("#")[0].rstrip() for block in blocks for line in block.splitlines()]

    def links(text: str) -> set[str]:
        return set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.zh-CN.md"}

    def figures(text: str) -> list[str]:
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        return sorted(re.findall(r"\d+\.\d+", prose))

    for what in (commands, links, figures):
        assert what(CHINESE) == what(README), what.__name__


def test_the_sentences_between_the_charts_are_true(reference: Run) -> None:
    def ratios(name: str, quantity: str) -> list[float]:
        by_cell = {(r.case.upsampler, r.case.cell): r.quantities[quantity] for r in reference.records}
        cells = [r.case.cell for r in reference.records if r.case.upsampler == name and r.measured]
        return [by_cell[name, cell] / by_cell["subpixel", cell] for cell in cells]

    transposed = ratios("transposed", "latency_s")
    said = " ".join(README.split())
    assert f"takes {min(transposed):.2f} to {max(transposed):.2f} of one-stage PixelShuffle's time" in said
    assert {round(ratio, 1) for ratio in ratios("transposed", "peak_allocated_bytes")} == {1.5}
    assert max(ratios("transposed", "peak_tensor_bytes")) < 1
    staged = ratios("subpixel_staged", "latency_s") + ratios("nearest_conv_staged", "latency_s")
    assert f"cost {min(staged):.1f} to {max(staged):.1f} times" in said
    learned = ("nearest_conv", "bilinear_conv", "subpixel", "transposed_phases")
    for name in learned:
        others = ratios(name, "latency_s")
        assert all(fast < other for fast, other in zip(transposed, others, strict=True))


def catalogue_table() -> str:
    """Every operator at 64→64 channels and scale 2, the fastest first."""
    evidence = gather([read_run(ROOT / "results" / "catalogue.json")])
    table = results_table(evidence)
    chosen = table[(table["scale"] == "×2") & (table["in→out"] == "64→64") & (table["latency, ms"] != "–")]
    order = chosen["latency, ms"].astype(float).sort_values(kind="stable").index
    columns = [
        "upsampler",
        "latency, ms",
        "95 % interval, ms",
        "peak allocated, MiB",
        "live tensors, MiB",
        "GMAC",
        "params",
    ]
    return str(chosen.loc[order, columns].to_markdown(index=False, disable_numparse=True))


def networks_table() -> str:
    """Every site of the rewritten networks, and each network as a whole."""
    return str(tabulate(rows(NETWORKS), HEADERS, tablefmt="github", disable_numparse=True))


def files_table() -> str:
    """Public networks as ONNX files, in each runtime."""
    return str(tabulate(rewrite_onnx_files.rows(FILES), rewrite_onnx_files.HEADERS, "github", disable_numparse=True))


def faster_networks_table() -> str:
    """The networks that were certainly faster as a whole."""
    return str(tabulate(summary(NETWORKS), SUMMARY, tablefmt="github", disable_numparse=True))


def exact_forms_findings() -> str:
    """What the two runs of exact forms say, a sentence a line."""
    evidence = gather([read_run(ROOT / "results" / f"{run}.json") for run in ("exact_forms", "exact_forms_64to64")])
    lines = [textwrap.fill(f"• {line}", 116, subsequent_indent="  ") for line in findings(evidence)]
    return "\n".join(["```text", *lines, "```"])


def quality_table() -> str:
    """Every network as practised, and the interpolations, at both scales."""
    rows_of = []
    for each in QUALITY.contestants:
        if each.league not in ("as practised", "without training") or each.placement == "last":
            continue
        anchor = in_league(QUALITY, "subpixel", each.scale, "as practised")
        assert anchor is not None
        difference = None if each.placement == "alone" else paired_difference(QUALITY, each.id, anchor.id, "psnr")
        figures = [mean_of(QUALITY, each.id, meter) for meter in ("psnr", "ssim", "high_frequency", "spectral_peaks")]
        psnr, ssim, detail, peaks = (float("nan") if value is None else value for value in figures)
        rows_of.append([
            f"×{each.scale}",
            QUALITY.title(each),
            f"{psnr:.2f}",
            "–" if difference is None or each.id == anchor.id
            else f"{difference.estimate:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})".replace("-", "−"),
            f"{ssim:.4f}",
            f"{detail:.3f}",
            f"{peaks:.0f}",
            f"{each.params:,}" if each.params else "–",
            f"{each.flops_per_pixel:,}" if each.flops_per_pixel else "–",
        ])  # fmt: skip
    headers = ["scale", "upsampler", "PSNR, dB", "against sub-pixel", "SSIM", "high-frequency error", "peaks, dB"]
    return str(tabulate(rows_of, [*headers, "params", "FLOPs/px"], tablefmt="github", disable_numparse=True))


def coverage_table() -> str:
    """How often a left-out case lies within the error that is stated without it."""
    grid = [read_run(ROOT / "results" / "grid.json")]
    rows_of = []
    for quantity in QUANTITIES:
        found = coverage(grid, quantity)
        rows_of.append([quantity, f"{found.count} of {found.of}", f"{found.share:.1%}"])
    return str(tabulate(rows_of, ["quantity", "within", "share"], tablefmt="github", disable_numparse=True))


@pytest.mark.parametrize(
    ("page", "name", "table"),
    [
        ("README.md", "faster networks", faster_networks_table),
        ("README.zh-CN.md", "faster networks", faster_networks_table),
        ("docs/measured.md", "catalogue", catalogue_table),
        ("docs/measured.md", "rewritten networks", networks_table),
        ("docs/measured.md", "exact forms", exact_forms_findings),
        ("docs/measured.md", "forms by runtime", forms_table),
        ("docs/rewriting_onnx.md", "rewritten files", files_table),
        ("docs/measured.md", "quality", quality_table),
        ("docs/quality.md", "coverage", coverage_table),
    ],
)
def test_a_table_is_that_of_its_run(page: str, name: str, table: Callable[[], str]) -> None:
    begin, end = f"<!-- {name} -->\n\n", f"\n\n<!-- end of {name} -->"
    file = ROOT / page
    before, rest = file.read_text().split(begin)
    shown, after = rest.split(end)
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(before + begin + table() + end + after)
        return
    assert difference(shown, table()) is None


def test_the_sentences_under_the_catalogue_are_true() -> None:
    records = read_run(ROOT / "results" / "catalogue.json").records
    at_two = {r.case.upsampler: r.quantities for r in records if r.case.cell.scale == 2 and r.measured}

    def ratio(name: str, to: str, quantity: str = "latency_s") -> float:
        return float(at_two[name][quantity] / at_two[to][quantity])

    unguided = [r.case.upsampler for r in records if not issubclass(upsample.class_of(r.case.upsampler), Guided)]
    assert min(unguided, key=lambda name: at_two[name]["latency_s"]) == "dysample_lp"
    for sentence in (
        f"{ratio('dysample_lp', 'subpixel'):.2f} of one-stage PixelShuffle's time and "
        f"{ratio('dysample_lp', 'subpixel', 'peak_allocated_bytes'):.2f} of its peak memory",
        f"LIIF takes {ratio('liif', 'subpixel'):.0f} times as long as PixelShuffle",
        f"SAPA-B has {ratio('sapa_b', 'subpixel', 'macs'):.2f} of PixelShuffle's and takes "
        f"{ratio('sapa_b', 'subpixel'):.1f} times as long",
        f"the inverse wavelet has {ratio('inverse_wavelet', 'subpixel', 'macs'):.2f} times as many and takes "
        f"{ratio('inverse_wavelet', 'subpixel', 'peak_allocated_bytes'):.1f} times the memory",
        f"takes {ratio('carafe', 'carafe_unfolded'):.2f} of the time of its unfold form and "
        f"{ratio('carafe', 'carafe_unfolded', 'peak_allocated_bytes'):.2f} of its memory",
        f"takes {ratio('transposed_filtered', 'filtered_conv'):.2f} of the time of filtering first, with "
        f"{ratio('transposed_filtered', 'filtered_conv', 'macs'):.2f} of its MACs",
    ):
        assert sentence in MEASURED, sentence


def test_the_peak_of_an_exact_form_is_that_of_its_run() -> None:
    records = read_run(ROOT / "results" / "exact_forms.json").records
    in_eager = {"scale": 4, "channels": 64, "runtime": "eager", "layout": "contiguous"}
    peaks = {
        r.case.upsampler: r.quantities["peak_allocated_bytes"] / 2**20
        for r in records
        if all(getattr(r.case.cell, axis) == value for axis, value in in_eager.items())
    }
    sentence = f"falls from {peaks['nearest_conv']:.1f} to {peaks['nearest_conv.shuffled']:.1f} MiB in eager torch"
    assert sentence in MEASURED


def test_what_is_said_of_the_other_networks_is_what_their_runs_showed() -> None:
    certain = {line[0] for line in summary(NETWORKS)}
    others = [
        launch["gain"][0] for name, launches in NETWORKS.items() if name not in certain for launch in launches
        if launch["gain"] is not None
    ]  # fmt: skip
    sentence = f"the others took {1 / max(others):.2f} to {1 / min(others):.2f} times as long"
    assert len(NETWORKS) == 13
    assert sentence in " ".join(README.split())


def test_what_is_said_of_quality_is_what_the_networks_showed() -> None:
    def of(name: str, meter: str, scale: int = 2, step: int = -1, **options: int) -> float:
        own = next(
            each
            for each in QUALITY.contestants
            if (each.upsampler, each.scale, each.league) == (name, scale, "as practised") and each.options == options
        )
        found = mean_of(QUALITY, own.id, meter, step)
        assert found is not None
        return found

    differences = [
        difference
        for each in QUALITY.contestants
        if each.league == "as practised" and each.placement == "inside" and each.upsampler != "subpixel"
        and (anchor := in_league(QUALITY, "subpixel", each.scale, "as practised"))
        and (difference := paired_difference(QUALITY, each.id, anchor.id, "psnr"))
    ]  # fmt: skip
    low, high = min(each.estimate for each in differences), max(each.estimate for each in differences)
    sure = sum(each.low > 0.1 or each.high < -0.1 for each in differences)
    kernels = [
        (kernel, of("transposed", "gain_spread", step=step, kernel_size=kernel))
        for kernel in (3, 4)
        for step in (0, -1)
    ]
    said = " ".join(README.split())
    for sentence in (
        f"by {low:.2f} to +{high:.2f} dB of PSNR".replace("-", "−"),
        f"surely more than 0.1 dB in {sure} of {len(differences)} comparisons",
        f"a kernel of 3 has its phases {kernels[0][1]:.0%} apart on a flat surface before training and "
        f"{kernels[1][1]:.1%} after it, a kernel of 4 {kernels[2][1]:.0%} and {kernels[3][1]:.1%}".replace("%", " %"),
        f"PixelShuffle {of('subpixel', 'spectral_peaks'):.0f} dB above their surroundings, with transposed convolution "
        f"{of('transposed', 'spectral_peaks'):.0f} and with bilinear + conv "
        f"{of('bilinear_conv', 'spectral_peaks'):.0f}",
    ):
        assert sentence in said, sentence


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 170


def test_the_gates_figures_are_those_of_its_trial() -> None:
    trial = TRIAL.read(ROOT / "results" / "gate_trial.json")
    alarms, vague = false_alarms(trial), inconclusive(trial)
    plain = plain_false_alarms(trial, "median", 10)
    found = {share: detections(trial, share) for share in SHARES}
    seconds = median_seconds(trial, injected=False)
    assert seconds is not None
    for figures in (
        f"{alarms.of} gates on identical code, 20 benchmarks each, ended in a regression {alarms.count} times",
        f"could not decide {vague.count} times",
        f"`--benchmark-compare-fail=median:10%` fails {plain.count} of {plain.of} such runs",
        f"by 3 %, {found[0.03].count} of {found[0.03].of} benchmarks were found",
        f"by 5 %, {found[0.05].count} of {found[0.05].of}; by 10 %, {found[0.1].count} of {found[0.1].of}",
        f"A gate took {seconds:.0f} seconds (median)",
    ):
        assert figures in " ".join(README.split()), figures


def test_how_often_a_report_is_wrong_is_what_its_trial_says() -> None:
    trial = TWINS.read(ROOT / "results" / "sweep_trial.json")
    quiet, busy = (runs_of(trial, kind) for kind in (False, True))
    alarms, busy_alarms = false_differences(quiet), false_differences(busy)
    opposite = [contradictions(runs) for runs in (quiet, busy)]
    for figures in (
        f"{alarms.count} of {alarms.of} identical pairs were called different on the quiet machine",
        f"{busy_alarms.count} of {busy_alarms.of} beside a neighbour",
        f"in opposite directions {sum(rate.count for rate in opposite)} times in {sum(rate.of for rate in opposite):,}",
        f"±{half_width(quiet):.1%} and ±{half_width(busy):.1%} (median)".replace("%", " %"),
    ):
        assert figures in " ".join(README.split()), figures


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_every_link_and_picture_is_there(target: str) -> None:
    file, _, heading = target.partition("#")
    assert (ROOT / file).exists()
    headings = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.MULTILINE) if heading else []
    assert not heading or heading in {re.sub(r"\W+", "-", title.lower()) for title in headings}


def test_the_library_example_is_true() -> None:
    import torch

    module = upsample.create("subpixel", in_channels=64, out_channels=3, scale=4, icnr=True)
    assert f"# {module(torch.rand(1, 64, 48, 48)).shape}" in README
    shown = re.search(r"# Cost\((.*), \.\.\.\)", README)
    assert shown is not None
    assert shown[1] in str(upsample.cost(module, (1, 64, 48, 48)))
    listed = re.search(r"# \[(.*), \.\.\.\]", README)
    assert listed is not None
    assert listed[1] in str(upsample.names())


@pytest.mark.parametrize("page", ["README.md", "docs/exact_forms.md"])
def test_a_network_is_rewritten_as_shown(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        if "rewrite" in block or "exact_forms" in block:
            exec(block, names)
    assert capsys.readouterr().out.startswith("1: Upsample + Conv2d ")


@pytest.mark.filterwarnings("ignore:`torch.jit.script", "ignore:`isinstance.treespec")  # of torch by its own modules
@pytest.mark.parametrize("inner", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_what_the_page_about_rewriting_shows_runs(inner: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "rewriting.md").read_text(), re.DOTALL)
    # Inductor needs a compiler, and half a minute.
    exec("".join(blocks).replace('"inductor"', repr(inner)), {"__name__": "page"})
    said = capsys.readouterr().out
    assert said.count("cat(Upsample, other) + Conv2d") == 2
