// The page comes alive: what the reader chose, and who shows it.

import { cases, valueOf } from "page/cases";
import { columns } from "page/columns";
import { csvOf, download } from "page/csv";
import { data } from "page/data";
import * as filters from "page/filters";
import * as form from "page/form";
import * as grid from "page/grid";
import * as plot from "page/plot";
import * as quality from "page/quality";
import { changeLanguage, followAddress, onChange, state } from "page/state";
import { say } from "page/words";

let changedNow = [];

function build() {
  filters.build();
  filters.follow();
  grid.build();
  plot.build();
  quality.build();
}

function describe(rows) {
  document.getElementById("shown").textContent = say("shown", { shown: rows.length, total: cases.length });
  const base = state.baseline === null ? null : cases[state.baseline];
  document.getElementById("baseline").textContent = base
    ? say("baseline_chosen", { name: base.title.slice(0, 100), runtime: valueOf(base, "runtime"), layout: valueOf(base, "layout") })
    : say("baseline_fastest");
}

grid.onDraw((rows) => {
  describe(rows);
  plot.follow(rows, changedNow);
});

onChange((changed) => {
  changedNow = changed;
  if (changed.includes("language")) return build();
  filters.follow();
  return grid.follow(changed);
});

for (const choice of document.querySelectorAll('input[name="language"]')) {
  choice.addEventListener("change", () => changeLanguage(choice.value));
}
document.getElementById("csv").addEventListener("click", () => download(csvOf(grid.shownCases()), "upsamplers.csv"));
document.getElementById("static")?.removeAttribute("open");

const question = document.getElementById("recommend-form");
if (question) form.attach(question, document.getElementById("recommend-answer"), data.recommendation);

followAddress();
document.documentElement.classList.add("alive");
build();
document.documentElement.dataset.ready = String(columns.length);
