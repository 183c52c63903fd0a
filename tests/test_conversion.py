"""The page of what runs in which runtime: it has everything, nothing on it is wrong, and its words are folded right."""

from __future__ import annotations

import re
from pathlib import Path

import upsample
from docs.conversion import FORMS_OF, RUNTIMES, Verdict, counted, page, reasons, said, table
from upbench import runtimes

PAGE = Path(__file__).parent.parent / "docs" / "conversion.md"


def test_the_page_has_every_upsampler_in_every_runtime_and_none_is_wrong() -> None:
    text = PAGE.read_text()
    rows = {row[1].strip(" `"): row[2:-1] for row in (line.split("|") for line in text.splitlines()) if len(row) > 2}
    names = [*upsample.names(), *(form for name in FORMS_OF for form in upsample.exact_names(name))]
    assert set(names) <= set(rows)
    assert set(RUNTIMES) == set(runtimes.names())
    for name in names:
        assert len(rows[name]) == len(RUNTIMES)
        for cell in rows[name]:
            assert re.fullmatch(r" (refused|\de[+-]\d\d) ", cell), (name, cell)
    assert "Wrong: none." in text
    assert not re.search(r"(/home|/root|/tmp|/usr)/", text)


def verdicts(**of: Verdict) -> dict[str, dict[str, Verdict]]:
    mine = {name: of.get(name, Verdict(2e-7)) for name in RUNTIMES}
    return {"mine": mine, "yours": dict.fromkeys(RUNTIMES, Verdict(0))}


def test_what_is_refused_has_its_reason_below_and_what_is_wrong_stands_out() -> None:
    found = verdicts(ncnn=Verdict(reason="no `such` layer"), onnx=Verdict(reason="off by 3e-2", wrong=True))
    assert "| `mine` | 2e-07 | 2e-07 | **wrong** | 2e-07 | refused | 2e-07 |" in table(found)
    assert counted(found).endswith("1 in ncnn, 2 in LiteRT. Wrong: 1.")
    told = "### ONNX Runtime\n\n- `mine`: ``off by 3e-2``\n\n### ncnn\n\n- `mine`: ``no 'such' layer``"
    assert reasons(found) == told
    assert "## What is refused, and why\n\n### ONNX Runtime" in page(found)


def test_those_with_the_same_words_share_an_item() -> None:
    refused = Verdict(reason="no")
    found = {name: {runtime: refused for runtime in RUNTIMES} for name in ("one", "other")}
    assert "- `one`, `other`: ``no``" in reasons(found)


def test_a_reason_does_not_repeat_the_table() -> None:
    assert said("unsupported", "LiteRT cannot take it: too many axes") == "too many axes"
    assert said("timeout", "no answer within 300 s") == "timeout: no answer within 300 s"
