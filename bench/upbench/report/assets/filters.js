// The form of filters: a row of chips for each facet in which cases differ, a search, the switch to ratios, one reset.

import { fixed, varying } from "page/cases";
import { element } from "page/element";
import { change, reset, state } from "page/state";
import { say } from "page/words";

const form = document.getElementById("filters");
const search = document.getElementById("search");
const ratios = document.getElementById("ratios");

/** Build the form anew, as for another language. */
export function build() {
  const rows = varying.map(({ key, values }) =>
    element("fieldset", {}, element("legend", {}, say(key)), ...values.map((value, place) => chip(key, value, place))),
  );
  document.getElementById("facets").replaceChildren(...rows);
  const facts = fixed.map(({ key, values }) => `${say(key)} ${values[0]}`);
  document.getElementById("fixed").textContent = facts.length ? say("fixed", { facts: facts.reduceRight((rest, first) => say("row", { first, rest })) }) : "";
}

/** Make the form show what is chosen. */
export function follow() {
  for (const box of form.querySelectorAll(".chip input")) {
    box.checked = state.filters.get(box.name)?.has(Number(box.value)) ?? false;
  }
  if (search.value !== state.search) search.value = state.search;
  ratios.checked = state.ratios;
}

function chip(key, value, place) {
  const box = element("input", { type: "checkbox", name: key, value: place, onchange: () => toggle(key, place, box.checked) });
  return element("label", { class: "chip", title: value.length > 24 ? value : false }, box, element("span", { dir: "auto" }, value));
}

function toggle(key, place, on) {
  const places = new Set(state.filters.get(key));
  places[on ? "add" : "delete"](place);
  const filters = new Map(state.filters);
  if (places.size) filters.set(key, places);
  else filters.delete(key);
  change({ filters });
}

form.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => change({ search: search.value }));
ratios.addEventListener("change", () => change({ ratios: ratios.checked }));
document.getElementById("reset").addEventListener("click", reset);
