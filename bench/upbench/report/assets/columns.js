// The columns of the explorer's table: what each shows, sorts by, and writes into the CSV.

import { cases, multiple, ratio, rivalOf, valueOf, varying } from "page/cases";
import { count, figure, percent, times } from "page/figures";
import { state } from "page/state";
import { say } from "page/words";

const SETTINGS = ["scale", "channels", "size", "batch", "dtype", "layout", "threads", "device", "runtime", "step"];
const EXACT = ["memory", "tensors", "resident", "output", "gmacs", "gflops", "params", "conversion", "gradients", "optimizer"];

const has = (key) => cases.some((row) => row[key] !== null);
const varies = new Set(varying.map(({ key }) => key));

/** The latency against the baseline; null where they were not compared. */
export const against = (row) => ratio(row, rivalOf(row)) ?? null;

function setting(key) {
  return { key, setting: key !== "family", value: (row) => row[key], text: (row) => valueOf(row, key) };
}

function exact(key) {
  return {
    key,
    number: true,
    heading: () => (state.ratios ? say("per_baseline", { heading: say(key) }) : say(key)),
    value: (row) => (state.ratios ? multiple(row, key) : row[key]),
    text: (row) => (state.ratios ? times(multiple(row, key)) : (key === "params" ? count : figure)(row[key])),
  };
}

function ratioText(row) {
  const found = against(row);
  if (!found) return "–";
  return found.low === found.high ? times(found.estimate) : `${times(found.estimate)} (${say("to", { low: figure(found.low), high: figure(found.high) })})`;
}

const settings = ["family", ...SETTINGS].filter((key) => varies.has(key)).map(setting);
const narrow = innerWidth < 704;

/** All columns, from the left; where few fit beside each other, latency before the settings. */
export const columns = [
  { key: "upsampler", value: (row) => row.title, text: (row) => row.title },
  ...(narrow ? [] : settings),
  { ...exact("latency"), value: (row) => (state.ratios ? (against(row)?.estimate ?? null) : row.latency),
    text: (row) => (state.ratios ? times(against(row)?.estimate ?? null) : figure(row.latency)) },
  { key: "ratio", number: true, value: (row) => against(row)?.estimate ?? null, text: ratioText },
  ...(narrow ? settings : []),
  ...EXACT.filter(has).map(exact),
  ...(has("limit") ? [{ key: "limit", number: true, value: (row) => row.limit, text: (row) => percent(row.limit) }] : []),
  ...(has("busy") ? [{ key: "busy", number: true, value: (row) => row.busy, text: (row) => percent(row.busy) }] : []),
  { key: "outcome", value: (row) => row.outcome, text: (row) => valueOf(row, "outcome") + (row.reason ? `: ${row.reason}` : "") },
].map((column) => ({ heading: () => say(column.key), ...column }));
