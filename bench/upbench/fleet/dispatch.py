"""Which question goes to which machine of a fleet, and what happens when a machine is gone.

A machine measures one question at a time and gets the next as soon as it is done. One that is lost leaves its question
to the others, which begin it anew.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from upbench.cases.case import Case
from upbench.errors import UsageError
from upbench.fleet.cluster import HOW_TO_START, Cluster, FleetError, Node, Post
from upbench.fleet.ledger import DONE, GIVEN_UP, LOST, Ledger, Seat
from upbench.fleet.station import own_digests
from upbench.machine import fingerprint as machine
from upbench.progress import Watcher
from upbench.sweep.forecast import estimated_minutes
from upbench.sweep.settings import SweepSettings
from upbench.sweep.standing import by_question

COME_S = 180.0
"""Within which a node must have said what it is, when the sweep begins."""

LOOK_S, LISTEN_S = 2.0, 1.0
"""How often new nodes are looked for, and how long an answer is waited for at once."""

WAIT_S = 60.0
"""For a node that can measure what is left, when there is none."""

MOST_LOSSES = 3
"""Of one question, after which it may be the question that ends machines; and of one node without a question done."""

GUESSED = 300
"""Cases of which the time is guessed; a guess takes milliseconds."""


@dataclass
class _Member:
    """A post that has said what it is, and what it is measuring."""

    seat: Seat
    label: str | None = None


class _Queue:
    """The questions of a pool that nobody measures yet, by the device that they need."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels: dict[str, OrderedDict[str, None]] = {}
        for label, device in labels.items():
            self._labels.setdefault(device, OrderedDict())[label] = None

    def take(self, seat: Seat, ledger: Ledger) -> str | None:
        """What is rarest to be able to first, and what the seat has begun before anything else of it."""
        for device in sorted(self._labels, key=_gpus_needed, reverse=True):
            labels = self._labels[device]
            if labels and _gpus_needed(device) <= len(seat.fingerprint["gpus"]):
                label = next((label for label in ledger.begun(seat) if label in labels), next(iter(labels)))
                del labels[label]
                return label
        return None

    def give_back(self, label: str, device: str) -> None:
        self._labels[device][label] = None
        self._labels[device].move_to_end(label, last=False)


class Dispatch:
    """Sends every question to a machine until all are measured.

    Args:
        cases: the grid.
        settings: how to measure; the time limit is shared between the questions.
        ledger: what is in it already is not measured again.
        cluster: where the machines are.
        watcher: told after every answer.
    """

    def __init__(
        self, cases: Sequence[Case], settings: SweepSettings, ledger: Ledger, cluster: Cluster, watcher: Watcher
    ) -> None:
        self._settings, self._ledger, self._cluster, self._watcher = settings, ledger, cluster, watcher
        self._questions = {own[0].cell.question.label: own for own in by_question(cases)}
        self._own = sorted({case.upsampler for case in cases if ":" in case.upsampler})
        self._expected = {"source": machine.source_digest(), "torch": _release(torch.__version__)}
        self._expected |= own_digests(self._own)
        self._queues: dict[str, _Queue] = {}
        self._coming: dict[Post, float] = {}
        self._members: dict[Post, _Member] = {}
        self._out: set[str] = set()
        self._losses: Counter[str] = Counter()
        self._lines: list[dict[str, Any]] = []
        self._start = self._last_look = self._last_work = time.monotonic()
        self._wanted: dict[str, int] = {}
        self._left_before, self._guess_s = 0, 0.0

    def run(self) -> None:
        """Measure everything that the ledger does not know yet.

        Raises:
            UsageError: no node may be measured on, or nodes have other code than this one.
            FleetError: what is left can be measured on no node any more.
        """
        self._gather()
        self._left_before = self._left()
        while self._left():
            self._look()
            self._assign()
            self._listen()
            self._check_that_it_goes_on()

    def _gather(self) -> None:
        """Wait for the nodes that there are, and see that all have the same code, before anything is measured."""
        nodes = self._cluster.nodes()
        if not nodes:
            wanted = ", ".join(f"{key}={value}" for key, value in self._cluster.labels.items())
            raise UsageError(
                f"no node of the cluster at {self._cluster.address} may be measured on: start each with "
                f"{HOW_TO_START}" + (f" and --labels {wanted}" if wanted else "") + "."
            )
        for node in nodes:
            self._hold(node)
        deadline = time.monotonic() + COME_S
        while self._coming and time.monotonic() < deadline:
            self._listen(beginning=True)
        for post in list(self._coming):
            self._leave_out(post, f"it has not answered for {COME_S:g} s; is it in use by something else?")
        if not self._members:
            raise FleetError("no node could be measured on, for the reasons above.")
        devices = {own[0].cell.device for own in self._questions.values()}
        most = max(len(member.seat.fingerprint["gpus"]) for member in self._members.values())
        for device in sorted(devices):
            if _gpus_needed(device) > most:
                raise UsageError(f"no node has what --device {device} needs: the most GPUs that one has are {most}.")
        sample = list(self._questions.values())[:: max(1, sum(map(len, self._questions.values())) // GUESSED)]
        self._guess_s = estimated_minutes([case for own in sample for case in own], self._settings) * 60
        self._guess_s *= len(self._questions) / len(sample) / len(self._members)

    def _look(self) -> None:
        """Take in nodes that have come, or have come back, since the last look."""
        if time.monotonic() - self._last_look < LOOK_S:
            return
        self._last_look = time.monotonic()
        held = {post.node.id for post in (*self._coming, *self._members)} | self._out
        for node in self._cluster.nodes():
            if node.id not in held:
                self._hold(node)

    def _hold(self, node: Node) -> None:
        post = self._cluster.hold(node)
        post.ask({"what": "facts", "own": self._own})
        self._coming[post] = time.monotonic()

    def _assign(self) -> None:
        for post, member in self._members.items():
            if post in self._coming or member.label is not None:
                continue
            if label := self._queue(member.seat).take(member.seat, self._ledger):
                member.label = label
                self._last_work = time.monotonic()
                post.ask(
                    {
                        "what": "measure",
                        "cases": [case.as_dict() for case in self._questions[label]],
                        "settings": asdict(replace(self._settings, time_limit_s=self._time_limit_s())),
                        "entries": self._ledger.known(member.seat, [label]),
                    }
                )

    def _queue(self, seat: Seat) -> _Queue:
        pool = self._ledger.pool(seat)
        if pool not in self._queues:
            open_labels = {
                label: own[0].cell.device
                for label, own in self._questions.items()
                if not self._ledger.ended(label, pool)
            }
            self._queues[pool] = _Queue(open_labels)
        return self._queues[pool]

    def _time_limit_s(self) -> float | None:
        """A question's share of what is left of the sweep's time."""
        if self._settings.time_limit_s is None:
            return None
        left_s = max(0.0, self._settings.time_limit_s - (time.monotonic() - self._start))
        return left_s * len(self._members) / max(len(self._members), self._left())

    def _listen(self, beginning: bool = False) -> None:
        busy = [post for post, member in self._members.items() if member.label is not None]
        for post, answer in self._cluster.listen([*self._coming, *busy], LISTEN_S):
            if post in self._coming:
                self._meet(post, answer, beginning)
            else:
                self._take(post, self._members[post], answer)
        # One wait for the disk, however many have answered.
        lines, self._lines = self._lines, []
        self._ledger.write(lines)
        if lines and not beginning:
            elapsed_s = time.monotonic() - self._start
            doing = f"{lines[-1]['of']}, nodes: {len(self._members)}"
            self._watcher.advance(elapsed_s, self._left_s(elapsed_s), doing)

    def _left_s(self, elapsed_s: float) -> float:
        """Seconds that the sweep still needs: a question that is being measured counts as half done."""
        left = self._left()
        done = self._left_before - left
        in_hand = sum(member.label is not None for member in self._members.values()) / 2
        if done + in_hand == 0:
            return 0.0 if left == 0 else self._guess_s
        seen_s = elapsed_s * (left - in_hand) / (done + in_hand)
        return seen_s if done else max(seen_s, self._guess_s - elapsed_s)

    def _meet(self, post: Post, answer: Mapping[str, Any], beginning: bool) -> None:
        """What a node says of itself; it is a member when it has said all and may be one."""
        if "facts" in answer:
            facts = answer["facts"]
            told = {"source": facts["source"], "torch": _release(facts["torch"]), **facts["own"]}
            wrong = [f"{name} {told[name]}, not {self._expected[name]}" for name in told
                     if told[name] != self._expected[name]]  # fmt: skip
            if wrong and beginning:
                raise UsageError(
                    f"the code must be the same on all nodes before anything is measured: node {post.node.name} has "
                    f"{' and '.join(wrong)} as here; install the same there."
                )
            if wrong:
                self._leave_out(post, f"it has {' and '.join(wrong)} as here")
                return
            seat = self._ledger.seat(post.node.name, facts)
            self._members[post] = _Member(seat)
            self._wanted.setdefault(self._ledger.pool(seat), self._count_for(seat))
        elif "done" in answer:
            del self._coming[post]
        else:
            self._leave_out(post, str(answer.get("failed") or answer.get("lost")))

    def _take(self, post: Post, member: _Member, answer: Mapping[str, Any]) -> None:
        """What comes of a question."""
        line: dict[str, Any] = {"seat": member.seat.key, "of": member.label}
        if "entry" in answer:
            self._lines.append({**line, "entry": answer["entry"]})
            return
        label, member.label = str(member.label), None
        if "done" in answer:
            self._lines.append({**line, "end": DONE})
            self._losses.pop(post.node.id, None)
            return
        why = str(answer.get("failed") or answer.get("lost"))
        self._losses.update([label, post.node.id])
        given_up = self._losses[label] >= MOST_LOSSES
        self._lines.append({**line, "end": GIVEN_UP if given_up else LOST, "why": why})
        self._watcher.say(
            f"{label} was lost on node {post.node.name} ({why}); "
            + (f"it is given up after {MOST_LOSSES} times." if given_up else "it is measured anew.")
        )
        if not given_up:
            self._queue(member.seat).give_back(label, self._questions[label][0].cell.device)
        if self._losses[post.node.id] >= MOST_LOSSES:
            self._leave_out(post, f"it has lost {MOST_LOSSES} questions one after the other")
        elif "lost" in answer:
            del self._members[post]
            self._cluster.give_up(post)

    def _leave_out(self, post: Post, why: str) -> None:
        self._watcher.say(f"node {post.node.name} is left out: {why}.")
        self._out.add(post.node.id)
        self._coming.pop(post, None)
        self._members.pop(post, None)
        self._cluster.give_up(post)

    def _check_that_it_goes_on(self) -> None:
        now = time.monotonic()
        is_coming = any(now - since < COME_S for since in self._coming.values())
        if is_coming or any(member.label is not None for member in self._members.values()):
            self._last_work = now
        elif self._left() and now - self._last_work > WAIT_S:
            raise FleetError(
                f"{self._left()} questions are left, and no node that could measure them has been there for "
                f"{WAIT_S:g} s; nothing that was measured is lost: go on with --resume when there is one."
            )

    def _count_for(self, seat: Seat) -> int:
        """How many questions the pool of a seat is to measure."""
        if not self._ledger.each_kind:
            return len(self._questions)
        gpus = len(seat.fingerprint["gpus"])
        return sum(_gpus_needed(own[0].cell.device) <= gpus for own in self._questions.values())

    def _left(self) -> int:
        """How many questions are not measured yet, counted for each pool that has been seen."""
        return sum(count - self._ledger.count_ended(pool) for pool, count in self._wanted.items())


def _gpus_needed(device: str) -> int:
    """How many GPUs a machine needs for ``cpu``, ``cuda`` or ``cuda:N``."""
    kind, _, index = device.partition(":")
    return 0 if kind == "cpu" else int(index or 0) + 1


def _release(version: str) -> str:
    """Of a version of torch, without what it was built for, which machines may well differ in."""
    return version.partition("+")[0]
