"""The page's form in a real browser: its script answers as Python does, and nothing in a record becomes markup."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader
from playwright.sync_api import Page, sync_playwright

from tests.upbench.recommend.grids import Law, cell, grid_run, power, quality_of, record, run_of_any
from tests.upbench.recommend.test_recommendation import HOSTILE
from tests.upbench.synthetic import refused
from upbench.cases.case import Case
from upbench.recommend.advice import advise, table
from upbench.recommend.form import form_data
from upbench.recommend.measurements import all_surroundings
from upbench.recommend.quantities import OBJECTIVES
from upbench.recommend.question import Question
from upbench.recommend.ranking import LIMITED
from upbench.recommend.recommendation import recommend
from upbench.records.quality_run import QualityRun
from upbench.records.record import Run
from upbench.report.libraries import import_map
from upbench.wording import Message

CHROMIUM = shutil.which("chromium")


def bent(law: Law) -> Law:
    return lambda at: (20e-6 + law(at)) * (1.5 if at.height > 100 else 1.0)


LAWS = {name: bent(power(k * 1e-9, 0.9 + k / 40)) for k, name in enumerate(("subpixel", "transposed", "carafe"), 1)}


@pytest.fixture(scope="module")
def run() -> Run:
    records = [
        *grid_run({**LAWS, "subpixel.phases": bent(power(1.02e-9, 0.92))}, scales=(2, 4)).records,
        *grid_run({"subpixel": power(1e-9)}, out_channels=3).records,
        *grid_run({"subpixel": power(1e-9)}, runtime="web-wasm").records,
        *grid_run({"subpixel": power(1e-9), HOSTILE: power(3e-9)}, threads=2).records,
        refused(Case("dysample", cell())),
        refused(Case("carafe", cell(channels=48)), "timeout", "no answer within 120 s"),
        replace(record("subpixel", cell(channels=40), 1e-3), outcome="unstable"),
    ]
    two = [{"threads": threads, "device": "cpu", "quiet_s": 50e-6} for threads in (1, 2)]
    made = run_of_any(records)
    return replace(made, facts={**made.facts, "controls": two})


@pytest.fixture(scope="module")
def quality() -> QualityRun:
    return quality_of({"subpixel": (28.5, 28.6, 28.4), "transposed": (28.55, 28.6, 28.5), "carafe": (27.5, 27.6, 27.4)})


@pytest.fixture(scope="module")
def page(run: Run, quality: QualityRun) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    data = form_data([run], quality)
    assert data is not None
    # Sentences of two languages; the second is told from the first by its case alone.
    words = {key: message.text for key, message in data["words"].items()}
    spoken = {
        **data,
        "words": {"en": words, "zh-Hans": {key: text.replace("the ", "THE ") for key, text in words.items()}},
    }
    environment = Environment(loader=PackageLoader("upbench.report"), autoescape=True)
    form = environment.get_template("recommend.html.j2").render(say=str)
    modules = f'<script type="importmap">{import_map()}</script><script type="application/json" id="data">{{}}</script>'
    script = """
        import { advise } from "page/advice";
        import { attach } from "page/form";
        import { recommend } from "page/recommend";
        window.upbenchRecommend = { advise, attach, recommend };
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page()
        shown.set_content(f"<!doctype html><html lang=en><title>form</title>{modules}<body>{form}</body></html>")
        shown.add_script_tag(content=script, type="module")
        shown.wait_for_function("window.upbenchRecommend")
        shown.evaluate(
            """data => { window.data = data; upbenchRecommend.attach(
            document.getElementById("recommend-form"), document.getElementById("recommend-answer"), data); }""",
            json.loads(json.dumps(spoken)),
        )
        yield shown
        browser.close()


def questions(run: Run) -> list[tuple[dict[str, Any], Question]]:
    """Random ones, of cases that were measured, between, beside and outside, as the form and as Python have them."""
    dice = random.Random(0)
    found = []
    for _ in range(150):
        number = dice.randrange(len(all_surroundings([run])))
        surroundings = all_surroundings([run])[number]
        scales = sorted({r.case.cell.scale for r in run.records if surroundings.hold(r.case.cell)}, key=float)
        place = dice.randrange(len(scales))
        channels, batch = dice.choice((16, 32, 40, 48, 64, 100, 200)), dice.choice((1, 1, 1, 2))
        height, width = dice.choice(((48, 48), (96, 96), (192, 192), (50, 70), (36, 64), (12, 12), (190, 180)))
        limits = {
            "latency": dice.uniform(1e-3, 40e-3),
            "memory": dice.uniform(1e6, 300e6),
            "psnr": dice.uniform(27, 29),
        }
        given = {each: limits[each] for each in LIMITED if dice.random() < 0.3}
        objective = dice.choice(OBJECTIVES)
        the_cell = surroundings.cell(scales[place], channels, height, width, batch)
        asked = {"surroundings": number, "scale": place, "channels": channels, "height": height, "width": width}
        asked |= {"batch": batch, "objective": objective, "limits": given}
        found.append((asked, Question(the_cell, objective, given)))
    return found


def texts(parts: Any) -> list[str]:
    return [str(part) for part in parts]


def test_the_script_answers_as_python_does(page: Page, run: Run, quality: QualityRun) -> None:
    answered = 0
    for asked, question in questions(run):
        found = recommend([run], quality, question)
        told = page.evaluate(
            """question => {
              const found = upbenchRecommend.recommend(data, question);
              const names = (candidates) => candidates.map((each) => each.name);
              return {
                ranked: names(found.ranked), alike: names(found.alike), unknown: names(found.unknown),
                estimates: Object.fromEntries(found.candidates.map((each) => [each.name, each.estimates])),
                advice: upbenchRecommend.advise(data, data.words.en, found),
              };
            }""",
            asked,
        )
        assert told["ranked"] == [each.name for each in found.ranked], question
        assert told["alike"] == [each.name for each in found.alike], question
        assert told["unknown"] == [each.name for each in found.unknown], question
        for candidate in found.candidates:
            for of, own in candidate.estimates.items():
                theirs = told["estimates"][candidate.name][of]
                if isinstance(own, str):
                    assert theirs == own, (question, candidate.name, of)
                else:
                    ours = [own.interval.low, own.interval.estimate, own.interval.high]
                    assert theirs["interval"] == pytest.approx(ours, rel=1e-9), (question, candidate.name, of)
        advice, (headings, rows) = advise(found), table(found)
        assert told["advice"]["answer"] == texts(advice.answer)
        assert told["advice"]["changes"] == texts(advice.changes)
        assert told["advice"]["notes"] == texts(advice.notes)
        assert told["advice"]["commands"] == [[str(what), command] for what, command in advice.commands]
        assert told["advice"]["headings"] == texts(headings)
        assert told["advice"]["rows"] == [texts(row) for row in rows]
        answered += found.best is not None
    assert 40 < answered < 140


def test_a_person_asks_and_is_answered_in_both_languages(page: Page) -> None:
    page.fill("[name=height]", "50")
    page.fill("[name=width]", "70")
    page.fill("[name=channels]", "48")
    page.fill("[name=max_memory]", "200")
    page.check("[name=objective][value=memory]")
    page.click("button[type=submit]")
    answers = page.locator("#recommend-answer > .said")
    assert answers.count() == 2
    assert answers.nth(0).get_attribute("lang") == "en"
    assert "the one with the least peak memory" in (answers.nth(0).text_content() or "")
    assert "THE one with THE least peak memory" in (answers.nth(1).text_content() or "")
    page.fill("[name=height]", "many")
    page.click("button[type=submit]")
    assert "whole numbers" in (answers.nth(0).text_content() or "")
    page.fill("[name=height]", "50")
    page.fill("[name=max_memory]", "")


def test_names_from_records_stay_text(page: Page, run: Run) -> None:
    number = [each.threads for each in all_surroundings([run])].index(2)
    page.select_option("[name=surroundings]", str(number))
    page.click("button[type=submit]")
    assert HOSTILE in (page.locator("#recommend-answer").text_content() or "")
    assert page.locator("#recommend-answer b").count() == 0
    page.select_option("[name=surroundings]", "0")


def test_the_form_can_be_used_without_seeing_it(page: Page) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.click("button[type=submit]")
    found = Axe().run(page, context="#recommend")
    assert not [each["id"] for each in found.response["violations"]], found.generate_report()
    assert page.locator("#recommend-answer").get_attribute("aria-live") == "polite"


def test_every_sentence_of_the_page_has_its_places(run: Run) -> None:
    data = form_data([run], None)
    assert data is not None
    for key, message in data["words"].items():
        assert isinstance(message, Message)
        assert message.text == str(message), key
    assert json.loads(json.dumps({**data, "words": {}}))["surroundings"]


def test_where_nothing_competes_there_is_no_form() -> None:
    assert form_data([run_of_any([])], None) is None
