"""The page of what runs in which runtime: reasons below what is refused, and what is wrong stands out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docs.conversion import (
    BROWSER,
    CHANNELS,
    SCALE,
    SIZE,
    TITLES,
    Verdict,
    counted,
    in_browser,
    page,
    reasons,
    said,
    table,
)
from tests.upbench.synthetic import measured, refused, run_of
from upbench.cases.case import Case, Cell


def verdicts(**of: Verdict) -> dict[str, dict[str, Verdict]]:
    mine = {name: of.get(name, Verdict(2e-7)) for name in TITLES}
    return {"mine": mine, "yours": dict.fromkeys(TITLES, Verdict(0))}


def test_what_is_refused_has_its_reason_below_and_what_is_wrong_stands_out() -> None:
    found = verdicts(ncnn=Verdict(reason="no `such` layer"), onnx=Verdict(reason="off by 3e-2", wrong=True))
    assert "| `mine` | 2e-07 | 2e-07 | **wrong** | 2e-07 | refused | 2e-07 | 2e-07 |" in table(found)
    assert counted(found).endswith("1 in ncnn, 2 in LiteRT, 2 in ONNX Runtime Web. Wrong: 1.")
    told = "### ONNX Runtime\n\n- `mine`: ``off by 3e-2``\n\n### ncnn\n\n- `mine`: ``no 'such' layer``"
    assert reasons(found) == told
    assert "## What is refused, and why\n\n### ONNX Runtime" in page(found, "Firefox 1")
    assert "; Firefox 1." in page(found, "Firefox 1")


def test_those_with_the_same_words_share_an_item() -> None:
    refused = Verdict(reason="no")
    found = {name: dict.fromkeys(TITLES, refused) for name in ("one", "other")}
    assert "- `one`, `other`: ``no``" in reasons(found)


def test_a_reason_does_not_repeat_the_table() -> None:
    assert said("unsupported", "LiteRT cannot take it: too many axes") == "too many axes"
    assert said("timeout", "no answer within 300 s") == "timeout: no answer within 300 s"


def test_a_browsers_record_tells_what_ran_what_was_refused_and_what_was_wrong_at_that_point_alone() -> None:
    elsewhere = Cell(SCALE, CHANNELS, CHANNELS, CHANNELS, *SIZE)
    here = replace(elsewhere, runtime=BROWSER)
    run = run_of(
        [
            measured(Case("subpixel", here), [1e-3] * 4, definition_error=2e-7),
            refused(Case("nearest_conv", here), "unsupported", "ONNX Runtime Web cannot take it: no such operator"),
            refused(Case("transposed", here), "refused", "off by 3e-2"),
            measured(Case("subpixel", elsewhere), [1e-3] * 4, definition_error=1.0),
        ]
    )
    assert in_browser(run, ["subpixel", "nearest_conv", "transposed"]) == {
        "subpixel": Verdict(2e-7),
        "nearest_conv": Verdict(reason="no such operator"),
        "transposed": Verdict(reason="off by 3e-2", wrong=True),
    }
    with pytest.raises(ValueError, match="lacks dysample"):
        in_browser(run, ["subpixel", "dysample"])
