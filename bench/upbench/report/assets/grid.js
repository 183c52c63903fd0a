// The table of every case: DataTables sorts, pages and searches; cells are elements, so that no record is read as markup.

import DataTable from "datatables";
import { cases, passes } from "page/cases";
import { columns } from "page/columns";
import { attach, hide } from "page/detail";
import { element } from "page/element";
import { change, state } from "page/state";
import { say } from "page/words";

const place = document.getElementById("grid");
let table = null;
let drawn = () => {};
let ours = false;

// Cases without a figure stand last, whichever way the others are sorted.
DataTable.ext.type.order["figure-asc"] = (a, b) => (a === null) - (b === null) || a - b;
DataTable.ext.type.order["figure-desc"] = (a, b) => (a === null) - (b === null) || b - a;

/** Call back with the cases that are shown, in the order of the table, after each change of them. */
export const onDraw = (listener) => (drawn = listener);

/** The cases that the filters let through, sorted. */
export const shownCases = () => table.rows({ search: "applied", order: "applied" }).data().toArray();

/** Build the table anew, as for another language. */
export function build() {
  table?.destroy();
  const node = element("table", { "aria-describedby": "shown baseline" });
  place.replaceChildren(node);
  table = new DataTable(node, {
    data: cases,
    columns: columns.map(definition),
    deferRender: true,
    autoWidth: false,
    pageLength: state.length,
    lengthMenu: [25, 50, 100, { label: say("all"), value: -1 }],
    order: sorting(),
    layout: { topStart: null, topEnd: null, bottomStart: ["pageLength", "info"], bottomEnd: "paging" },
    language: {
      aria: {
        orderable: "", orderableReverse: "", orderableRemove: "",
        paginate: { first: say("first"), last: say("last"), next: say("next"), previous: say("previous"), number: "" },
      },
      paginate: { first: "«", last: "»", next: "›", previous: "‹" },
      info: say("page_of", { start: "_START_", end: "_END_", total: "_TOTAL_" }),
      infoEmpty: "", infoFiltered: "",
      lengthMenu: say("rows", { menu: "_MENU_" }),
      zeroRecords: say("nothing"), emptyTable: say("nothing"),
    },
    createdRow: (line, row) => line.classList.toggle("based", row.place === state.baseline),
  });
  table.search.fixed("facets", (text, row) => passes(row));
  table.on("order", () => ours || change({ sort: chosen() }));
  table.on("length", (event, settings, length) => ours || change({ length }));
  follow(["filters", "search"]);
}

/** Make the table show what is chosen; ``changed`` names what is other than before. */
export function follow(changed) {
  ours = true;
  hide();
  if (["baseline", "ratios"].some((each) => changed.includes(each))) {
    columns.forEach((column, index) => (table.column(index).title(column.heading())));
    table.rows().invalidate();
    table.rows().every(function () {
      this.node()?.classList.toggle("based", this.data().place === state.baseline);
    });
  }
  if (table.search() !== state.search) table.search(state.search);
  if (JSON.stringify(chosen()) !== JSON.stringify(state.sort)) table.order(sorting());
  if (table.page.len() !== state.length) table.page.len(state.length);
  table.draw();
  ours = false;
  drawn(shownCases());
}

function definition(column, index) {
  return {
    title: column.heading(),
    name: column.key,
    className: index === 0 ? "who" : column.number ? "figure" : column.key === "outcome" ? "why" : "",
    type: column.number ? "figure" : "string",
    // What has no figure yet may have one against the next baseline.
    data: (row, asked) => {
      if (asked === "sort" || asked === "type") return column.value(row);
      return asked === "display" ? cell(column, row) : column.text(row);
    },
  };
}

function cell(column, row) {
  if (column.key === "upsampler") return who(row);
  if (column.key !== "latency") return element("span", column.key === "outcome" ? { dir: "auto", title: column.text(row).slice(0, 500) } : {}, column.text(row));
  const trigger = element("button", { type: "button", class: "more" }, column.text(row));
  attach(trigger, row);
  return trigger;
}

function who(row) {
  const based = row.place === state.baseline;
  const label = say(based ? "is_baseline" : "make_baseline", { name: row.title.slice(0, 100) });
  const choose = () => {
    change({ baseline: based ? null : row.place });
    place.querySelector(`button.base[data-place="${row.place}"]`)?.focus();
  };
  const button = element("button", {
    type: "button", class: "base", "aria-pressed": String(based), "aria-label": label, title: label, "data-place": row.place, onclick: choose,
  }, based ? "◉" : "◎");
  return element("div", {}, button, element("div", {}, element("span", { class: "clamp", dir: "auto" }, row.title), brief(row)));
}

// Where there is no room for the columns that say it.
function brief(row) {
  const settings = columns.filter(({ setting }) => setting).map((column) => column.text(row));
  return element("span", { class: "brief", "aria-hidden": "true" }, settings.join(" "));
}

function sorting() {
  const found = state.sort.map(([key, down]) => [columns.findIndex((column) => column.key === key), down ? "desc" : "asc"]);
  return found.filter(([index]) => index >= 0);
}

function chosen() {
  return table.order().map(([index, way]) => [columns[index].key, way === "desc"]);
}
