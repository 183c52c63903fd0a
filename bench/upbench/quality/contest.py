"""The whole of ``upbench quality``: who competes, one training after another in processes of their own, and the file.

As many trainings run at once as there are cores, each in one thread. Every one that ends is a line of the journal, so
that at most those in flight are lost. Networks that are equal in everything but what they are compared for are trained
once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from upbench.cases.listing import listing
from upbench.machine import fingerprint as machine
from upbench.processes import cores
from upbench.processes.isolation import Isolation, Outcome, Worker, outcome_of, speaking
from upbench.progress import Watcher, watcher_for
from upbench.quality import contestants, interpolations, lesson, pictures, readings, starts
from upbench.quality.contestants import Absent
from upbench.quality.lesson import Curriculum, Lesson
from upbench.quality.photographs import PHOTOGRAPHS
from upbench.quality.task_shapes import check_tasks
from upbench.quality.views import checked_folder, held_out_views
from upbench.records.quality_run import (
    Contestant,
    Picture,
    QualityRun,
    Training,
    Untrained,
    read_quality,
    write_quality,
)
from upbench.runtimes.torch_state import TorchState
from upbench.sweep.journal import Journal, asked, entries_as_written, is_whole

PRELOAD = ("upbench.quality.contest",)
TICK_S = 1.0
GUESSED_FLOPS_PER_S = 20e9
"""Of one core while it trains, before any training has told better."""
BACKWARD = 3
"""A step takes as many FLOPs as so many forward passes."""
START_FLOPS = 2e10
"""Stands for the work of looking at an upsampler before training."""


@dataclass(frozen=True)
class QualitySettings:
    """What is asked for.

    Attributes:
        scales: whole.
        upsamplers: to be trained; none for interpolations and starts alone.
        started: to be looked at before training; None for the whole catalogue.
        quick: a few networks instead of all leagues and controls.
        seeds: how many trainings of each network.
        first_seed: the others count on from it.
        curriculum: of every training.
        time_limit_s: after which nothing more is begun and what runs is ended; None for no limit.
    """

    scales: tuple[int, ...]
    upsamplers: tuple[str, ...]
    started: tuple[str, ...] | None
    quick: bool
    seeds: int
    first_seed: int
    curriculum: Curriculum
    time_limit_s: float | None = None


@dataclass(frozen=True)
class _Task:
    """Something for a worker: ``key`` is how the journal knows it, ``flops`` how much it is, roughly."""

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    flops: float


@dataclass(frozen=True)
class _Plan:
    """Contestants, those that cannot compete, and what has to be done for them."""

    contestants: list[Contestant]
    absent: list[Absent]
    tasks: dict[str, _Task] = field(default_factory=dict)


def judge_to_file(settings: QualitySettings, output: Path, resume: bool, console: Console) -> QualityRun:
    """Do what the journal lacks, and write the run to ``output``; one that has ended already is read instead.

    Raises:
        UsageError: the images cannot be read, or the journal is not as it must be.
        UpsampleError: an upsampler is unknown, or cannot do a scale.
        KeyboardInterrupt: handed on; the journal is whole.
    """
    plan = _planned(settings)
    folder = settings.curriculum.images
    images = None if folder is None else checked_folder(folder, settings.scales)
    info, commit = machine.machine_info(), machine.commit_info()
    header = {
        "settings": asdict(settings),
        "tasks": list(plan.tasks),
        "images": images,
        "fingerprint": machine.identity(info["fingerprint"]),
        "source": machine.source_digest(),
    }
    with Journal.open(output, header, resume) as journal:
        if resume and journal.is_new and is_whole(output, header):
            whole = read_quality(output)
            # What had no time then may have it now.
            if all(training.outcome != "timeout" for training in whole.trainings):
                journal.delete()
                return whole
        check_tasks(journal.entries)
        done = {entry["key"]: entry for entry in journal.entries}
        with watcher_for(console) as watcher, closing(_work_off(plan, settings, set(done), watcher)) as entries:
            for entry in entries:
                journal.append(entry)
                done[entry["key"]] = entry
        facts = {
            **machine.provenance(),
            "asked": asked(header),
            "settings": asdict(settings),
            "images": images,
            "machine_info": info,
            "commit_info": commit,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with entries_as_written():
            run = _gathered(plan, settings, done, facts)
        write_quality(run, output)
        journal.delete()
    return run


def _planned(settings: QualitySettings) -> _Plan:
    alone = contestants.interpolations(settings.scales)
    trained: list[Contestant] = []
    absent: list[Absent] = []
    if settings.quick:
        trained = contestants.quick()
    elif settings.upsamplers:
        trained, absent = contestants.full(settings.scales, settings.upsamplers)
    plan = _Plan([*alone, *trained], absent)
    tasks = [
        _Task(_start_key(name, scale), starts.start_of, (name, scale), START_FLOPS)
        for name, scale in _of_starts(settings)
    ]
    tasks += [_Task(each.id, lesson.enlarge, (each, settings.curriculum), 0.0) for each in alone]
    for seed in _seeds(settings):
        for contestant in trained:
            asked = Lesson(contestant, seed, settings.curriculum, pictured=seed == settings.first_seed)
            work = BACKWARD * contestant.flops_per_pixel * lesson.pixels_per_step(contestant.scale)
            tasks.append(_Task(_lesson_key(contestant, seed), lesson.teach, (asked,), work * settings.curriculum.steps))
    for task in tasks:
        plan.tasks.setdefault(task.key, task)
    return plan


def _of_starts(settings: QualitySettings) -> list[tuple[str, int]]:
    wanted = settings.started
    return [
        (name, scale) for scale in settings.scales for name in starts.able(scale) if wanted is None or name in wanted
    ]


def _seeds(settings: QualitySettings) -> range:
    return range(settings.first_seed, settings.first_seed + settings.seeds)


def _start_key(name: str, scale: int) -> str:
    return f"start of {name} x{scale}"


def _lesson_key(contestant: Contestant, seed: int) -> str:
    """The same for contestants whose networks are the same."""
    network = replace(contestant, league="as practised")
    return f"{network.id}, width {network.backbone_width}, seed {seed}"


def _work_off(
    plan: _Plan, settings: QualitySettings, done: set[str], watcher: Watcher
) -> Generator[dict[str, Any], None, None]:
    """Do the tasks that are not done, as many at once as there are cores; an entry of the journal for each."""
    waiting = [task for task in plan.tasks.values() if task.key not in done]
    total, finished_flops = sum(task.flops for task in waiting), 0.0
    isolation, began = Isolation(preload=PRELOAD), time.monotonic()
    limit_s = float("inf") if settings.time_limit_s is None else settings.time_limit_s
    with ExitStack() as stack:
        running: dict[Worker, _Task] = {}
        while waiting or running:
            elapsed = time.monotonic() - began
            if elapsed >= limit_s:
                late = f"it was not done within the {limit_s:g} s allowed"
                for task in (*running.values(), *waiting):
                    yield _entry(task, Outcome("timeout", reason=late))
                return
            while waiting and len(running) < cores.at_once():
                task = waiting.pop(0)
                running[stack.enter_context(isolation.start(_answer, task.function, task.arguments))] = task
            for worker in speaking(running, TICK_S):
                task, outcome = running.pop(worker), outcome_of(worker, TICK_S)
                worker.end()
                yield _entry(task, outcome)
                finished_flops += task.flops
                elapsed = time.monotonic() - began
                rate = finished_flops / elapsed if finished_flops else GUESSED_FLOPS_PER_S
                watcher.advance(elapsed, (total - finished_flops) / rate, task.key)


def _answer(line: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    state = TorchState.now()
    value = function(*arguments)
    state.check_kept()
    line.send(value)


def _entry(task: _Task, outcome: Outcome) -> dict[str, Any]:
    return {"key": task.key, "outcome": outcome.kind, "reason": outcome.reason, "value": outcome.value}


def _gathered(
    plan: _Plan, settings: QualitySettings, entries: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]
) -> QualityRun:
    """Put together what the tasks gave; what has not been done keeps its place and its reason."""
    trainings: list[Training] = []
    shown: list[Picture] = []
    for contestant in plan.contestants:
        alone = contestant.placement == "alone"
        for seed in (-1,) if alone else _seeds(settings):
            entry = entries[contestant.id if alone else _lesson_key(contestant, seed)]
            if entry["outcome"] != "ok":
                trainings.append(Training(contestant.id, seed, outcome=entry["outcome"], reason=entry["reason"]))
                continue
            value = entry["value"]
            trainings.append(replace(Training.from_dict(value["training"]), contestant=contestant.id))
            shown += [replace(Picture(**each), contestant=contestant.id) for each in value["pictures"]]
    absent = [
        Training(each.contestant.id, settings.first_seed, outcome="unsupported", reason=each.reason)
        for each in plan.absent
    ]
    curriculum = settings.curriculum
    for scale in settings.scales:
        for number, (name, view) in enumerate(held_out_views(scale, curriculum.kernel, curriculum.images)):
            if number >= len(pictures.SHOWN) and curriculum.images is not None:
                break
            if pictures.is_shown(number, name, curriculum.images):
                shown += pictures.originals(name, view)
    return QualityRun(
        contestants=(*plan.contestants, *(each.contestant for each in plan.absent)),
        trainings=(*trainings, *absent),
        starts=tuple(_untrained(name, scale, entries) for name, scale in _of_starts(settings)),
        pictures=tuple(shown),
        meters=readings.cards(),
        cards=_cards(plan.contestants, [name for name, _ in _of_starts(settings)]),
        photographs=_photographs(settings, facts["images"]),
        facts=facts,
    )


def _cards(competing: Sequence[Contestant], started: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a report calls them: the catalogue's cards, and the titles of the interpolations."""
    names = dict.fromkeys((*(each.upsampler for each in competing if each.placement != "alone"), *started))
    return {
        **{row.name: asdict(row) for row in listing(tuple(names))},
        **{
            name: {"name": name, "title": each.title, "family": "interpolation", "kind": "interpolation"}
            for name, each in interpolations.INTERPOLATIONS.items()
        },
    }


def _untrained(name: str, scale: int, entries: Mapping[str, Mapping[str, Any]]) -> Untrained:
    entry = entries[_start_key(name, scale)]
    if entry["outcome"] != "ok":
        return Untrained(name, scale, {}, entry["outcome"], entry["reason"])
    return Untrained(**entry["value"])


def _photographs(settings: QualitySettings, images: Mapping[str, str] | None) -> tuple[dict[str, Any], ...]:
    """Those that were learnt from or judged by; a folder's with a digest, as nobody else knows them."""
    learnt_from = settings.quick or bool(settings.upsamplers)
    shipped = [asdict(each) for each in PHOTOGRAPHS if (images is None if each.held_out else learnt_from)]
    own = [
        {"name": name, "package": settings.curriculum.images, "licence": "", "held_out": True, "digest": digest}
        for name, digest in (images or {}).items()
    ]
    return (*shipped, *own)
