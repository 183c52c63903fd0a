"""The report page in a browser, from a file, as people meet it: in both languages, by mouse, touch and keyboard."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.upbench.hostile import FORMULA, LONG, SCRIPT, hostile_quality, hostile_run
from tests.upbench.synthetic import case, measured, refused, run_of, small_run
from tests.upbench.synthetic_quality import quality_run
from upbench.records.record import Run
from upbench.report import write_report

NOISE = (1.0, 1.01, 0.99, 1.005)
LOCAL = ("file:", "data:", "blob:")
SIZES = {"phone": (360, 740), "desk": (1440, 900)}
BUDGET_BYTES = 8_000_000


def explored() -> Run:
    """Two runtimes and two scales, with steady latencies: every facet that a page can have more than one value of."""
    latencies = {"subpixel": 0.5, "transposed": 0.75, "nearest_conv": 2.0}
    records = [
        measured(
            case(name, scale, runtime=runtime),
            [milliseconds * scale * slower * factor * 1e-3 for factor in (*NOISE[index:], *NOISE[:index])],
            peak_allocated_bytes=int(milliseconds * (1 << 20)),
        )
        for scale in (2, 3)
        for runtime, slower in (("eager", 1.0), ("onnx", 0.5))
        for index, (name, milliseconds) in enumerate(latencies.items())
    ]
    failed = refused(case("nearest_conv_staged", 3), reason="scales 2, 4, 8, …; got 3.")
    return run_of([*records, failed])


def in_language(page: Page, language: str) -> None:
    """Ask for a language as people do; the click waits until the page stands, which grows as it is scrolled through."""
    page.locator(f"label:has(#language-{language})").click()
    expect(page.locator(f"#language-{language}")).to_be_checked()


@dataclass
class Visit:
    """A page that is open, and what it should not have done."""

    page: Page
    noise: list[str] = field(default_factory=list)

    def shown(self) -> list[str]:
        """The names in the table, from the top."""
        return self.page.locator("#grid td.who .clamp").all_inner_texts()

    def column(self, key: str) -> list[str]:
        """A column of the table, by the place of its heading's key."""
        index = self.page.evaluate(
            "key => import('page/columns').then(m => m.columns.findIndex(c => c.key === key))", key
        )
        return self.page.locator(f"#grid tbody td:nth-child({index + 1})").all_inner_texts()

    def heading(self, key: str) -> Any:
        index = self.page.evaluate(
            "key => import('page/columns').then(m => m.columns.findIndex(c => c.key === key))", key
        )
        return self.page.locator(f"#grid thead th:nth-child({index + 1})")

    def chip(self, name: str, label: str) -> Any:
        return self.page.locator(f'#facets input[name="{name}"]').and_(self.page.get_by_label(label, exact=True))

    def hash(self) -> str:
        return str(self.page.evaluate("location.hash"))


Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("page")
    write_report([explored()], output, [quality_run()])
    return output / "report.html"


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Open]:
    contexts, visits = [], []

    def go(
        hash: str = "",
        size: str = "desk",
        scheme: Any = "light",
        file: Path = report,
        scripts: bool = True,
        **more: Any,
    ) -> Visit:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts, **more
        )
        contexts.append(context)
        found = Visit(context.new_page())
        visits.append(found)
        found.page.set_default_timeout(10_000)
        found.page.on("console", lambda message: found.noise.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.noise.append(f"error: {error}"))
        found.page.on("request", lambda r: None if r.url.startswith(LOCAL) else found.noise.append(f"request: {r.url}"))
        found.page.goto(file.as_uri() + hash)
        if scripts:
            found.page.wait_for_selector("html[data-ready]")
        return found

    yield go
    noise = [line for each in visits for line in each.noise]
    for context in contexts:
        context.close()
    assert noise == []


def test_the_page_opens_with_its_answers_and_asks_for_nothing(visit: Open, report: Path) -> None:
    page = visit().page
    assert page.title() == "Which upsampler on this machine?"
    answers = page.locator("#answers .findings li").first
    assert "Fastest: Sub-pixel conv, one stage in" in answers.inner_text()
    assert (answers.bounding_box() or {"y": 900})["y"] < 400
    assert page.locator("#claims .claim").count() >= 3
    assert report.stat().st_size < BUDGET_BYTES


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_its_window_in_both_languages_and_follows_the_systems_colours(visit: Open, size: str) -> None:
    page = visit(size=size).page
    for language, scheme in (("en", "light"), ("zh", "light"), ("zh", "dark"), ("en", "dark")):
        in_language(page, language)
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        assert (red < 128) == (scheme == "dark")


def test_axe_finds_nothing_to_complain_of(visit: Open) -> None:
    page = visit().page
    page.locator("#explorer").scroll_into_view_if_needed()
    page.wait_for_selector("#chart svg")
    for language, scheme in (("en", "light"), ("zh", "dark")):
        in_language(page, language)
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{language}, {scheme}: {found.generate_report()}"


def test_filters_narrow_the_table_the_chart_and_the_count(visit: Open) -> None:
    here = visit()
    here.page.locator("#chart").scroll_into_view_if_needed()
    assert here.page.locator("#shown").inner_text() == "13 of 13 cases shown."
    here.chip("scale", "×3").check(force=True)
    here.chip("runtime", "onnx").check(force=True)
    assert here.page.locator("#shown").inner_text() == "3 of 13 cases shown."
    assert set(here.column("scale")) == {"×3"}
    assert set(here.column("runtime")) == {"onnx"}
    assert "3 cases" in here.page.locator("#chart-caption").inner_text()
    here.page.wait_for_function("document.querySelectorAll('#chart .mark-symbol.role-mark path').length === 3")
    here.page.fill("#search", "transposed")
    assert here.shown() == ["Transposed conv, k = 2s"]
    here.page.fill("#search", "nothing is called so")
    assert "No case is like that" in here.page.locator("#grid tbody").inner_text()


def test_every_column_sorts_both_ways_with_what_has_no_figure_last(visit: Open) -> None:
    here = visit()
    for key in here.page.evaluate("import('page/columns').then(m => m.columns.map(c => c.key))"):
        for way in ("ascending", "descending"):
            here.heading(key).dispatch_event("click")
            assert here.heading(key).get_attribute("aria-sort") == way, key
    for _ in range(2):
        here.heading("latency").click()
        assert here.column("latency")[-1] == "–"
    assert here.column("latency")[0] == "6.01"


def test_a_click_makes_a_baseline_and_every_figure_a_ratio_to_it(visit: Open) -> None:
    here = visit("#scale=0&runtime=0")
    ratios = [text.partition(" (") for text in here.column("ratio")]
    assert [ratio for ratio, _, _ in ratios] == ["1×", "1.50×", "4.00×"]
    assert [" to " in interval for _, _, interval in ratios] == [False, True, True]
    here.page.get_by_label("Compare every case with Nearest + conv").click()
    assert [text.partition(" (")[0] for text in here.column("ratio")] == ["0.250×", "0.375×", "1×"]
    assert "Nearest + conv in eager" in here.page.locator("#baseline").inner_text()
    here.page.locator("#ratios").check()
    assert here.column("latency") == ["0.250×", "0.375×", "1×"]
    assert here.column("memory") == ["0.250×", "0.375×", "1×"]
    assert "× baseline" in here.heading("memory").inner_text()
    # The same baseline, where another runtime answers the same question.
    here.chip("runtime", "eager").uncheck(force=True)
    here.chip("runtime", "onnx").check(force=True)
    assert here.column("latency") == ["0.125×", "0.188×", "0.500×"]
    here.page.select_option("#chart-kind", "ratio")
    assert "ratio to the baseline" in here.page.locator("#chart-caption").inner_text()


def test_the_address_keeps_what_was_chosen_and_reset_forgets_it(visit: Open, report: Path) -> None:
    here = visit()
    here.chip("scale", "×2").check(force=True)
    here.heading("latency").click()
    here.page.get_by_label("Compare every case with Transposed conv, k = 2s").first.click()
    here.page.locator("#ratios").check()
    here.page.fill("#search", "conv")
    here.page.select_option("#chart-kind", "memory")
    in_language(here.page, "zh")
    said, rows = here.hash(), here.column("latency")
    assert len(said) < 120
    there = visit(said)
    assert (there.hash(), there.column("latency")) == (said, rows)
    assert there.page.locator("html").get_attribute("lang") == "zh-Hans"
    assert there.page.input_value("#chart-kind") == "memory"
    there.page.click("#reset")
    assert there.page.locator("#shown").inner_text() == "显示 13 / 13 个用例。"
    assert there.hash() == "#lang=zh-Hans"
    assert there.page.input_value("#search") == ""


def test_an_address_that_nobody_could_have_chosen_shows_every_case(visit: Open) -> None:
    here = visit("#scale=99&base=-1&sort=nothing&rows=7&chart=none&lang=xx")
    for hash in (here.hash(), "#%", "#method", "#scale=<b>&base=1e9"):
        here.page.evaluate("hash => { location.hash = hash; }", hash)
        assert here.page.locator("#shown").inner_text() == "13 of 13 cases shown."


def test_the_csv_is_what_is_shown(visit: Open) -> None:
    here = visit("#scale=0&runtime=1&sort=-latency")
    with here.page.expect_download() as download:
        here.page.click("#csv")
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    first, *rest = csv.DictReader(io.StringIO(text))
    assert len(rest) == 2
    assert (first["upsampler"], float(first["latency, ms"])) == ("Nearest + conv", pytest.approx(2.0, rel=1e-2))
    limits = ("lower limit of the ratio", "latency against the baseline", "upper limit of the ratio")
    low, ratio, high = (float(first[limit]) for limit in limits)
    assert low < ratio < high
    assert ratio == pytest.approx(4.0, rel=1e-3)


def test_what_stands_behind_a_figure_is_shown_by_pointer_focus_and_touch(visit: Open) -> None:
    page = visit().page
    detail, figure = page.locator("#detail"), page.locator("#grid button.more").first
    figure.hover()
    for word in ("95 % interval", "25\u202f%", "side by side", "0123456789ab", "Test CPU"):
        assert word in detail.inner_text(), word
    page.keyboard.press("Escape")
    assert detail.is_hidden()
    figure.focus()
    assert detail.is_visible()
    assert figure.get_attribute("aria-describedby") == "detail"
    touched = visit(size="phone", has_touch=True).page
    touched.locator("#grid button.more").first.tap()
    assert "95 % interval" in touched.locator("#detail").inner_text()


def test_the_keyboard_alone_reaches_and_works_everything(visit: Open) -> None:
    here = visit()
    reached = set()
    for _ in range(120):
        here.page.keyboard.press("Tab")
        marks = here.page.evaluate(
            "(e => [e.id, e.name, e.className, e.closest('th') && 'sorter'].filter(Boolean))(document.activeElement)"
        )
        reached |= set(marks)
        if "search" in marks:
            here.page.keyboard.type("conv")
        if "scale" in marks and "recommend-scale" not in marks and here.hash().count("scale") == 0:
            here.page.keyboard.press("Space")
        if "sorter" in marks and "sort=" not in here.hash():
            here.page.keyboard.press("Enter")
        if "base" in marks and "base=" not in here.hash():
            here.page.keyboard.press("Enter")
            assert "base" in here.page.evaluate("document.activeElement.className")
        if "more" in marks:
            assert here.page.locator("#detail").is_visible()
    assert {"recommend-scale", "recommend-max-memory", "objective"} <= reached
    assert {"search", "ratios", "csv", "reset", "chart-kind", "chart-colour", "sorter", "base", "more"} <= reached
    assert all(f"{word}=" in here.hash() for word in ("q", "scale", "sort", "base"))
    here.page.focus("#language-en")
    here.page.keyboard.press("ArrowRight")
    assert here.page.locator("html").get_attribute("lang") == "zh-Hans"
    here.page.focus("#reset")
    here.page.keyboard.press("Enter")
    assert here.hash() == "#lang=zh-Hans"


def test_the_switch_changes_every_word_that_is_shown(visit: Open) -> None:
    page = visit().page
    in_language(page, "zh")
    assert page.title() == "这台机器上该用哪种上采样器？"
    assert page.locator("h1").inner_text() == "这台机器上该用哪种上采样器？"
    assert "倍率" in page.locator("#grid thead").inner_text()
    assert "最快" in page.locator("#answers").inner_text()
    for english in ("Filter, sort", "Reset", "cases shown", "Machine"):
        assert english not in page.locator("main").inner_text()
    assert page.locator("#quality img").first.get_attribute("alt").startswith("输出：")


def test_a_page_opens_in_the_language_that_was_asked_for(visit: Open, tmp_path: Path) -> None:
    lines = write_report([small_run()], tmp_path, language="zh")
    assert lines[0].startswith("最快：")
    here = visit(file=tmp_path / "report.html")
    assert here.page.locator("h1").inner_text() == "这台机器上该用哪种上采样器？"
    assert here.page.locator("#quality").count() == 0
    in_language(here.page, "en")
    assert here.page.locator("h1").inner_text() == "Which upsampler on this machine?"


def test_without_scripts_there_are_static_charts_tables_and_both_languages(visit: Open) -> None:
    page = visit(scripts=False).page
    assert page.locator("#evidence svg").first.is_visible()
    assert page.locator("#results tbody tr").count() == 13
    assert page.locator("#explorer").is_hidden()
    assert page.locator("#quality img").first.is_visible()
    in_language(page, "zh")
    assert page.locator("h1").inner_text() == "这台机器上该用哪种上采样器？"


def test_the_quality_of_images_is_filtered_drawn_and_seen(visit: Open) -> None:
    page = visit().page
    rows = page.locator("#contestants-0-table tbody tr")
    assert rows.count() == 7
    page.locator("#quality .facets").get_by_label("equal parameters").check(force=True)
    assert rows.count() == 3
    assert "-0.20 (" in rows.nth(1).inner_text()
    page.select_option("#quality [data-meter]", label="Tone")
    assert page.locator("#quality [data-caption]").inner_text().startswith("Tone while the networks learnt")
    page.locator("#quality [data-curves]").scroll_into_view_if_needed()
    page.wait_for_selector("#quality [data-curves] svg")
    page.select_option('#quality select[name="step"]', "0")
    seen = page.locator("#quality .group:not([hidden])")
    assert seen.count() == 1
    assert "after 0 steps" in seen.locator("h4").inner_text()
    # The original, and every contestant: output, zoom, error and spectrum.
    assert seen.locator("img").count() == 3 + 6 * 4
    assert seen.locator("img.zoom").first.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
    assert all(seen.locator("img").evaluate_all("all => all.map(e => e.naturalWidth > 0 && e.alt.length > 10)"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("hostile") / "in" / "here"
    write_report([hostile_run()], output, [hostile_quality()])
    assert [path for path in output.parent.parent.rglob("*") if path.is_file() and path.parent != output] == []
    return output / "report.html"


@pytest.mark.parametrize("size", SIZES)
def test_hostile_records_show_as_text(visit: Open, hostile: Path, size: str) -> None:
    here = visit(file=hostile, size=size)
    page = here.page
    assert page.evaluate("window.hurt") is None
    assert page.locator("script").count() == 3
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    texts = page.locator("#grid td.who .clamp").evaluate_all("all => all.map(e => e.textContent)")
    assert any(SCRIPT in text for text in texts)
    assert LONG in texts
    assert not any("\u202e" in text for text in texts)
    for place in ("#answers", "#machine", "#facets", "#quality"):
        assert "<script>window.hurt = 1</script>" in page.locator(place).evaluate("e => e.textContent"), place
    page.locator("#grid button.base").first.click()
    page.locator("#grid button.more").first.focus()
    assert SCRIPT in page.locator("#detail").evaluate("e => e.textContent")
    page.locator("#chart").scroll_into_view_if_needed()
    page.wait_for_selector("#chart svg")
    in_language(page, "zh")
    assert page.evaluate("window.hurt") is None
    with page.expect_download() as download:
        page.click("#csv")
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    assert f"'{FORMULA}" in {cell for row in rows for cell in row}
    assert not any(cell.startswith("=") for row in rows for cell in row)


def test_hostile_records_are_text_where_scripts_are_off(visit: Open, hostile: Path) -> None:
    page = visit(file=hostile, scripts=False).page
    assert SCRIPT in page.locator("#results").inner_text()
    assert page.locator("img[src=x]").count() == 0
