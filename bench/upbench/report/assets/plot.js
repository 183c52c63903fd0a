// The explorer's chart: which figure of the shown cases, in which colours.

import { cases, valueOf, varying } from "page/cases";
import { chartIn } from "page/chart";
import { against } from "page/columns";
import { hide, show as showDetail } from "page/detail";
import { element } from "page/element";
import { change, state } from "page/state";
import { onTheme } from "page/theme";
import { say } from "page/words";

const KINDS = ["latency", "ratio", "memory", "pareto", "flops"];
const LONGEST = 44;
const ROW = 17;

const kinds = document.getElementById("chart-kind");
const colours = document.getElementById("chart-colour");
const caption = document.getElementById("chart-caption");
const chart = chartIn(document.getElementById("chart"), (datum, event) => {
  if (datum) showDetail(cases[datum.place], { left: event.clientX, top: event.clientY, bottom: event.clientY });
  else hide();
});
let current = [];

kinds.addEventListener("change", () => change({ chart: kinds.value }));
colours.addEventListener("change", () => change({ colour: colours.value }));
onTheme(() => chart.again());

const kind = () => (KINDS.includes(state.chart) ? state.chart : "latency");
const facets = () => varying.map(({ key }) => key);
const colour = () => {
  if (facets().includes(state.colour)) return state.colour;
  return ["runtime", "scale", "channels", "family"].find((key) => facets().includes(key)) ?? "";
};

/** Build the choices and the chart, as for another language. */
export function build() {
  kinds.replaceChildren(...KINDS.map((key) => element("option", { value: key, selected: key === kind() }, say(`chart_${key}`))));
  colours.replaceChildren(...facets().map((key) => element("option", { value: key, selected: key === colour() }, say(key))));
  colours.parentElement.hidden = !facets().length;
  draw();
}

/** Show these cases. */
export function follow(rows, changed) {
  current = rows;
  kinds.value = kind();
  colours.value = colour();
  if (["chart", "colour"].some((each) => changed.includes(each))) draw();
  else feed();
}

function draw() {
  const points = values();
  chart.show(spec(), points, height(points));
  describe(points);
}

function feed() {
  const points = values();
  chart.feed(points, height(points));
  describe(points);
}

function describe(points) {
  caption.textContent = say("chart_follows", { title: say(`chart_${kind()}`), count: points.length });
}

// Vega-Lite can follow its rows itself, but warns in the console that it does.
function height(points) {
  return ranked() ? Math.max(2, new Set(points.map(({ y }) => y)).size) * ROW : 380;
}

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

function values() {
  const by = colour();
  const points = current.map((row) => point(row, by)).filter((each) => each && each.x > 0 && each.y !== null);
  return typeof points[0]?.y === "string" ? fastestOnTop(points) : points;
}

function fastestOnTop(points) {
  const own = Map.groupBy(points, ({ y }) => y);
  const middle = new Map([...own].map(([y, each]) => [y, each.map(({ x }) => x).sort((a, b) => a - b)[each.length >> 1]]));
  return points.sort((a, b) => middle.get(a.y) - middle.get(b.y));
}

function point(row, by) {
  const of = { place: row.place, colour: by ? short(valueOf(row, by)) : "" };
  const who = short(row.title);
  switch (kind()) {
    case "ratio": {
      const found = against(row);
      return found && { ...of, x: found.estimate, low: found.low, high: found.high, y: who };
    }
    case "memory":
      return { ...of, x: row.memory, y: who };
    case "pareto":
      return { ...of, ...latency(row), y: row.memory || null };
    case "flops":
      return { ...of, x: row.gflops, y: row.latency };
    default:
      return { ...of, ...latency(row), y: who };
  }
}

const ranked = () => !["pareto", "flops"].includes(kind());

// A case of a single launch has no interval.
const latency = (row) => ({ x: row.latency, low: row.low ?? row.latency, high: row.high ?? row.latency });

function spec() {
  const titles = {
    latency: ["latency", null], ratio: ["ratio", null], memory: ["memory", null], pareto: ["latency", "memory"], flops: ["gflops", "latency"],
  };
  const [x, y] = titles[kind()];
  const axis = { labelLimit: innerWidth < 600 ? 120 : 260, title: ranked() ? null : say(y) };
  const colouring = colour() ? { field: "colour", type: "nominal", title: say(colour()), sort: null } : { value: "#0072b2" };
  const across = { type: "quantitative", scale: { type: "log", nice: false, padding: 8 } };
  const intervals = { mark: { type: "rule", opacity: 0.55, aria: false }, encoding: { x: { field: "low", ...across }, x2: { field: "high" } } };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description: say(`chart_${kind()}`),
    encoding: {
      x: { field: "x", ...across, axis: { title: say(x), format: "~g", labelOverlap: true, tickCount: 5 } },
      y: ranked()
        ? { field: "y", type: "nominal", sort: null, axis: { ...axis, grid: true } }
        : { field: "y", ...across, axis: { ...axis, format: "~g", labelOverlap: true } },
      color: colouring,
    },
    layer: [
      ...(["memory", "flops"].includes(kind()) ? [] : [intervals]),
      { mark: { type: "point", filled: true, size: 46, opacity: 0.85, aria: false, tooltip: { content: "data" } } },
    ],
  };
}
