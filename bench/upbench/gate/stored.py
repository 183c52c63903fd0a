"""The gate on two stored runs: exact quantities always, latency only where it was measured on the same machine."""

from __future__ import annotations

from upbench.gate.decision import Decision, Kind, Verdict, exact_changes
from upbench.gate.series import Rule
from upbench.records.comparison import ComparedCase, compare_runs, machine_differences, version_differences
from upbench.records.record import Record, Run

LATENCY_VERDICTS: dict[str, Kind] = {"B slower": "regression", "B faster": "improvement"}


def decide_stored(a: Run, b: Run, rule: Rule, judge_latency: bool) -> Decision:
    """Judge run B against run A.

    Two runs at different times cannot be interleaved: a latency is slower only where its whole interval, with what a
    machine may drift between runs, lies above the tolerance.
    """
    differences = machine_differences(a, b)
    records_a, records_b = ({record.case.id: record for record in run.records} for run in (a, b))
    verdicts = tuple(
        _verdict(row, records_a.get(row.case_id), records_b.get(row.case_id), rule, judge_latency)
        for row in compare_runs(a, b)
    )
    worse = [verdict for verdict in verdicts if verdict.kind in ("error", "regression")]
    if worse:
        sentence = f"{worse[0].name} ({len(worse)} in all) got worse: {'; '.join(worse[0].reasons)}."
        return Decision("regression", sentence, verdicts)
    if differences and judge_latency:
        sentence = (
            f"Different conditions ({', '.join(differences)}): latencies are not comparable and are not judged; "
            "exact quantities are, and none got worse. With --latency advise that is a pass."
        )
        return Decision("inconclusive", sentence, verdicts)
    undecided = [verdict for verdict in verdicts if verdict.kind == "undecided"]
    if undecided and judge_latency:
        return Decision("inconclusive", f"{undecided[0].name}: {'; '.join(undecided[0].reasons)}.", verdicts)
    versions = version_differences(a, b)
    between = f", between which {', '.join(versions)}" if versions else ""
    return Decision("pass", f"No regression between the two runs{between}.", verdicts)


def _verdict(row: ComparedCase, a: Record | None, b: Record | None, rule: Rule, judge_latency: bool) -> Verdict:
    if b is None:
        return Verdict(row.case_id, "error", ("missing in B",))
    if a is None:
        return Verdict(row.case_id, "new", ("missing in A",))
    if a.measured and not b.measured:
        return Verdict(row.case_id, "error", (f"{b.outcome} in B: {b.outcome_reason}",))
    if not b.measured:
        return Verdict(row.case_id, "skipped", (b.outcome_reason or b.outcome,))
    reasons, kind = [], LATENCY_VERDICTS.get(row.verdict, "same")
    ratio = row.comparison.ratio if row.comparison else None
    if kind == "regression" and (ratio is None or ratio.low <= 1 + rule.tolerance or not judge_latency):
        kind = "same"
    elif kind != "same" and ratio is not None:
        reasons.append(f"{row.verdict}: {ratio.estimate:.3f} times A's time")
    elif row.verdict == "too few launches":
        kind, reasons = "undecided", [row.verdict]
    for key, change, is_worse in exact_changes(a.quantities, b.quantities, rule.exact):
        reasons.insert(0, f"{key}: {change}")
        if is_worse:
            kind = "regression"
        elif kind == "same":
            kind = "improvement"
    return Verdict(
        row.case_id,
        kind,
        tuple(reasons),
        ratio,
        launches=len(b.quantities["launch_medians_s"]),
        call_s=None if a.latency is None or b.latency is None else (a.latency.estimate, b.latency.estimate),
    )
