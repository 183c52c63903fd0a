// How figures are written: three digits that say something, counts whole, shares as percentages.

const grouped = (value) => Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

/** A measured figure; a dash where there is none. */
export function figure(value) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return grouped(value);
  return Math.abs(value) < 1e-4 ? value.toExponential(1) : value.toPrecision(3);
}

/** A counted figure. */
export const count = (value) => (known(value) ? grouped(value) : "–");

/** A share as a percentage. */
export const percent = (value) => (known(value) ? `${Math.round(value * 100)}\u202f%` : "–");

/** A ratio with its sign. */
export const times = (value) => (known(value) ? `${value === 1 ? "1" : figure(value)}×` : "–");
