// What stands behind a figure: interval, provenance, busy share. Shown on hover, focus or touch; Escape takes it away.

import { data } from "page/data";
import { ratio, rivalOf, valueOf } from "page/cases";
import { element } from "page/element";
import { count, figure, percent, times } from "page/figures";
import { say } from "page/words";

const box = document.getElementById("detail");
let owner = null;

/** Show what is known of a case beside an element, or at a point of a chart. */
export function show(row, anchor) {
  owner = anchor;
  box.replaceChildren(element("strong", { dir: "auto" }, row.title), list(row));
  box.hidden = false;
  if (anchor instanceof Element) anchor.setAttribute("aria-describedby", box.id);
  place(anchor instanceof Element ? anchor.getBoundingClientRect() : anchor);
}

/** Take it away, if it belongs to that element. */
export function hide(anchor) {
  if (anchor && owner !== anchor) return;
  if (owner instanceof Element) owner.removeAttribute("aria-describedby");
  box.hidden = true;
  owner = null;
}

/** Let an element show what is known of a case by whatever reaches it. */
export function attach(trigger, row) {
  for (const event of ["mouseenter", "focus", "click"]) trigger.addEventListener(event, () => show(row, trigger));
  for (const event of ["mouseleave", "blur"]) trigger.addEventListener(event, () => hide(trigger));
}

addEventListener("keydown", (event) => event.key === "Escape" && hide());
addEventListener("scroll", follow, { passive: true, capture: true });
document.addEventListener("pointerdown", (event) => box.contains(event.target) || owner === event.target || hide());

function list(row) {
  const run = data.explorer.runs[row.run];
  const compared = ratio(row, rivalOf(row));
  const facts = [
    ["name", row.name],
    ["latency", row.latency === null ? null : figure(row.latency)],
    ["interval", row.low === null ? null : say("to", { low: figure(row.low), high: figure(row.high) })],
    ["ratio", compared && `${times(compared.estimate)} (${say("to", { low: figure(compared.low), high: figure(compared.high) })})`],
    ["busy", row.busy === null ? null : percent(row.busy)],
    ["launches", row.launches === null ? null : count(row.launches)],
    ["conversion", row.conversion === null ? null : figure(row.conversion)],
    ["error", row.error === null ? null : row.error.toExponential(0)],
    ["outcome", valueOf(row, "outcome")],
    ["reason", row.reason],
    ["provenance", say("measured", { ...run, commit: run.commit || "?" }) + (run.dirty ? `, ${say("dirty")}` : "")],
  ];
  const known = facts.filter(([, value]) => value);
  return element("dl", {}, ...known.flatMap(([key, value]) => [element("dt", {}, say(key)), element("dd", { dir: "auto" }, String(value))]));
}

// It stays with its element, which the focus may have scrolled into sight, and goes when that goes.
function follow(event) {
  if (!owner || event.target === box || box.contains(event.target)) return;
  const near = owner instanceof Element ? owner.getBoundingClientRect() : null;
  if (!near || near.bottom < 0 || near.top > innerHeight) hide();
  else place(near);
}

function place(near) {
  const margin = 8;
  const { width, height } = box.getBoundingClientRect();
  const below = near.bottom + margin + height < innerHeight;
  box.style.left = `${Math.max(margin, Math.min(near.left, innerWidth - width - margin))}px`;
  box.style.top = `${Math.max(margin, below ? near.bottom + margin : near.top - height - margin)}px`;
}
