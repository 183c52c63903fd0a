"""Messages as markup: a page holds each sentence in every language, and its style sheet shows one of them.

So the switch works where scripts are off. What comes out of a record is escaped, and isolated where it would turn the
direction of the text around it.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from upbench.wording import LANGUAGES, Language, Message, translated, visible

TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}
"""What HTML calls a language."""

TURNING = re.compile("[\u0590-\u08ff\u200e\u200f\ufb1d-\ufdff\ufe70-\ufeff]")
"""Letters of scripts that run from right to left, and marks that count as such."""


def both(text: Message | str) -> Markup:
    """The message in all languages, each in an element of its own; one text where they say the same."""
    if not isinstance(text, Message):
        return isolated(text)
    said = {language: in_markup(text, language) for language in LANGUAGES}
    if len(set(said.values())) == 1:
        return said["en"]
    template = Markup('<span class="said" lang="{}">{}</span>')
    return Markup("").join(template.format(TAGS[language], markup) for language, markup in said.items())


def in_markup(text: Message | str, language: Language) -> Markup:
    """The message in one language, its text and all that fills it escaped."""
    if not isinstance(text, Message):
        return isolated(text)
    values = {name: in_markup(value, language) for name, value in text.values.items()}
    return escape(translated(text.text, language)).format(**values)


def isolated(text: str) -> Markup:
    """A record's text, escaped."""
    text = visible(text)
    return Markup("<bdi>{}</bdi>").format(text) if TURNING.search(text) else escape(text)
