"""The page of what runs in which runtime: reasons below what is refused, and what is wrong stands out."""

from __future__ import annotations

from docs.conversion import RUNTIMES, Verdict, counted, page, reasons, said, table


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
    found = {name: dict.fromkeys(RUNTIMES, refused) for name in ("one", "other")}
    assert "- `one`, `other`: ``no``" in reasons(found)


def test_a_reason_does_not_repeat_the_table() -> None:
    assert said("unsupported", "LiteRT cannot take it: too many axes") == "too many axes"
    assert said("timeout", "no answer within 300 s") == "timeout: no answer within 300 s"
