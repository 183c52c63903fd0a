"""What a page sends is read as any file, held against its site, and worked out anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.upbench.web.sent import NAMES, document_of, sent_from, site_in
from upbench.records.comparison import compare_runs, machine_differences
from upbench.records.record import read_run
from upbench.web.received import RefusedRecordError, accepted, keep
from upbench.web.site_plan import BrowserSite, NotASiteError, read_site

Document = dict[str, Any]
Harm = Callable[[Document], object]


@pytest.fixture
def site(tmp_path: Path) -> BrowserSite:
    return site_in(tmp_path / "site")


@pytest.fixture
def document(site: BrowserSite, tmp_path: Path) -> Document:
    return document_of(sent_from(site), tmp_path)


def info(document: Document, place: int = 0) -> Document:
    found: Document = document["benchmarks"][place]["extra_info"]
    return found


def test_a_record_is_kept_as_any_other_run(site: BrowserSite, document: Document, tmp_path: Path) -> None:
    # What a page says of the site is not believed, and what nobody knows is left behind.
    document["upsample_bench"] |= {"command": "rm -rf /", "unheard": "of", "version": "9.9"}
    file = keep(accepted(json.dumps(document).encode(), site), tmp_path / "results")
    run = read_run(file)
    assert run.facts["command"] == "upbench export --web here"
    assert run.facts["version"] == "0.2.0"
    assert "unheard" not in run.facts
    assert [record.case.upsampler for record in run.records] == list(NAMES)
    assert {record.case.cell.runtime for record in run.records} == {"web-wasm"}
    assert run.records[0].latency is not None
    assert run.fingerprint["browser"]["name"] == "Test Browser"


def test_the_same_record_twice_is_two_files(site: BrowserSite, document: Document, tmp_path: Path) -> None:
    run = accepted(json.dumps(document).encode(), site)
    first = keep(run, tmp_path / "results")
    before = first.read_bytes()
    second = keep(run, tmp_path / "results")
    assert first != second
    assert first.read_bytes() == before == second.read_bytes()


HARMS: dict[str, tuple[Harm, str]] = {
    "another page": (lambda d: d["upsample_bench"]["browser"].update(site="0" * 16), "of another page"),
    "no browser": (lambda d: d["machine_info"]["fingerprint"].update(browser=None, memory_bytes=1), "which browser"),
    "no memory and no browser": (lambda d: d["machine_info"]["fingerprint"].pop("browser"), "memory_bytes"),
    "a faster latency": (lambda d: info(d).update(latency_s=info(d)["latency_ci_s"][0]), "not those of its launches"),
    "a better level": (lambda d: info(d)["launch_levels"].__setitem__(0, -9.0), "not those of its launches"),
    "a narrower interval": (
        lambda d: info(d).update(latency_ci_s=[0.9999 * info(d)["latency_s"], 1.0001 * info(d)["latency_s"]]),
        "not those of its launches",
    ),
    "no interval": (lambda d: info(d).update(latency_ci_s=None), "not those of its launches"),
    "a launch less": (lambda d: d["upsample_bench"]["launches"].pop(), "not those of its launches"),
    "fewer FLOPs": (lambda d: info(d).update(flops=1), "other flops"),
    "a case of no site": (lambda d: info(d).update(channels=99), "a case that this page has not"),
    "a runtime of Python": (lambda d: info(d).update(runtime="eager"), "a case that this page has not"),
    "a case twice": (lambda d: d["benchmarks"].append(d["benchmarks"][0]), "twice"),
    "nothing measured": (lambda d: d["benchmarks"].clear(), "no latency"),
    "no launches": (lambda d: d["upsample_bench"].pop("launches"), "not from a page"),
    "a launch of nobody": (lambda d: d["upsample_bench"]["launches"][0]["rounds"].clear(), "not from a page"),
    "rounds of other rivals": (
        lambda d: d["upsample_bench"]["launches"][0]["rounds"].append([1e-3]),
        "a launch that is none",
    ),
    "time that runs backwards": (
        lambda d: d["upsample_bench"]["launches"][0]["rounds"][0].__setitem__(1, -1e-3),
        "not from a page",
    ),
    "a name that nobody has": (
        lambda d: info(d).update(upsampler="\x1b[2J<script>"),
        "nothing says what [U+001B][2J<script> is called",
    ),
    "no schema": (lambda d: d["upsample_bench"].pop("schema"), "schema"),
    "nothing at all": (lambda d: d.clear(), "not a pytest-benchmark file"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_record_that_lies_is_refused_in_one_sentence(site: BrowserSite, document: Document, harm: str) -> None:
    change, words = HARMS[harm]
    change(document)
    with pytest.raises(RefusedRecordError) as refused:
        accepted(json.dumps(document).encode(), site)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"benchmarks": NaN}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(site: BrowserSite, data: bytes) -> None:
    with pytest.raises(RefusedRecordError, match="The record"):
        accepted(data, site)


def test_two_browsers_are_two_machines_and_a_newer_version_is_the_same(site: BrowserSite) -> None:
    one, other, newer = sent_from(site), sent_from(site, seed=1), sent_from(site, seed=2)
    told = one.fingerprint["browser"]
    other = replace(other, machine_info={"fingerprint": {**one.fingerprint, "browser": {**told, "installation": "ff"}}})
    newer = replace(newer, machine_info={"fingerprint": {**one.fingerprint, "browser": {**told, "version": "2.0"}}})
    assert machine_differences(one, other) == ["browser"]
    assert {row.verdict for row in compare_runs(one, other)} == {"not comparable"}
    assert machine_differences(one, newer) == []
    assert {row.verdict for row in compare_runs(one, newer)} == {"no difference seen"}


def test_a_folder_that_no_export_wrote_is_no_site(tmp_path: Path) -> None:
    for text in ("", "[]", '{"format": 0, "files": {}}', '{"format": 1}'):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(NotASiteError, match="was not written by"):
            read_site(tmp_path)
