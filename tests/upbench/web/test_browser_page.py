"""The page in a real browser, with ONNX Runtime Web as it is: measured, stopped, resumed, sent, and harmed."""

from __future__ import annotations

import http.server
import json
import os
import random
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.upbench.synthetic import small_run
from tests.upbench.web.conftest import SIZES, Open, Serve, Serving, Visit
from upbench.cases import grid
from upbench.processes.rivals import TRIMMED, Blocks
from upbench.progress import Silent
from upbench.records.comparison import compare_runs
from upbench.records.record import Run, read_run
from upbench.records.statistics import compare_levels, launch_interval
from upbench.report import write_report
from upbench.sweep.plan import planned
from upbench.web.site_folder import write_site
from upbench.web.site_plan import BrowserSite, NotASiteError, read_site

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

LONGEST_MS = 180_000
NAMES = ("subpixel", "transposed", "nearest_conv_staged")


@pytest.fixture(scope="module")
def site(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> BrowserSite:
    """Two upsamplers in one small cell, and a third that cannot do the scale."""
    axes = replace(grid.quick(), upsamplers=NAMES, scales=(3,), channels=(8,), sizes=((16, 24),))
    folder = tmp_path_factory.mktemp("sites") / "site"
    write_site(planned(axes), (1, 2), folder, tarball, Silent())
    return read_site(folder)


def begin(here: Visit, launches: int = 4, one_thread: bool = True) -> Page:
    """Choose, and measure."""
    page = here.page
    page.select_option("#launches", str(launches))
    if one_thread:
        page.get_by_label("WebAssembly, 2 threads").uncheck()
    page.click("#begin")
    return page


def until_launches(page: Page, count: int) -> None:
    """Wait until so many launches are finished."""
    expect(page.locator("#tables caption").first).to_contain_text(f"{count} launches", timeout=LONGEST_MS)


def finished(page: Page) -> None:
    expect(page.locator("#status")).to_have_text(re.compile("^Finished"), timeout=LONGEST_MS)


def saved(page: Page, file: Path) -> Run:
    """The record as a person saves it."""
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(file)
    return read_run(file)


def fits(page: Page, size: str) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0])


def in_language(page: Page, language: str) -> None:
    page.locator(f"label:has(#language-{language})").click()
    expect(page.locator(f"#language-{language}")).to_be_checked()


def test_a_phone_measures_a_grid_and_its_record_is_a_run_like_any_other(
    visit: Open, serve: Serve, site: BrowserSite, tmp_path: Path
) -> None:
    serving = serve(site)
    page = begin(visit(serving, size="phone"))
    finished(page)
    rows = page.locator("#tables tbody tr").all_inner_texts()
    assert len(rows) == 3
    assert re.search(r"unsupported: .*scales 2, 4, 8", rows[-1])
    kept = saved(page, tmp_path / "saved.json")
    page.click("#send")
    expect(page.locator("#status")).to_have_text(re.compile(r"^Sent\. Kept as browser-"))
    # The server has worked every figure out anew from the blocks.
    ((file, run),) = serving.received
    assert [(each.case, each.outcome) for each in read_run(file).records] == [(e.case, e.outcome) for e in kept.records]
    for record in run.records[:2]:
        assert record.case.cell.runtime == "web-wasm"
        assert record.quantities["launches"] == 4
        assert record.quantities["definition_error"] < 1e-5
        assert record.quantities["flops"] > 0
    assert run.fingerprint["browser"]["isolated"] is True
    assert run.fingerprint["versions"]["onnxruntime-web"]
    assert run.facts["browser"]["clock_s"] > 0
    document = json.loads((tmp_path / "saved.json").read_text())
    names = [benchmark["name"] for benchmark in document["benchmarks"]]
    assert names == [record.case.id for record in kept.records if record.measured]
    # It fits a phone in both languages, light and dark, and nothing keeps anybody from using it.
    for language, scheme in (("zh", "dark"), ("en", "light")):
        in_language(page, language)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert fits(page, "phone")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{language}, {scheme}: {found.generate_report()}"
    assert page.evaluate("document.title") == "Which upsampler in this browser?"
    read_beside_python(run, tmp_path)


def read_beside_python(run: Run, folder: Path) -> None:
    """A run of a browser is reported alone, and beside one of Python as another machine."""
    lines = write_report([run], folder / "alone")
    assert any(line.startswith("Fewest FLOPs") or "Fewest FLOPs" in line for line in lines)
    page = (folder / "alone" / "report.html").read_text()
    assert "ONNX Runtime Web" in page
    assert "a fresh worker with fresh sessions" in page
    both = write_report([run, small_run()], folder / "both")
    assert [line.partition(":")[0] for line in both][:2] == [run.fingerprint["cpu"], "Test CPU"]
    assert not {row.verdict for row in compare_runs(run, small_run())} & {"B slower", "B faster", "no difference seen"}


def test_the_pages_figures_are_pythons(visit: Open, serve: Serve, site: BrowserSite) -> None:
    page = visit(serve(site)).page
    rng = random.Random(0)
    for rivals, rounds in ((1, 6), (3, 7), (5, 20)):
        levels = [rng.uniform(-9, -3) for _ in range(rivals)]
        seconds = [[np.exp(level + rng.gauss(0, 0.1)) for level in levels] for _ in range(rounds)]
        told: list[list[float | None]] = [
            [None if place == rivals - 1 and number % 3 else value for place, value in enumerate(row)]
            for number, row in enumerate(seconds)
        ]
        exact = Blocks(np.array([[np.nan if v is None else v for v in row] for row in told]), (1,) * rivals, {}).levels
        expression = "async ([rounds, trimmed]) => (await import('./statistics.js')).levels(rounds, trimmed)"
        assert page.evaluate(expression, [told, TRIMMED]) == pytest.approx(exact, abs=1e-9)
    quantiles = site.plan["protocol"]["t_quantiles"]
    for count in (2, 3, 6, 24):
        logs = [rng.gauss(-7, 0.05) for _ in range(count)]
        interval = launch_interval(np.exp(logs).tolist())
        assert interval is not None
        expression = "async ([logs, quantiles]) => (await import('./statistics.js')).interval(logs, quantiles)"
        found = page.evaluate(expression, [logs, quantiles])
        assert [found["low"], found["estimate"], found["high"]] == pytest.approx(
            [interval.low, interval.estimate, interval.high], rel=1e-9
        )
    one, other = ({str(n): rng.gauss(0, 1) for n in range(first, 6)} for first in (0, 2))
    exactly = compare_levels(one, other)
    assert exactly is not None
    expression = "async ([a, b, quantiles]) => (await import('./statistics.js')).compared(a, b, quantiles)"
    found = page.evaluate(expression, [one, other, quantiles])
    assert [found["low"], found["high"]] == pytest.approx([exactly.ratio.low, exactly.ratio.high], rel=1e-9)


def test_it_stops_by_keyboard_and_goes_on_after_the_page_was_closed(
    visit: Open, serve: Serve, site: BrowserSite, tmp_path: Path
) -> None:
    serving = serve(site)
    here = visit(serving)
    page = here.page
    page.get_by_label("WebAssembly, 2 threads").uncheck()
    page.focus("#begin")
    page.keyboard.press("Enter")
    until_launches(page, 1)
    expect(page.locator("#stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#begin")).to_be_focused()
    expect(page.locator("#begin")).to_have_text("Go on")
    partly = saved(page, tmp_path / "partly.json")
    launches = partly.records[0].quantities["launches"]
    assert 1 <= launches < 6
    page.close()
    # The choice is made anew; what was measured of it is there.
    page = visit(serving, beside=here).page
    page.get_by_label("WebAssembly, 2 threads").uncheck()
    expect(page.locator("#status")).to_contain_text(f"{launches} launches are kept from before")
    page.click("#begin")
    until_launches(page, launches + 1)
    page.click("#stop")
    more = saved(page, tmp_path / "more.json")
    ids = partly.records[0].quantities["launch_ids"]
    assert more.records[0].quantities["launch_ids"][: len(ids)] == ids
    # A choice with other rivals is another question.
    page.locator("#choice summary").click()
    page.get_by_label("Transposed conv, k = 2s").uncheck()
    expect(page.locator("#begin")).to_have_text("Measure")
    page.get_by_label("Transposed conv, k = 2s").check()
    page.click("#again")
    expect(page.locator("#results")).to_be_hidden()


@pytest.mark.slow
def test_a_second_tab_does_not_measure_at_the_same_time(visit: Open, serve: Serve, site: BrowserSite) -> None:
    serving = serve(site)
    here = visit(serving)
    first = begin(here, launches=24)
    expect(first.locator("#status")).to_have_text(re.compile("^Measuring"))
    second = begin(visit(serving, beside=here), launches=24)
    expect(second.locator("#status")).to_have_text(re.compile("^Another tab is measuring"))
    expect(second.locator("#begin")).to_be_enabled()
    expect(first.locator("#stop")).to_be_enabled()
    first.click("#stop")
    expect(first.locator("#begin")).to_be_enabled()


@pytest.mark.slow
def test_a_launch_that_was_hidden_is_made_again(visit: Open, serve: Serve, site: BrowserSite, tmp_path: Path) -> None:
    page = begin(visit(serve(site)), launches=24)
    expect(page.locator("#status")).to_have_text(re.compile("^Measuring"))
    hide = (
        "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.evaluate(hide, True)
    expect(page.locator("#status")).to_have_text(re.compile("^Waiting: the tab is hidden"))
    page.evaluate(hide, False)
    until_launches(page, 1)
    page.click("#stop")
    run = saved(page, tmp_path / "run.json")
    assert run.facts["browser"]["hidden_launches"] >= 1


@pytest.mark.parametrize(
    "query",
    [
        "?lang=<script>window.hurt=1</script>",
        pytest.param("?lang=__proto__", marks=pytest.mark.slow),
        pytest.param("?lang=constructor&lang=zh", marks=pytest.mark.slow),
        "?launches=1e9&cell=../../etc/passwd&%00=%ff",
        "#<img src=x onerror=window.hurt=1>",
        pytest.param(f"?{'a' * 5000}", marks=pytest.mark.slow),
    ],
)
def test_an_address_does_no_harm(visit: Open, serve: Serve, site: BrowserSite, query: str) -> None:
    page = visit(serve(site), query).page
    assert page.evaluate("window.hurt") is None
    assert page.locator("h1").inner_text() == "Which upsampler in this browser?"
    assert page.locator("#launches").input_value() == "6"
    assert page.locator("img").count() == 0


def test_an_address_may_ask_for_a_language(visit: Open, serve: Serve, site: BrowserSite) -> None:
    page = visit(serve(site), "?lang=zh").page
    assert page.title() == "这个浏览器里该用哪种上采样器？"
    assert page.locator("#begin").inner_text() == "测量"
    for english in ("Measure", "Stop", "Where it runs", "thread", "isolated"):
        assert english not in page.locator("body").inner_text()


def harmed(site: BrowserSite, folder: Path, change: Any) -> BrowserSite:
    """A copy of a site whose model of sub-pixel convolution is another."""
    shutil.copytree(site.folder, folder, copy_function=os.link)
    model = next(case["model"] for case in site.plan["cases"] if case["upsampler"] == "subpixel")
    file = folder / model["file"]
    data = change(file.read_bytes())
    file.unlink()
    file.write_bytes(data)
    return read_site(folder)


def other_weights(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"\x42" * 64 + data[middle + 64 :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_weights, "refused: the output differs from the definition by"),
        pytest.param(
            lambda data: data[:-1], "refused: the model is not the one that was exported", marks=pytest.mark.slow
        ),
        pytest.param(
            lambda data: b"\xff" * len(data), "unsupported: ONNX Runtime Web cannot take it", marks=pytest.mark.slow
        ),
    ],
    ids=["other weights", "cut off", "no model"],
)
def test_a_wrong_model_is_noticed(
    visit: Open, serve: Serve, site: BrowserSite, tmp_path: Path, change: Any, words: str
) -> None:
    page = begin(visit(serve(harmed(site, tmp_path / "harmed", change))))
    until_launches(page, 1)
    page.click("#stop")
    assert any(words in row for row in page.locator("#tables tbody tr").all_inner_texts())
    outcomes = {record.case.upsampler: record.outcome for record in saved(page, tmp_path / "run.json").records}
    assert outcomes["subpixel"] == words.partition(":")[0]
    assert outcomes["transposed"] == "ok"


@pytest.mark.slow
def test_a_server_that_is_gone_says_nothing_of_an_upsampler(visit: Open, serve: Serve, site: BrowserSite) -> None:
    here = visit(serve(site))
    here.page.context.route("**/models/**", lambda route: route.abort())
    page = begin(here)
    expect(page.locator("#status")).to_have_text(re.compile("^Stopped by an error: "))
    expect(page.locator("#begin")).to_be_enabled()
    expect(page.locator("#results")).to_be_hidden()
    assert here.noise
    here.noise.clear()


@pytest.fixture
def static(site: BrowserSite) -> Iterator[Serving]:
    """A server of files that knows nothing of ours."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map: ClassVar = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

        def log_message(self, format: str, *values: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site.folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Serving(site, f"http://127.0.0.1:{server.server_port}/", site.folder)
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_without_our_headers_there_is_one_thread_a_coarse_clock_and_a_file(
    visit: Open, static: Serving, tmp_path: Path
) -> None:
    page = visit(static).page
    assert "not isolated" in page.locator("#facts").inner_text()
    expect(page.locator('input[value="wasm-2"]')).to_be_disabled()
    page.click("#begin")
    until_launches(page, 1)
    page.click("#stop")
    expect(page.locator("#send")).to_be_hidden()
    run = saved(page, tmp_path / "run.json")
    # Chromium's steps are 5 µs where a page is isolated, and 100 µs elsewhere; a busy machine sees no finer ones.
    assert run.facts["browser"]["clock_s"] > 5e-5
    assert run.fingerprint["browser"]["isolated"] is False


def test_a_folder_with_anything_else_in_it_is_left_alone(site: BrowserSite, tmp_path: Path, tarball: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site.folder, folder, copy_function=os.link)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(NotASiteError, match=r"holds thesis\.txt, which no export wrote"):
        write_site([], (), folder, tarball, Silent())
    assert (folder / "thesis.txt").read_text() == "mine"
    assert read_site(folder).plan["digest"] == site.plan["digest"]


@pytest.mark.slow
def test_threads_are_measured_where_memory_is_shared(visit: Open, serve: Serve, site: BrowserSite) -> None:
    serving = serve(site)
    page = begin(visit(serving), one_thread=False)
    finished(page)
    page.click("#send")
    expect(page.locator("#status")).to_have_text(re.compile(r"^Sent\."))
    ((_, run),) = serving.received
    assert {record.case.cell.threads for record in run.records if record.measured} == {1, 2}


@pytest.mark.slow
def test_webgpu_gives_the_same_output_on_a_software_adapter(
    serve: Serve, site: BrowserSite, chromium: Callable[..., Browser]
) -> None:
    serving = serve(site)
    launched = chromium("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader")
    page = launched.new_page()
    page.goto(serving.address)
    page.wait_for_selector("html[data-ready]", state="attached")
    for place in ("wasm-1", "wasm-2"):
        page.locator(f'input[value="{place}"]').uncheck()
    page.select_option("#launches", "4")
    page.click("#begin")
    finished(page)
    page.click("#send")
    expect(page.locator("#status")).to_have_text(re.compile(r"^Sent\."))
    launched.close()
    ((_, run),) = serving.received
    measured = [record for record in run.records if record.measured]
    assert {record.case.cell.runtime for record in measured} == {"web-webgpu"}
    assert {record.case.cell.device for record in measured} == {"gpu"}
    assert all(record.quantities["definition_error"] < 1e-4 for record in measured)
