// The record of a visit, in the format of `upbench run`: what was measured, where, and every block of it.

import { fingerprint } from "./environment.js";
import { controls, figures, slowdown } from "./figures.js";
import { label, plan, scaleText } from "./plan.js";
import { stats } from "./statistics.js";

const SCHEMA = 2;

function extraInfo(question, each) {
  const { upsampler, fields } = each.case;
  const info = { upsampler, ...question.cell, ...fields, outcome: each.outcome, outcome_reason: each.reason };
  if (each.launches.length === 0) return { ...info, definition_error: null };
  return {
    ...info,
    latency_s: each.latency_s,
    latency_ci_s: each.latency && [each.latency.low, each.latency.high],
    conversion_s: each.conversion,
    definition_error: each.error,
    allocator: plan.settings.allocator,
    launch_medians_s: each.medians,
    launch_ids: each.launches.map(({ id }) => id),
    launch_levels: each.launches.map(({ level }) => level),
    rounds_per_launch: each.launches.map(({ seconds }) => seconds.length),
    launches: each.launches.length,
    groups: 1,
    disturbed_share: each.disturbed,
    stopped_by: "launches",
  };
}

function benchmark(question, each) {
  const id = `${each.case.upsampler}-${label(question.cell)}`;
  const params = { upsampler: each.case.upsampler, ...question.cell };
  return {
    group: label(question.cell), name: id, fullname: `upbench::${id}`, params, param: id,
    extra_info: extraInfo(question, each),
    options: { timer: "performance.now", disable_gc: false },
    stats: stats(each.launches.flatMap(({ seconds }) => seconds), each.launches.at(-1).calls),
  };
}

/** Everything that a page knows, as one JSON document. */
export function record(standings, here, wanted, spoiled) {
  const quiet = controls(standings);
  const all = standings.flatMap(({ question }, place) =>
    figures(standings[place], quiet).map((each) => ({ question, each })));
  const [measured, others] = [true, false].map((timed) => all.filter(({ each }) => each.launches.length > 0 === timed));
  return {
    machine_info: {
      node: "", processor: "", machine: "", system: here.system, release: "", python_version: "",
      cpu: { brand_raw: `${here.name} on ${here.system}` }, fingerprint: fingerprint(here, plan),
    },
    commit_info: plan.commit_info,
    benchmarks: measured.map(({ question, each }) => benchmark(question, each)),
    datetime: new Date().toISOString(),
    version: plan.facts.pytest_benchmark_version,
    upsample_bench: {
      schema: SCHEMA,
      ...plan.facts,
      settings: { ...plan.settings, least_launches: wanted, most_launches: wanted },
      protocol: "side by side",
      controls: Object.values(quiet),
      limits: [],
      browser: {
        site: plan.digest, clock_s: Math.max(0, ...standings.flatMap(({ timed }) => timed.map(({ step }) => step))),
        isolated: here.isolated, hidden_launches: spoiled, slowdown: slowdown(standings),
      },
      launches: standings.flatMap(({ question, timed }) => timed.map(({ id, names, calls, rounds }) =>
        ({ question: label(question.cell), launch: id, names, calls, rounds }))),
      not_measured: others.map(({ question, each }) => extraInfo(question, each)),
    },
  };
}

/** A name for the file: where, and when. */
export const fileName = (here) =>
  `browser-${here.name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "")}.json`;

/** Words for a cell: "×2, 16→16 channels, 48×48". */
export const cellText = (cell) => {
  const size = `${cell.height}×${cell.width}`, batch = cell.batch === 1 ? "" : `, batch ${cell.batch}`;
  return `×${scaleText(cell.scale)}, ${cell.in_channels}→${cell.out_channels}, ${size}${batch}`;
};
