// What the visitor chose to measure, as the form has it.

import { element } from "./element.js";
import { places, plan, questions, upsamplers } from "./plan.js";
import { cellText } from "./record.js";
import { onLanguage, say } from "./words.js";

const form = document.getElementById("choice");
const checked = (name) => [...form.querySelectorAll(`input[name="${name}"]:checked`)].map(({ value }) => value);

function box(name, value, text, attributes = {}) {
  return element("label", { class: "pick" }, element("input", { type: "checkbox", name, value, checked: true, ...attributes }), text);
}

function fill(name, boxes) {
  document.getElementById(name).append(...boxes);
}

const placeText = (place) => (place.provider === "webgpu" ? "WebGPU" : say(place.threads === 1 ? "wasm_one" : "wasm_many", place));

/** Build the form for a browser; `onChange` is called at every change. */
export function build(here, onChange) {
  const all = places(here);
  const texts = all.map((place) => [place, document.createTextNode("")]);
  fill("cells", plan.cells.map((cell, index) => box("cell", index, cellText(cell))));
  fill("upsamplers", upsamplers.map(({ name, title }) => box("upsampler", name, title)));
  fill("places", texts.map(([place, text]) =>
    box("place", place.key, text, place.missing ? { checked: false, disabled: true } : {})));
  const follow = () => texts.forEach(([place, text]) => {
    text.data = place.missing ? `${placeText(place)} – ${say(place.missing)}` : placeText(place);
  });
  onLanguage(follow);
  follow();
  form.addEventListener("change", onChange);
  form.addEventListener("submit", (event) => event.preventDefault());
  return {
    questions: () => questions({
      cells: checked("cell").map(Number),
      upsamplers: checked("upsampler"),
      places: all.filter((place) => checked("place").includes(place.key)),
    }),
    launches: () => Number(form.elements.launches.value),
    lock: (locked) => form.querySelectorAll("fieldset").forEach((each) => { each.disabled = locked; }),
    placeText,
  };
}
