"""What is printed is text: no markup in it is obeyed, and no code steers the terminal."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from tests.upbench.mutation import ESCAPE
from tests.upbench.synthetic import small_run
from upbench.cli import app, console
from upbench.progress import watcher_for
from upbench.records.record import Run, write_run
from upbench.terminal import PlainConsole
from upbench.wording import one_line

HOSTILE = f"[red]{ESCAPE}[/x] \u202e\ud800 :smile:"
SHOWN = "[red][U+001B]]0;hurt[U+001B][2J[/x] [U+202E][U+D800] :smile:"


def seen(file: StringIO) -> str:
    """What was printed; rich drops some controls by itself where a text has a style."""
    return file.getvalue().replace("[U+0007]", "")


def test_a_line_is_one_line_in_which_everything_can_be_seen() -> None:
    file = StringIO()
    PlainConsole(file=file, width=20).say(f"{HOSTILE}\nPASS: all is well")
    assert seen(file) == f"{SHOWN} PASS: all is well\n"


def test_somebody_elses_text_on_a_line_keeps_its_spaces_and_shows_every_control() -> None:
    assert one_line("a  b\tc\nd\u2028e\x85f\r\x1bg\udcff") == "a  b c d[U+2028]e[U+0085]f[U+000D][U+001B]g[U+DCFF]"
    assert one_line("高宽 × s²") == "高宽 × s²"


def test_styles_of_ours_still_reach_a_terminal() -> None:
    file = StringIO()
    to = PlainConsole(file=file, force_terminal=True, color_system="standard", width=100)
    to.print(Text(ESCAPE, "red"))
    assert file.getvalue() == "\x1b[31m[U+001B]]0;hurt[U+001B][2J\x1b[0m\n"


def test_a_tables_cells_and_a_bars_words_are_text_too() -> None:
    file = StringIO()
    to = PlainConsole(file=file, width=200)
    table = Table("[/heading]")
    table.add_row(HOSTILE)
    to.print(table)
    assert SHOWN in seen(file)
    assert "[/heading]" in file.getvalue()
    file = StringIO()
    with watcher_for(PlainConsole(file=file, width=200, force_terminal=True)) as watcher:
        watcher.advance(1.0, 2.0, HOSTILE)
        watcher.say(HOSTILE)
    assert SHOWN in seen(file)
    assert "\x07" not in file.getvalue()


def hostile_names(run: Run) -> Run:
    """With every upsampler called something hostile; but JSON has no half of a pair of surrogates."""
    name = HOSTILE.replace("\ud800", "")
    records = tuple(
        replace(each, case=replace(each.case, upsampler=name + each.case.upsampler)) for each in run.records
    )
    cards = {name + key: {**card, "title": name + key} for key, card in run.facts["cards"].items()}
    return replace(run, records=records, facts={**run.facts, "cards": cards, "command": name})


@pytest.mark.parametrize("command", ["compare", "gate", "report", "recommend"])
def test_no_command_obeys_the_names_in_a_record(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    write_run(hostile_names(small_run()), file)
    options = {
        "compare": [file, file],
        "gate": [file, file],
        "report": [file, "--output", tmp_path / "plots"],
        "recommend": [file, "--scale", "2", "--channels", "16", "--size", "48x48"],
    }
    monkeypatch.setattr(console, "output", PlainConsole(width=300))
    monkeypatch.setattr(console, "errors", PlainConsole(width=300, stderr=True))
    done = CliRunner().invoke(app, [command, *map(str, options[command])])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    printed = done.output + capsys.readouterr().out
    assert "[U+001B]" in printed
    assert "\x1b" not in printed
    assert "\x07" not in printed
