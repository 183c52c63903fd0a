"""Upsamplers that misbehave, all in one sweep: each is recorded as what it did, and nobody else suffers."""

from __future__ import annotations

import os
import resource
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.upbench.faults.running import Place, modules, place_in
from tests.upbench.faults.table import FAULTS, NOTHING, shows
from upbench.records.record import Run, read_run

CASES = [name for name, fault in FAULTS.items() if fault.part == "a case" and name != "kernel"]
TIMEOUT_S = "10"
MOST_DATA_BYTES = 2 << 30
GROUP_BYTES = 2 << 30


class Swept(NamedTuple):
    """A sweep with all of them."""

    place: Place
    result: subprocess.CompletedProcess[str]
    run: Run


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA_BYTES, MOST_DATA_BYTES))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    with place_in(tmp_path_factory.mktemp("cases")) as place:
        result = place.sweep("--timeout", TIMEOUT_S, *modules(*CASES), preexec_fn=_limited)
        assert result.returncode == 0, result.stderr
        yield Swept(place, result, read_run(place.output))


@shows(*CASES)
@pytest.mark.parametrize("name", CASES)
def test_a_case_is_recorded_as_what_it_did(swept: Swept, name: str) -> None:
    (record,) = (each for each in swept.run.records if each.case.upsampler.endswith(f":{name}"))
    said = [line for line in swept.result.stdout.splitlines() if f":{name}-" in line]
    if FAULTS[name].sentence == NOTHING:
        assert (record.measured, said) == (True, []) or record.outcome == "unstable"
    else:
        assert len(said) == 1
        assert FAULTS[name].is_read_in(said[0]), said[0]
        assert (record.measured, record.quantities["latency_s"]) == (False, None)


def test_all_others_have_their_figures(swept: Swept) -> None:
    measured = {record.case.upsampler for record in swept.run.records if record.measured}
    assert measured >= {"subpixel", "nearest_conv"}


def test_nothing_of_them_is_left_and_nothing_they_print_is_seen(swept: Swept) -> None:
    assert "written by a case" not in swept.result.stdout + swept.result.stderr
    assert swept.place.left_behind() == []


def _group() -> Path:
    """A control group whose processes have but so much memory, of either version."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {part: path.lstrip("/") for _, names, path in lines for part in names.split(",")}
    root = Path("/sys/fs/cgroup")
    old = root / "memory" / own.get("memory", "")
    parent, limit = (old, "memory.limit_in_bytes") if "memory" in own else (root / own.get("", ""), "memory.max")
    group = parent / f"faults-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / limit).write_text(str(GROUP_BYTES))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    return group


@pytest.mark.slow
@shows("kernel")
def test_what_the_kernel_ends_for_memory_is_out_of_memory_and_the_sweep_goes_on(place: Place) -> None:
    group = _group()
    try:
        join = lambda: (group / "cgroup.procs").write_text(str(os.getpid()))  # noqa: E731
        result = place.sweep(*modules("Filling"), preexec_fn=join)
    finally:
        group.rmdir()
    assert result.returncode == 0, result.stderr
    assert FAULTS["kernel"].is_read_in(result.stdout)
    assert [record.measured for record in read_run(place.output).records] == [True, True, False]
    assert place.left_behind() == []
