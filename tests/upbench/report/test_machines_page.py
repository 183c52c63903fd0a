"""Records of several machines: a report for each, and a page that shows them beside each other and tests nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.upbench.synthetic import case, measured, run_of, small_run
from upbench.records.record import RecordError, Run
from upbench.report import write_report
from upbench.report.machines_page import by_machine, folders_of, names_of

FAST, SLOW = [1.0e-3, 1.01e-3, 0.99e-3, 1.0e-3], [2.0e-3, 2.01e-3, 1.99e-3, 2.0e-3]


def another(**fingerprint: object) -> Run:
    records = [
        measured(case("subpixel"), SLOW),
        measured(case("transposed"), FAST),
        measured(case("subpixel", 4), FAST),
    ]
    return run_of(records, **{"cpu": "Another CPU", **fingerprint})


def test_each_machine_has_its_report_and_all_stand_beside_each_other(tmp_path: Path) -> None:
    lines = write_report([small_run(), another()], tmp_path)
    assert lines == [
        "Test CPU: fastest Sub-pixel conv, one stage in 1, no significant winner in 1.",
        "Another CPU: fastest Transposed conv, k = 2s in 1, Sub-pixel conv, one stage in 1.",
        "Another upsampler wins where one thing alone is changed: machine in 1 of 1, scale in 0 of 1 pairs of cells.",
    ]
    table = (tmp_path / "machines.md").read_text()
    assert "Test CPU" in table
    row = next(line for line in table.splitlines() if "×4" in line)
    assert "not measured" in row
    assert "Sub-pixel conv, one stage, 1\u00a0ms (the only one)" in row
    page = (tmp_path / "report.html").read_text()
    assert "哪台机器上用哪种上采样器？" in page
    for folder in ("test-cpu", "another-cpu"):
        assert f'href="{folder}/report.html"' in page
        assert (tmp_path / folder / "report.html").exists()


def test_each_runtime_of_a_machine_has_its_column_and_shares_the_row_of_the_question(tmp_path: Path) -> None:
    both = [measured(case("subpixel"), FAST), measured(case("subpixel", runtime="onnx"), SLOW)]
    write_report([small_run(), run_of(both, cpu="Another CPU")], tmp_path)
    (row,) = (line for line in (tmp_path / "machines.md").read_text().splitlines() if "×2" in line)
    header = (tmp_path / "machines.md").read_text().splitlines()[0]
    names = [name.strip() for name in header.strip("|").split("|")]
    assert names[-3:] == ["Test CPU", "Another CPU, eager", "Another CPU, onnx"]
    assert [cell.strip().partition(" (")[0] for cell in row.strip("|").split("|")][-2:] == [
        "Sub-pixel conv, one stage, 1\u00a0ms",
        "Sub-pixel conv, one stage, 2\u00a0ms",
    ]


def test_one_machine_with_other_software_or_settings_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="torch"):
        write_report([small_run(), run_of(small_run().records, torch="2.12.0"), another()], tmp_path)


def test_machines_of_one_name_are_numbered_and_have_a_folder_each() -> None:
    groups = by_machine([another(), another(usable_cores=4), another()])
    assert [len(group) for group in groups] == [2, 1]
    names = names_of(groups)
    assert names == ["Another CPU (1)", "Another CPU (2)"]
    assert folders_of(names) == ["another-cpu-1", "another-cpu-2"]
    assert folders_of(["中央处理器", "??"]) == ["machine-1", "machine-2"]


def test_a_machine_of_a_hostile_name_leads_nowhere_and_runs_nothing(tmp_path: Path) -> None:
    evil = another(cpu="../../<script>alert(1)</script>")
    write_report([small_run(), evil], tmp_path)
    assert "<script>alert" not in (tmp_path / "report.html").read_text()
    assert (tmp_path / "script-alert-1-script" / "report.html").exists()


@pytest.mark.parametrize("width", [1100, 360])
def test_many_runtimes_scroll_and_no_cell_is_cut_off(browser: Browser, tmp_path: Path, width: int) -> None:
    names = ("eager", "compiled", "onnx", "openvino", "ncnn", "litert")
    many = [measured(case(name, runtime=runtime), FAST) for runtime in names for name in ("subpixel", "transposed")]
    write_report([run_of(many), run_of(many, cpu="Another CPU")], tmp_path)
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cells = page.locator("#machines-table td > div")
    assert cells.count() > len(names)
    assert cells.evaluate_all("all => all.every(each => each.scrollHeight <= each.clientHeight + 1)")
    wordy = "all => all.filter(each => each.textContent.length > 20).map(each => each.clientWidth)"
    assert min(cells.evaluate_all(wordy)) >= 100
    page.close()
