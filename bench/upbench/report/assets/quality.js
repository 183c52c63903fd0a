// The section of image quality: its table sorts and filters, its curves follow, its pictures are chosen.

import DataTable from "datatables";
import { chartIn } from "page/chart";
import { data } from "page/data";
import { element } from "page/element";
import { onTheme, theme } from "page/theme";
import { language, say } from "page/words";

const MARKS = ["scale", "league", "placement"];
const shortTag = () => language().slice(0, 2);
const runs = () => (made ??= [...document.querySelectorAll("#quality .run")].map((place) => new RunOnPage(place, data.quality[place.dataset.run])));
let made = null;

/** Put everything in the page's language. */
export const build = () => runs().forEach((run) => run.build());

function RunOnPage(place, own) {
  const table = new DataTable(place.querySelector("table"), {
    paging: false, info: false, order: [], autoWidth: false, layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    language: { aria: { orderable: "", orderableReverse: "", orderableRemove: "" } },
    columnDefs: [{ targets: numeric(place.querySelector("table")), type: "leading" }],
  });
  // Two scales in one chart tell nobody anything.
  const chosen = new Map(own.contestants.length ? [["scale", new Set([own.contestants[0].marks.scale])]] : []);
  const passes = (marks) => MARKS.every((key) => !chosen.get(key)?.size || chosen.get(key).has(marks[key]));
  table.search.fixed("facets", (text, row, index) => passes(table.row(index).node().dataset));

  const meter = place.querySelector("[data-meter]");
  const caption = place.querySelector("[data-caption]");
  const chart = chartIn(place.querySelector("[data-curves]"));
  onTheme(() => chart.again());
  meter.addEventListener("change", draw);

  this.build = () => {
    place.querySelector("[data-facets]").replaceChildren(...MARKS.map(facet).filter(Boolean));
    meter.replaceChildren(...own.meters.map((each, index) => element("option", { value: index, selected: index === Number(meter.value || 0) }, titled(each))));
    table.draw();
    pictures();
    for (const image of place.querySelectorAll("img[data-zh]")) {
      image.dataset.en ??= image.alt;
      image.alt = image.dataset[shortTag()];
    }
    draw();
  };

  function facet(key) {
    const values = [...new Set(own.contestants.map(({ marks }) => marks[key]))];
    if (values.length < 2) return null;
    const chips = values.map((value) => {
      const box = element("input", { type: "checkbox", checked: chosen.get(key)?.has(value), onchange: () => {
        const places = chosen.get(key) ?? new Set();
        places[box.checked ? "add" : "delete"](value);
        chosen.set(key, places);
        table.draw();
        draw();
      } });
      return element("label", { class: "chip" }, box, element("span", { dir: "auto" }, named(value)));
    });
    return element("fieldset", {}, element("legend", {}, say(key)), ...chips);
  }

  function named(value) {
    return own.labels[value]?.[shortTag()] ?? value;
  }

  function titled(each) {
    return each.title[shortTag()];
  }

  function draw() {
    const each = own.meters[Number(meter.value || 0)];
    if (!each) return;
    const shown = own.contestants.filter(({ marks }) => passes(marks));
    const points = shown.flatMap((one, index) => one.curves[each.name].map(([step, value]) => ({
      step, value, index, who: one.title.slice(0, 44), way: MARKS.map((key) => named(one.marks[key])).join(", ").slice(0, 60),
    })));
    caption.textContent = say("chart_curve", { meter: titled(each), better: say(`better_${each.better}`) });
    chart.show(curves(titled(each)), points, 340);
  }

  function pictures() {
    const groups = [...place.querySelectorAll(".group")];
    const choices = place.querySelector("[data-choices]");
    if (!groups.length) return;
    const before = Object.fromEntries([...choices.querySelectorAll("select")].map((select) => [select.name, select.value]));
    const selects = ["scale", "image", "step"].map((key) => {
      const values = [...new Set(groups.map(({ dataset }) => dataset[key]))];
      const last = key === "step" ? values.at(-1) : values[0];
      const options = values.map((value) => element("option", { value, selected: value === (before[key] ?? last) }, value));
      return element("select", { name: key, onchange: show }, ...options);
    });
    const labels = ["scale", "image", "steps"];
    choices.replaceChildren(...selects.map((select, index) => element("label", {}, element("span", {}, say(labels[index])), select)));
    show();
    function show() {
      for (const group of groups) group.hidden = selects.some((select) => group.dataset[select.name] !== select.value);
    }
  }
}

// What stands first in a cell, as a number to sort by: the rest is its interval or its unit.
const leading = (html) => {
  const number = Number.parseFloat(html.replace(/<[^>]*>/g, "").replace(/[,×+]/g, "").replace("−", "-"));
  return Number.isNaN(number) ? -Infinity : number;
};
DataTable.ext.type.order["leading-pre"] = leading;

function numeric(table) {
  const rows = [...table.tBodies[0].rows];
  const places = [...(table.tHead.rows[0]?.cells ?? [])].map((_, index) => index);
  return places.filter((index) => rows.some((row) => leading(row.cells[index].innerHTML) > -Infinity)
    && rows.every((row) => /^[–∞×+\-−\d]/.test(row.cells[index].textContent.trim())));
}

function curves(title) {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description: title,
    mark: { type: "line", point: { size: 30 }, aria: false, tooltip: false },
    encoding: {
      x: { field: "step", type: "quantitative", scale: { type: "symlog", constant: 100 }, axis: { title: say("steps"), labelOverlap: true, format: "d" } },
      y: { field: "value", type: "quantitative", scale: { zero: false }, axis: { title } },
      color: { field: "who", type: "nominal", title: null, sort: null },
      strokeDash: { field: "way", type: "nominal", title: null, sort: null, legend: { symbolType: "stroke", symbolStrokeColor: theme().axis.labelColor } },
      detail: { field: "index" },
    },
  };
}
