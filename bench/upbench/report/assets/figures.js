// How figures are written: three digits that say something, shares as percentages.

/** A figure for people; a dash where there is none. */
export function figure(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en").replaceAll(",", "\u202f");
  if (Math.abs(value) >= 10 ** digits) return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
  return Math.abs(value) < 1e-4 ? value.toExponential(1) : value.toPrecision(digits);
}

/** A share as a percentage. */
export const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(value * 100)}\u202f%`);

/** A ratio with its sign. */
export const times = (value) => (value === null || value === undefined ? "–" : `${figure(value)}×`);
