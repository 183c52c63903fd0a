"""What is said to people, in their language: sentences of one catalogue of messages, filled with figures.

A sentence is written once, in English, where it is said: ``say("{name} is fastest.", name=...)``. The catalogue under
``locale/`` has its translations, as gettext's ``.po`` files, which Babel reads; ``tests/upbench/test_wording.py`` holds
them complete. What no catalogue has is said in English.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOCALES = {"zh": "zh_Hans_CN"}
"""The catalogue of each language but English, in which the sentences are written."""

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls: those that steer a terminal, other ends of lines, those that turn all text up to their counterpart, and
halves of characters."""

MOST_SHOWN = 200
"""Characters of somebody else's text within a sentence of ours."""


@dataclass(frozen=True)
class Message:
    """A sentence, or a part of one, that can be said in every language.

    Attributes:
        text: in English, with named places in braces; the key of the catalogue.
        values: what stands in these places: text as it is, or messages again.
    """

    text: str
    values: Mapping[str, str | Message] = field(default_factory=dict)

    def in_language(self, language: Language) -> str:
        """The sentence in a language."""
        values = {
            name: value.in_language(language) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return translated(self.text, language).format(**values)

    def __str__(self) -> str:
        return self.in_language("en")


def say(text: str, /, **values: str | Message | float) -> Message:
    """A sentence of the catalogue, filled; numbers that are not text yet stand as Python writes them."""
    return Message(text, {name: v if isinstance(v, str | Message) else str(v) for name, v in values.items()})


def sentences(parts: Sequence[Message | str]) -> Message:
    """Whole sentences one after the other."""
    first, *rest = parts
    return say("{first} {rest}", first=first, rest=sentences(rest)) if rest else say("{text}", text=first)


def in_words(text: Message | str, language: Language) -> str:
    """A message in a language; text that is none, such as a name in a record, as it is."""
    return text.in_language(language) if isinstance(text, Message) else text


def listed(parts: Sequence[Message | str]) -> Message:
    """Several things in a row, as the language sets them apart."""
    first, *rest = parts
    return say("{first}, {rest}", first=first, rest=listed(rest)) if rest else say("{text}", text=first)


def series(parts: Sequence[Message | str]) -> Message:
    """Several things in a row that have commas of their own."""
    first, *rest = parts
    return say("{first}; {rest}", first=first, rest=series(rest)) if rest else say("{text}", text=first)


def alternatives(parts: Sequence[Message | str]) -> Message:
    """Several things of which one is meant."""
    first, *rest = parts
    return say("{first} or {rest}", first=first, rest=alternatives(rest)) if rest else say("{text}", text=first)


def visible(text: str) -> str:
    """Somebody else's text with names for characters that nobody sees, such as ``[U+202E]``."""
    return UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def one_line(text: str) -> str:
    """The same on one line, with every space that it has: two names that differ are told apart."""
    return visible(text).replace("\n", " ").replace("\t", " ")


def shown(text: str) -> str:
    """Somebody else's text within a sentence of ours: on one line, visible, and no longer than can be read."""
    line = one_line(" ".join(text[: 2 * MOST_SHOWN].split()))
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}…"


def translated(text: str, language: Language) -> str:
    """A sentence of the catalogue with its places unfilled."""
    return text if language == "en" or not text else _catalogue(language).gettext(text)


@cache
def _catalogue(language: Language) -> Translations:
    source = files("upbench") / "locale" / LOCALES[language] / "LC_MESSAGES" / "upbench.po"
    with source.open("rb") as file:
        catalogue = read_po(file)
    # Compiled where it is needed, so that the one file that people edit is also the one that counts.
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
