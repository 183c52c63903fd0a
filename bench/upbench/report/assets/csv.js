// What is shown, as a file: the filtered cases in the order of the table, every figure as exact as the page has it.

import { against, columns } from "page/columns";
import { element } from "page/element";
import { say } from "page/words";

const BESIDE = [
  ["low", (row) => row.low],
  ["high", (row) => row.high],
  ["ratio_low", (row) => against(row)?.low ?? null],
  ["ratio_high", (row) => against(row)?.high ?? null],
];

/** The cases as text of comma-separated values, as RFC 4180 has them. */
export function csvOf(rows) {
  const headings = [say("name"), ...columns.map((column) => column.heading()), ...BESIDE.map(([key]) => say(key))];
  const lines = rows.map((row) => [
    row.name,
    ...columns.map((column) => (column.number ? column.value(row) : column.text(row))),
    ...BESIDE.map(([, value]) => value(row)),
  ]);
  return [headings, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Hand a text over as a download. */
export function download(text, name) {
  const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  // A spreadsheet would run a text that begins like this as a formula.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
