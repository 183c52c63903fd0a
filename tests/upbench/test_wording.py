"""Every sentence that people are told is in the catalogue, translated, and has the same places to fill."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from upbench.wording import LANGUAGES, LOCALES, alternatives, listed, say, sentences

PACKAGE = Path(__file__).parent.parent.parent / "bench" / "upbench"
KEYWORD = "say"
NOT_TRANSLATED = PACKAGE / "cli"
"""Where a line is printed by a function of the same name."""
PLACE = re.compile(r"\{(\w*)\}")


def spoken() -> Iterator[tuple[str, str]]:
    """Where each message stands, and its text."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if not file.is_relative_to(NOT_TRANSLATED):
            with file.open("rb") as source, warnings.catch_warnings():
                # Babel takes the figures that fill a sentence for sentences.
                warnings.simplefilter("ignore")
                for line, text, _, _ in extract("python", source, keywords={KEYWORD: None}):
                    yield f"{file.relative_to(PACKAGE)}:{line}", str(text)
    for file in sorted(PACKAGE.rglob("*.j2")):
        with file.open("rb") as source:
            for line, _, text, _ in babel_extract(source, (KEYWORD,), (), {"silent": "false"}):
                yield f"{file.relative_to(PACKAGE)}:{line}", text[0] if isinstance(text, tuple) else str(text)


def meter_words() -> Iterator[tuple[str, str]]:
    """What the meters of quality say of themselves, which records carry to the page."""
    from upbench.quality.readings import cards

    for name, card in cards().items():
        yield f"meter {name}", card.title
        yield f"meter {name}", card.about


MESSAGES = {text: where for where, text in [*spoken(), *meter_words()]}


def catalogue(language: str) -> Catalog:
    with (PACKAGE / "locale" / LOCALES[language] / "LC_MESSAGES" / "upbench.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


@pytest.fixture(params=[language for language in LANGUAGES if language != "en"])
def translation(request: pytest.FixtureRequest) -> Catalog:
    return catalogue(request.param)


def test_sentences_are_found_in_python_and_in_templates() -> None:
    assert {where.partition(".")[2].partition(":")[0] for where in MESSAGES.values()} >= {"py", "html.j2"}
    assert len(MESSAGES) > 100


def test_every_message_is_in_the_catalogue_and_translated(translation: Catalog) -> None:
    missing = {
        where: text for text, where in MESSAGES.items() if not (found := translation.get(text)) or not found.string
    }
    assert missing == {}


def test_no_translation_is_fuzzy_or_of_a_message_that_nobody_says(translation: Catalog) -> None:
    assert [message.id for message in translation if message.id and message.fuzzy] == []
    assert [message.id for message in translation if message.id and message.id not in MESSAGES] == []
    assert list(translation.obsolete) == []


def test_a_translation_has_the_places_of_its_message(translation: Catalog) -> None:
    for message in translation:
        if message.id:
            assert sorted(PLACE.findall(message.string)) == sorted(PLACE.findall(message.id)), message.id


def test_a_message_is_said_in_the_language_asked_for_its_parts_too() -> None:
    message = say("{claim}: {verdict} ({gist}).", claim="A", verdict=say("a tie"), gist=say("not measured"))
    assert str(message) == "A: a tie (not measured)."
    assert message.in_language("zh") == "A：并列（未测量）。"


def test_what_fills_a_place_is_never_read_as_a_place_itself() -> None:
    assert say("{text}", text="{0} {name}").in_language("zh") == "{0} {name}"


def test_rows_of_things_are_set_apart_as_their_language_does() -> None:
    assert str(listed(["a", "b", "c"])) == "a, b, c"
    assert listed(["a", "b", "c"]).in_language("zh") == "a，b，c"
    assert str(alternatives(["a", "b"])) == "a or b"
    assert str(sentences([say("a tie"), say("a tie")])) == "a tie a tie"
