// What a page must know of statistics: the same figures as upbench.records.statistics and upbench.processes.rivals, which
// check them when a record is sent back. The quantiles of Student's t come with the plan.

const ascending = (values) => [...values].sort((a, b) => a - b);
const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;

/** The quantile between neighbours in proportion, as NumPy's. */
export function quantile(values, share) {
  const ordered = ascending(values);
  const at = (ordered.length - 1) * share, low = Math.floor(at), high = Math.ceil(at);
  return ordered[low] + (ordered[high] - ordered[low]) * (at - low);
}

export const median = (values) => quantile(values, 0.5);

function trimmedMean(values, share) {
  const cut = Math.floor(values.length * share);
  return mean(ascending(values).slice(cut, values.length - cut));
}

/** Standard deviation of a sample. */
export function deviation(values) {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, each) => sum + (each - centre) ** 2, 0) / (values.length - 1));
}

/** The log of how long each rival's call takes, of rounds × rivals seconds with null where one took no part. */
export function levels(rounds, trimmed) {
  const logs = rounds.map((round) => round.map((seconds) => (seconds === null ? null : Math.log(seconds))));
  const counts = rounds[0].map((_, place) => logs.filter((round) => round[place] !== null).length);
  const most = Math.max(...counts);
  const framed = counts.flatMap((count, place) => (count === most ? [place] : []));
  const whole = logs.filter((round) => framed.every((place) => round[place] !== null));
  const centres = framed.map((place) => median(whole.map((round) => round[place])));
  const slowed = whole.map((round) => median(framed.map((place, index) => round[place] - centres[index])));
  return counts.map((_, place) => {
    const column = whole.flatMap((round, index) => (round[place] === null ? [] : [round[place] - slowed[index]]));
    return column.length ? trimmedMean(column, trimmed) : NaN;
  });
}

/** Student's t interval of a mean of logarithms, back from them; null below two values. */
export function interval(logs, quantiles) {
  if (logs.length < 2) return null;
  const centre = mean(logs), half = (quantiles[logs.length - 2] * deviation(logs)) / Math.sqrt(logs.length);
  return { low: Math.exp(centre - half), estimate: Math.exp(centre), high: Math.exp(centre + half) };
}

/** How many times longer A takes than B, over the launches that both were in; {launch: level} each. */
export function compared(a, b, quantiles) {
  const shared = Object.keys(a).filter((launch) => launch in b);
  return interval(shared.map((launch) => a[launch] - b[launch]), quantiles);
}

/** Half an interval's width as a share of its estimate. */
export const halfWidth = ({ low, high }) => Math.sqrt(high / low) - 1;

/** What pytest-benchmark says of so many seconds. */
export function stats(seconds, iterations) {
  const [q1, middle, q3] = [0.25, 0.5, 0.75].map((share) => quantile(seconds, share));
  const centre = mean(seconds), spread = seconds.length > 1 ? deviation(seconds) : 0, iqr = q3 - q1;
  const [low, high] = [q1 - 1.5 * iqr, q3 + 1.5 * iqr];
  const beyond = seconds.filter((each) => each < low || each > high).length;
  const far = seconds.filter((each) => Math.abs(each - centre) > spread).length;
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)];
  return {
    min: least, max: most, mean: centre, stddev: spread, rounds: seconds.length, median: middle, iqr, q1, q3,
    iqr_outliers: beyond, stddev_outliers: far, outliers: `${far};${beyond}`, ld15iqr: Math.max(low, least),
    hd15iqr: Math.min(high, most), ops: 1 / centre, total: centre * seconds.length, data: seconds, iterations,
  };
}
