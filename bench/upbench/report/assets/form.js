// The form that asks which upsampler to use, and what it is answered.

import { advise } from "page/advice";
import { element } from "page/element";
import { recommend } from "page/recommend";

function shown(advice, language) {
  const list = (title, lines) =>
    lines.length ? [element("p", {}, title), element("ul", {}, ...lines.map((line) => element("li", {}, line)))] : [];
  const row = (tag, cells) =>
    element("tr", {}, ...cells.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  const parts = [
    element("p", {}, element("strong", {}, advice.answer[0])),
    ...advice.answer.slice(1).map((line) => element("p", {}, line)),
    ...list(advice.titles.changes, advice.changes),
    ...advice.commands.flatMap(([what, line]) => [element("p", {}, what), element("pre", {}, element("code", {}, line))]),
    ...list(advice.titles.notes, advice.notes),
  ];
  if (advice.rows.length) {
    const head = element("thead", {}, row("th", advice.headings));
    const body = element("tbody", {}, ...advice.rows.map((cells) => row("td", cells)));
    const table = element("table", { class: "data" }, head, body);
    parts.splice(advice.answer.length, 0, element("div", { class: "scroll", tabindex: 0 }, table));
  }
  return element("div", { class: "said", lang: language }, ...parts);
}

// The question that a form holds; null where it is filled in with what no case can have.
function asked(form) {
  const value = (name) => form.elements[name].value.trim();
  const whole = ["channels", "height", "width", "batch"].map((name) => [name, Number(value(name))]);
  const units = { max_latency: ["latency", 1e-3], max_memory: ["memory", 1e6], min_psnr: ["psnr", 1] };
  const limits = Object.entries(units).filter(([name]) => value(name) !== "")
    .map(([name, [of, size]]) => [of, Number(value(name)) * size]);
  const right = whole.every(([, number]) => Number.isInteger(number) && number >= 1)
    && limits.every(([, limit]) => Number.isFinite(limit) && limit > 0);
  return right ? {
    surroundings: Number(value("surroundings")), scale: Number(value("scale")), objective: value("objective"),
    ...Object.fromEntries(whole), limits: Object.fromEntries(limits),
  } : null;
}

export function attach(form, output, data) {
  const scales = form.elements.scale;
  const options = (texts) => texts.map((each, index) => element("option", { value: index }, each));
  form.elements.surroundings.replaceChildren(...options(data.surroundings.map(({ options: own }) =>
    Object.entries(own).map(([name, value]) => `${name} ${value}`).join(", "))));
  const offerScales = () => scales.replaceChildren(...options(
    data.surroundings[form.elements.surroundings.value].scales.map((each) => `×${each.scale}`)));
  const answer = () => {
    const question = asked(form);
    const found = question && recommend(data, question);
    output.replaceChildren(...Object.entries(data.words).map(([language, words]) => (found
      ? shown(advise(data, words, found), language)
      : element("p", { class: "said", lang: language }, words.not_a_case))));
  };
  offerScales();
  form.elements.surroundings.addEventListener("change", offerScales);
  form.addEventListener("submit", (event) => { event.preventDefault(); answer(); });
}
