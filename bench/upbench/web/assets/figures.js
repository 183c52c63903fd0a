// From launches to what is said of each case: latency, ratio to the fastest, how sure. As upbench.records.record has it.

import { plan } from "./plan.js";
import { compared, halfWidth, interval, levels, median, quantile } from "./statistics.js";

const { protocol } = plan;
const quantiles = protocol.t_quantiles;
const column = (rounds, place) => rounds.flatMap((round) => (round[place] === null ? [] : [round[place]]));

/** What each rival of a question took, launch by launch: {upsampler: [{id, level, seconds, calls, ...}]}. */
function byRival(standing) {
  const found = {};
  for (const { id, names, rounds, calls, about } of standing.timed) {
    const [anchor, ...own] = levels(rounds, protocol.trimmed);
    names.slice(1).forEach((name, index) => {
      (found[name] ??= []).push({
        id, level: own[index] - anchor, seconds: column(rounds, index + 1), calls: calls[index + 1], ...about[name],
      });
    });
  }
  return found;
}

/** What the control took, for each place that it ran at: {"threads device": {threads, device, quiet_s}}. */
export function controls(standings) {
  const samples = {};
  for (const standing of standings) {
    const { threads, device } = standing.question.place;
    const own = standing.timed.flatMap((each) => column(each.rounds, 0));
    if (own.length) (samples[`${threads} ${device}`] ??= { threads, device, seconds: [] }).seconds.push(...own);
  }
  return Object.fromEntries(Object.entries(samples).map(([key, { threads, device, seconds }]) =>
    [key, { threads, device, quiet_s: quantile(seconds, protocol.quiet_quantile) }]));
}

/** By launch, the share of the control's blocks that took longer than on the quiet device. */
function busyShares(standing, quietS) {
  return Object.fromEntries(standing.timed.map(({ id, rounds }) => {
    const seconds = column(rounds, 0);
    const slow = seconds.filter((each) => each > (1 + protocol.control_tolerance) * quietS);
    return [id, slow.length / seconds.length];
  }));
}

/** How many times as long the control took in the last third of a question's launches as in the first; null for too few. */
export function slowdown(standings) {
  const ratios = standings.flatMap(({ timed }) => {
    const third = Math.floor(timed.length / 3);
    const medians = timed.map((each) => median(column(each.rounds, 0)));
    return third ? [median(medians.slice(-third)) / median(medians.slice(0, third))] : [];
  });
  return ratios.length ? median(ratios) : null;
}

const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;
const levelsOf = (launches) => Object.fromEntries(launches.map(({ id, level }) => [id, level]));

/** The cases of a question with all that is known of them, in the grid's order. */
export function figures(standing, quiet) {
  const { threads, device } = standing.question.place;
  const rivals = byRival(standing), failures = standing.failures;
  const busy = busyShares(standing, quiet[`${threads} ${device}`]?.quiet_s ?? 0);
  const running = Object.keys(rivals).filter((name) => !(name in failures));
  return standing.question.cases.map((each) => {
    const name = each.upsampler;
    if (name in failures) return { case: each, ...failures[name], launches: [] };
    const launches = rivals[name] ?? [];
    if (launches.length === 0) return { case: each, outcome: "timeout", reason: "it was stopped before it was measured", launches };
    const own = levelsOf(launches);
    const others = running.filter((other) => other !== name);
    // One without rivals is compared with the control.
    const widths = (others.length
      ? others.map((other) => compared(own, levelsOf(rivals[other]), quantiles))
      : [interval(Object.values(own), quantiles)]).filter(Boolean).map(halfWidth);
    const vague = widths.length ? median(widths) : null;
    const medians = launches.map(({ seconds }) => median(seconds));
    const latency = interval(medians.map(Math.log), quantiles);
    const isVague = vague !== null && vague > protocol.unstable_half_width;
    return {
      case: each, launches, medians, latency, levels: own,
      outcome: isVague ? "unstable" : "ok",
      reason: isVague ? `its launches disagree: its ratios are known only to ±${Math.round(100 * vague)}% after ${launches.length} of them` : null,
      latency_s: latency ? latency.estimate : medians[0],
      disturbed: mean(launches.map(({ id }) => busy[id])),
      conversion: median(launches.map(({ conversion }) => conversion)),
      error: Math.max(...launches.map(({ error }) => error)),
    };
  });
}

/** Of those that were measured, how many times as long as the fastest each takes; it is the one of the least level. */
export function beside(all) {
  const timed = all.filter((each) => each.launches.length > 0);
  const middle = (each) => median(Object.values(each.levels));
  const fastest = timed.reduce((best, each) => (!best || middle(each) < middle(best) ? each : best), null);
  return { fastest, ratio: (each) => compared(each.levels, fastest.levels, quantiles) };
}
