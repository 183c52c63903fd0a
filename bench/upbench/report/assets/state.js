// What the reader chose, kept in the address's hash as short as it can be said: values by their place in the page's lists.

import { data } from "page/data";
import { language, languages, speak } from "page/words";

const facets = data.explorer.facets;
const openedIn = language();

const nothing = () => ({
  filters: new Map(),
  search: "",
  sort: [],
  baseline: null,
  ratios: false,
  chart: "latency",
  colour: "",
  length: 25,
});

/** The choices: by facet the places of the values that are let through, and so on. */
export const state = nothing();

const listeners = [];

/** Call back after every change, with the names of what has changed. */
export const onChange = (listener) => listeners.push(listener);

/** Change some of the choices, and say so in the address. */
export function change(changes) {
  Object.assign(state, changes);
  history.replaceState(null, "", hash() || location.pathname + location.search);
  for (const listener of listeners) listener(Object.keys(changes));
}

/** Everything as it was when the page was opened without a hash, but for the language. */
export const reset = () => change(nothing());

/** Change the language, which is a choice like others. */
export function changeLanguage(tag) {
  speak(tag);
  change({ language: tag });
}

function hash() {
  const words = new URLSearchParams();
  for (const [key, places] of state.filters) words.set(key, [...places].sort((a, b) => a - b).join("."));
  if (state.search) words.set("q", state.search);
  if (state.sort.length) words.set("sort", state.sort.map(([key, down]) => (down ? `-${key}` : key)).join("."));
  if (state.baseline !== null) words.set("base", state.baseline);
  if (state.ratios) words.set("ratios", "1");
  if (state.chart !== "latency") words.set("chart", state.chart);
  if (state.colour) words.set("colour", state.colour);
  if (state.length !== 25) words.set("rows", state.length);
  if (language() !== openedIn) words.set("lang", language());
  const text = words.toString();
  return text && `#${text}`;
}

/** Read the address; what it says that this page has not is left out. */
function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  const next = nothing();
  for (const { key, values } of facets) {
    const places = (words.get(key) ?? "").split(".").filter((each) => /^\d+$/.test(each) && Number(each) < values.length);
    if (places.length) next.filters.set(key, new Set(places.map(Number)));
  }
  next.search = (words.get("q") ?? "").slice(0, 80);
  next.sort = (words.get("sort") ?? "").split(".").filter(Boolean)
    .map((each) => (each.startsWith("-") ? [each.slice(1), true] : [each, false]));
  const base = words.get("base");
  if (base !== null && /^\d+$/.test(base) && Number(base) < data.explorer.rows.length) next.baseline = Number(base);
  next.ratios = words.get("ratios") === "1";
  next.chart = words.get("chart") ?? "latency";
  next.colour = words.get("colour") ?? "";
  next.length = [25, 50, 100, -1].includes(Number(words.get("rows"))) ? Number(words.get("rows")) : 25;
  const tag = words.get("lang");
  if (languages.includes(tag) && tag !== language()) speak(tag);
  return next;
}

/** Take the choices from the address, now and whenever it changes; an anchor such as #method is no choice. */
export function followAddress() {
  Object.assign(state, read());
  addEventListener("hashchange", () => {
    if (location.hash && !location.hash.includes("=")) return;
    Object.assign(state, read());
    for (const listener of listeners) listener([...Object.keys(state), "language"]);
  });
}
