// What was measured, as tables: one a question, the fastest first.

import { element } from "./element.js";
import { beside, controls, figures, slowdown } from "./figures.js";
import { plan } from "./plan.js";
import { cellText } from "./record.js";
import { say } from "./words.js";

const HOT = 1.2;
const digits = (value) => String(Number(value.toPrecision(3)));
const title = (each) => plan.facts.cards[each.case.upsampler].title;

function ratioText(each, { fastest, ratio }) {
  if (each === fastest) return "1";
  const found = ratio(each);
  if (!found) return "–";
  return say("times", { ratio: digits(found.estimate), low: digits(found.low), high: digits(found.high) });
}

function row(each, compare) {
  if (each.launches.length === 0) {
    return element("tr", {}, element("th", { scope: "row" }, title(each)),
      element("td", { colspan: 2, class: "why" }, `${say(each.outcome)}: ${each.reason}`));
  }
  return element("tr", {}, element("th", { scope: "row" }, title(each)),
    element("td", {}, digits(each.latency_s * 1e3)),
    element("td", {}, ratioText(each, compare) + (each.outcome === "unstable" ? `, ${say("unstable")}` : "")));
}

function table(standing, quiet, placeText) {
  const all = figures(standing, quiet);
  const compare = beside(all);
  const speed = (each) => (each.launches.length ? each.latency_s : Infinity);
  const { question } = standing;
  const caption = say("caption", { cell: cellText(question.cell), place: placeText(question.place), count: standing.timed.length });
  return element("table", { class: "rivals" }, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...["upsampler", "latency", "ratio"].map((key) => element("th", { scope: "col" }, say(key))))),
    element("tbody", {}, ...[...all].sort((a, b) => speed(a) - speed(b)).map((each) => row(each, compare))));
}

/** Draw the tables and what is to be said of the device into the page; returns whether anything was timed. */
export function draw(standings, placeText) {
  const timed = standings.filter((standing) => standing.launches.length > 0);
  const quiet = controls(timed);
  document.getElementById("tables").replaceChildren(...timed.map((standing) => table(standing, quiet, placeText)));
  const slower = slowdown(timed);
  const notes = [];
  const busy = timed.flatMap((standing) => figures(standing, quiet)).filter((each) => each.launches.length).map(({ disturbed }) => disturbed);
  if (busy.length) notes.push(say("busy", { share: Math.round((100 * busy.reduce((sum, each) => sum + each, 0)) / busy.length) }));
  if (slower !== null && slower > HOT) notes.push(say("hot", { ratio: digits(slower) }));
  document.getElementById("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
  return timed.some((standing) => standing.timed.length > 0);
}
