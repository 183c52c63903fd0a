"""Records that were cut off, edited or made to do harm: one sentence, or a report that can be read."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.upbench.mutation import ESCAPE, damaged, texts
from tests.upbench.synthetic import small_run
from tests.upbench.synthetic_quality import quality_run
from upbench.errors import UserError
from upbench.gate.rates import TRIAL
from upbench.gate.rates import summary as of_gates
from upbench.gate.series import Rule
from upbench.gate.stored import decide_stored
from upbench.recommend.form import form_data
from upbench.recommend.reading import read
from upbench.records import documents
from upbench.records.comparison import EXACT, compare_runs, version_differences
from upbench.records.quality_run import KEY, QualityRun, read_quality, write_quality
from upbench.records.record import SCHEMA, RecordError, Run, read_run, write_run
from upbench.records.repeatability import TWINS
from upbench.records.repeatability import summary as of_sweeps
from upbench.report import write_report, write_trial_report, write_twins_report
from upbench.report.claims import Exhibits, judge_claims
from upbench.report.evidence import gather
from upbench.report.explorer import explorer_data
from upbench.report.quality_section import quality_sections
from upbench.report.summary import summarise
from upbench.report.tables import answers_table, results_table

ROOT = Path(__file__).parents[3]
SOME = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
MANY = settings(SOME, max_examples=600)


def as_document(write: Callable[[Any, Path], None], made: Any, folder: Path) -> Any:
    write(made, folder / "made.json")
    return json.loads((folder / "made.json").read_text())


def run_document(folder: Path) -> Any:
    return as_document(write_run, small_run(), folder)


def level(value: float, launches: int = 4) -> dict[str, float]:
    return {str(number): value + 0.01 * number for number in range(launches)}


TWINS_TRIAL = {
    TWINS.key: TWINS.schema,
    "runs": [
        {
            "neighbour": busy,
            "seconds": 3.0,
            "busy": 0.1,
            "questions": {"x2": {"subpixel": level(0.1), "subpixel~2": level(0.11), "transposed": level(0.5)}},
        }
        for busy in (False, False, True, True)
    ],
}
GATE_TRIAL = {
    TRIAL.key: TRIAL.schema,
    "plain": [{"a": {"median": 1.0 + each / 10, "mean": 1.0, "min": 1.0}} for each in range(3)],
    "runs": [
        {"outcome": outcome, "seconds": 3.0, "injected": {"a": share} if share else {}, "cases": [case]}
        for outcome, share in (("pass", 0.0), ("regression", 0.1))
        for case in ({"kind": outcome, "injected": share},)
    ],
}


def one_line(error: UserError) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


def look_at(run: Run, other: Run) -> None:
    """Everything that a run is read for but the drawing."""
    compare_runs(run, other)
    compare_runs(other, run)
    version_differences(run, other)
    decide_stored(run, other, Rule(0.01, 0.03, EXACT, allow_new=False), judge_latency=True)
    decide_stored(other, run, Rule(0.01, 0.03, EXACT, allow_new=False), judge_latency=True)
    assert run.of_old_layout is None or isinstance(run.of_old_layout, str)
    form_data([run], None)
    evidence = gather([run])
    answers_table(evidence)
    results_table(evidence)
    explorer_data(evidence)
    [line.in_language("zh") for line in summarise(evidence, judge_claims(Exhibits(evidence)))]


def look_at_quality(run: QualityRun) -> None:
    quality_sections([run])
    [str(claim.line) for claim in judge_claims(Exhibits(quality=run))]
    form_data([small_run()], run)


def expect_a_sentence_or(look: Callable[[], None]) -> None:
    try:
        look()
    except UserError as error:
        one_line(error)


def check_run(document: Any, file: Path) -> None:
    file.write_text(json.dumps(document))
    expect_a_sentence_or(lambda: look_at(read_run(file), small_run()))
    expect_a_sentence_or(lambda: read([file]) and None)


def check_quality(document: Any, file: Path) -> None:
    file.write_text(json.dumps(document))
    expect_a_sentence_or(lambda: look_at_quality(read_quality(file)))


def check_trial(document: Any, file: Path) -> None:
    file.write_text(json.dumps(document))
    expect_a_sentence_or(lambda: of_gates(TRIAL.read(file)) and None)
    expect_a_sentence_or(lambda: of_sweeps(TWINS.read(file)) and None)


def checked(tmp_path: Path, document: Any, check: Callable[[Any, Path], None], examples: settings) -> None:
    @examples
    @given(damaged(document))
    def with_anything_wrong(changed: Any) -> None:
        check(changed, tmp_path / "changed.json")

    with_anything_wrong()


def small_quality_document(folder: Path) -> Any:
    document = as_document(write_quality, quality_run(), folder)
    # Of which every kind is enough, as a document of thousands of pictures is slow to damage.
    for name, kept in (("trainings", 8), ("pictures", 3)):
        document[name] = document[name][:kept]
    return document


def test_a_run_with_anything_wrong_gets_a_sentence_or_is_read(tmp_path: Path) -> None:
    checked(tmp_path, run_document(tmp_path), check_run, SOME)


def test_records_of_quality_with_anything_wrong_get_a_sentence_or_are_read(tmp_path: Path) -> None:
    checked(tmp_path, small_quality_document(tmp_path), check_quality, SOME)


@pytest.mark.parametrize("trial", [GATE_TRIAL, TWINS_TRIAL], ids=["gate", "sweep"])
def test_a_trial_with_anything_wrong_gets_a_sentence_or_is_read(tmp_path: Path, trial: Any) -> None:
    checked(tmp_path, trial, check_trial, SOME)


@pytest.mark.slow
def test_whatever_is_read_can_be_drawn(tmp_path: Path) -> None:
    def draw(document: Any, file: Path) -> None:
        file.write_text(json.dumps(document))
        output = tmp_path / "plots" / "deeper"
        expect_a_sentence_or(lambda: write_report([read_run(file)], output) and None)
        assert {each.parent for each in tmp_path.rglob("*.svg")} <= {output}

    checked(tmp_path, run_document(tmp_path), draw, settings(SOME, max_examples=60))


@pytest.mark.slow
def test_whatever_is_read_of_trials_can_be_drawn(tmp_path: Path) -> None:
    def draw(document: Any, file: Path) -> None:
        file.write_text(json.dumps(document))
        for kind, write in ((TRIAL, write_trial_report), (TWINS, write_twins_report)):
            expect_a_sentence_or(lambda kind=kind, write=write: write(kind.read(file), tmp_path / "plots") and None)

    for trial in (GATE_TRIAL, TWINS_TRIAL):
        checked(tmp_path, trial, draw, settings(SOME, max_examples=60))


@pytest.mark.slow
def test_a_run_with_anything_wrong_is_tried_many_times(tmp_path: Path) -> None:
    checked(tmp_path, run_document(tmp_path), check_run, MANY)
    checked(tmp_path, small_quality_document(tmp_path), check_quality, MANY)
    for trial in (GATE_TRIAL, TWINS_TRIAL):
        checked(tmp_path, trial, check_trial, MANY)


def test_files_that_are_no_json_get_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    for write, made, readers in (
        (write_run, small_run(), (read_run, lambda path: read([path]))),
        (write_quality, quality_run(), (read_quality,)),
    ):
        for text in texts(as_document(write, made, tmp_path)):
            file.write_bytes(text.encode(errors="surrogatepass"))
            for reader in (*readers, TRIAL.read, TWINS.read):
                with pytest.raises(UserError) as caught:
                    reader(file)
                one_line(caught.value)


def test_a_file_is_not_read_beyond_what_any_file_of_records_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "huge.json"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(RecordError, match=r"is larger than 64 MiB, as no file of records is\."):
        read_run(file)
    with pytest.raises(UserError, match="is larger than 64 MiB"):
        read_quality(Path("/dev/zero"))


def test_the_largest_file_takes_a_bounded_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text('{"benchmarks": [' + "{}," * ((documents.MOST_BYTES - 100) // 3) + "{}]}")
    code = (
        "import sys; from pathlib import Path; from upbench.records.record import read_run, RecordError\n"
        "try: read_run(Path(sys.argv[1]))\nexcept RecordError: print('refused')"
    )
    limit = 6 << 30

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = [sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bounded)
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (SCHEMA + 1, f"has schema {SCHEMA + 1}; this version reads schemas 1 to {SCHEMA}. A later version wrote it."),
        (True, "has schema True; this version reads"),
        (1.0, "has schema 1.0; this version reads"),
        (0, "has schema 0; this version reads"),
        (None, "has schema None; this version reads"),
        ("x" * 10_000, "has schema 'xxxx"),
    ],
)
def test_a_schema_that_cannot_be_read_is_refused_by_name(tmp_path: Path, schema: Any, said: str) -> None:
    document = run_document(tmp_path)
    document["upsample_bench"]["schema"] = schema
    file = tmp_path / "file.json"
    file.write_text(json.dumps(document))
    with pytest.raises(RecordError) as caught:
        read_run(file)
    assert said in str(caught.value)
    one_line(caught.value)


@pytest.mark.parametrize("kind", [TRIAL, TWINS], ids=["gate", "sweep"])
def test_a_later_schema_of_a_trial_or_of_quality_is_refused_by_name(tmp_path: Path, kind: Any) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps({kind.key: kind.schema + 1, "runs": []}))
    with pytest.raises(UserError, match=r"has schema 2; this version reads schema 1\. A later version wrote it\."):
        kind.read(file)
    file.write_text(json.dumps(small_quality_document(tmp_path) | {KEY: 2}))
    with pytest.raises(UserError, match=r"has schema 2; this version reads schema 1\. A later version wrote it\."):
        read_quality(file)


def test_the_committed_files_have_the_shape_that_is_asked_of_files() -> None:
    read_any = 0
    for file in sorted((ROOT / "results").glob("*.json")):
        text = file.read_text()
        if '"upsample_bench"' in text:
            read_run(file)
        elif KEY in text[:200]:
            read_quality(file)
        elif any(kind.is_in(file) for kind in (TRIAL, TWINS)):
            (TRIAL if TRIAL.is_in(file) else TWINS).read(file)
        else:
            continue
        read_any += 1
    assert read_any >= 8


def test_a_sentence_about_a_field_shows_nothing_that_a_terminal_would_obey(tmp_path: Path) -> None:
    document = run_document(tmp_path)
    document["upsample_bench"]["cards"][f"{ESCAPE}\nPASS"] = {"title": 3}
    file = tmp_path / "file.json"
    file.write_text(json.dumps(document))
    with pytest.raises(RecordError) as caught:
        read_run(file)
    assert "[U+001B]" in str(caught.value)
    assert not {"\x1b", "\n", "\x07"} & set(str(caught.value))


def test_an_upsampler_that_no_card_names_is_named(tmp_path: Path) -> None:
    document = run_document(tmp_path)
    del document["upsample_bench"]["cards"]["subpixel"]
    file = tmp_path / "file.json"
    file.write_text(json.dumps(document))
    with pytest.raises(RecordError, match="nothing says what subpixel is called"):
        read_run(file)
