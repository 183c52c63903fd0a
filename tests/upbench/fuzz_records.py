"""The readers of files under coverage-guided fuzzing: ``tox run -e fuzz -- -max_total_time=600``.

Not a test, as it never ends by itself; it stops at the first exception that is no sentence for a person.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["upbench.records", "upbench.cases", "upbench.gate.rates"]):
    from upbench.errors import UserError
    from upbench.gate.rates import TRIAL
    from upbench.gate.rates import summary as of_gates
    from upbench.records import shapes, trial_shapes
    from upbench.records.comparison import compare_runs
    from upbench.records.quality_run import read_quality, write_quality
    from upbench.records.record import read_run, write_run
    from upbench.records.repeatability import TWINS
    from upbench.records.repeatability import summary as of_sweeps

from tests.upbench.records.test_hostile_records import GATE_TRIAL, TWINS_TRIAL
from tests.upbench.synthetic import case, measured, refused, run_of
from tests.upbench.synthetic_quality import quality_run

FOLDER = Path(tempfile.mkdtemp(prefix="upbench-fuzz-"))
FILE = FOLDER / "file.json"
OTHER = run_of([measured(case("subpixel"), [1e-3, 1.1e-3, 1e-3])])


def try_one(data: bytes) -> None:
    """Read a file of these bytes as everything that it could be."""
    FILE.write_bytes(data)
    for read in (
        lambda: compare_runs(read_run(FILE), OTHER),
        lambda: read_quality(FILE),
        lambda: of_gates(TRIAL.read(FILE)),
        lambda: of_sweeps(TWINS.read(FILE)),
    ):
        try:
            read()
        except UserError as error:
            assert "\n" not in str(error)


def seeds(folder: Path) -> None:
    """Small files that are right, of which the others are made."""
    write_run(run_of([measured(case("subpixel"), [1e-3, 1.1e-3]), refused(case("transposed"))]), folder / "run")
    write_quality(quality_run(), folder / "whole")
    quality = json.loads((folder / "whole").read_text())
    quality["pictures"], quality["trainings"] = [], quality["trainings"][:2]
    (folder / "whole").unlink()
    for name, document in (("quality", quality), ("gates", GATE_TRIAL), ("sweeps", TWINS_TRIAL)):
        (folder / name).write_text(json.dumps(document))


def main() -> None:
    """Fuzz with libFuzzer's options; a dictionary of the fields' names helps it to find them."""
    corpus, words = FOLDER / "corpus", FOLDER / "words"
    corpus.mkdir()
    seeds(corpus)
    models = [
        each for module in (shapes, trial_shapes) for each in vars(module).values() if hasattr(each, "model_fields")
    ]
    names = {name for model in models for name in model.model_fields} | {"upsample_bench", "schema", "benchmarks"}
    words.write_text("".join(f'"\\"{name}\\""\n' for name in sorted(names)))
    atheris.Setup([sys.argv[0], f"-dict={words}", "-max_len=65536", *sys.argv[1:], str(corpus)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
