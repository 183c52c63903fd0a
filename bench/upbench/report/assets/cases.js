// The cases as objects, and how each compares with the baseline: looked up, never computed.

import { data } from "page/data";
import { state } from "page/state";

const { fields, facets, questions, upsamplers } = data.explorer;

/** Every case, in the order of the records; ``place`` is its number. */
export const cases = data.explorer.rows.map((values, place) => {
  const row = { place };
  fields.forEach((field, index) => (row[field] = values[index]));
  row.title = upsamplers[row.upsampler].title;
  row.name = upsamplers[row.upsampler].name;
  return row;
});

/** The facets that tell cases apart, and those in which all are the same. */
export const varying = facets.filter(({ values }) => values.length > 1);
export const fixed = facets.filter(({ values, key }) => values.length === 1 && key !== "outcome");

const valuesOf = new Map(facets.map(({ key, values }) => [key, values]));

/** A facet's value of a case, as text. */
export const valueOf = (row, key) => valuesOf.get(key)[row[key]];

/** Whether every filter lets a case through. */
export function passes(row) {
  for (const [key, places] of state.filters) if (!places.has(row[key])) return false;
  return true;
}

// Where a case stands in the triangle of its question.
const stand = new Map();
questions.forEach((question, index) => {
  question.number = index;
  question.rows.forEach((place, position) => stand.set(place, { question, position }));
});

const choice = (row) => `${row.upsampler} ${row.runtime} ${row.layout}`;

/** The case that a case is compared with: the baseline's of the same question, or the fastest of the cell. */
export function rivalOf(row) {
  if (state.baseline === null) return row.fastest === null ? undefined : cases[row.fastest];
  const at = stand.get(row.place);
  const wanted = choice(cases[state.baseline]);
  const found = at?.question.rows.find((place) => choice(cases[place]) === wanted);
  return found === undefined ? undefined : cases[found];
}

/** How many times as long A takes as B, with its interval; undefined where they were not compared. */
export function ratio(a, b) {
  if (!a || !b) return undefined;
  if (a === b) return a.latency === null ? undefined : { estimate: 1, low: 1, high: 1 };
  const [one, other] = [stand.get(a.place), stand.get(b.place)];
  if (!one || one.question !== other?.question) return undefined;
  const [first, second] = [Math.min(one.position, other.position), Math.max(one.position, other.position)];
  const size = one.question.rows.length;
  const index = first * size - (first * (first + 1)) / 2 + second - first - 1;
  const estimate = one.question.ratio[index];
  if (!estimate) return undefined;
  const factor = one.question.factor[index];
  const there = one.position < other.position ? estimate : 1 / estimate;
  return { estimate: there, low: there / factor, high: there * factor };
}

/** A case's exact figure as a multiple of the baseline's. */
export function multiple(row, key) {
  const rival = rivalOf(row);
  return rival && rival[key] && row[key] !== null ? row[key] / rival[key] : null;
}
