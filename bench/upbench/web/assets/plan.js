// The grid that this page holds, and the questions that a visitor makes of it: a cell, where it runs, and its rivals.

export const plan = await (await fetch("plan.json", { cache: "no-cache" })).json();

const MOST_THREADS = 4;

/** Where a cell can run, each with the reason why not if it cannot. */
export function places(here) {
  const offered = plan.threads.length ? plan.threads : [1, Math.min(MOST_THREADS, Math.max(2, here.cores))];
  const counts = [...new Set(offered)];
  return [
    ...counts.map((threads) => ({
      key: `wasm-${threads}`, runtime: "web-wasm", device: "cpu", threads, provider: "wasm", script: "ort.wasm.min.mjs",
      missing: threads > 1 && !here.isolated ? "not_isolated" : threads > here.cores ? "few_cores" : null,
    })),
    { key: "webgpu", runtime: "web-webgpu", device: "gpu", threads: 1, provider: "webgpu", script: "ort.webgpu.min.mjs",
      missing: here.adapter ? null : here.secure ? "no_webgpu" : "not_secure" },
  ];
}

export const scaleText = (scale) => (Array.isArray(scale) ? scale.join("x") : String(scale));

/** The cell as a record names it. */
const cellIn = (cell, { threads, device, runtime }) => ({ ...cell, threads, device, runtime });

/** A cell's short identifier, as upbench.cases.case.Cell has it. */
export function label(cell) {
  const step = cell.step === "inference" ? "" : `-${cell.step}`;
  return `x${scaleText(cell.scale)}-c${cell.channels}-${cell.in_channels}to${cell.out_channels}-${cell.height}x${cell.width}`
    + `-b${cell.batch}-${cell.dtype}-${cell.layout}-t${cell.threads}-${cell.device}-${cell.runtime}${step}`;
}

/** All upsamplers of the grid, in the catalogue's order, with their titles. */
export const upsamplers = [...new Set(plan.cases.map((each) => each.upsampler))]
  .map((name) => ({ name, title: plan.facts.cards[name].title }));

/** The questions of a choice, cells within places, each with its cases. */
export function questions(chosen) {
  return chosen.places.flatMap((place) => chosen.cells.map((index) => {
    const cell = cellIn(plan.cells[index], place);
    const cases = plan.cases.filter((each) => each.cell === index && chosen.upsamplers.includes(each.upsampler));
    return { label: label(cell), cell, place, cases };
  })).filter((question) => question.cases.length > 0);
}

/** By what the launches of a question are found again: the page, the browser, and who its rivals are. */
export function keyOf(question, here) {
  const names = question.cases.map((each) => each.upsampler);
  return JSON.stringify([plan.digest, here.userAgent, here.isolated, question.label, names]);
}
