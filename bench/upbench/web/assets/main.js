// The page comes alive: choose, measure, stop, go on, and take the record away.

import { build } from "./choice.js";
import { download, receiver, send } from "./delivery.js";
import { environment } from "./environment.js";
import { Stopped } from "./launching.js";
import { alone } from "./one_tab.js";
import { fileName, record } from "./record.js";
import { draw } from "./results.js";
import { forgetAll, measure, standings } from "./session.js";
import { onLanguage, say, speak } from "./words.js";

const at = (id) => document.getElementById(id);
const GUESSED_LAUNCH_S = 3;

const here = await environment();
const token = await receiver();
let all = [], stopping = null, spoiled = 0, told = ["ready"], rivalsS = null;

const choice = build(here, follow);

/** The line under the bar. */
function tell(key, values = {}) {
  told = [key, values];
  at("status").textContent = say(key, typeof values === "function" ? values() : values);
}

const left = () => all.reduce((sum, standing) =>
  sum + (standing.running.length ? Math.max(0, choice.launches() - standing.timed.length) : 0), 0);
const minutes = (launches) => Math.max(1, Math.round((launches * (rivalsS ?? GUESSED_LAUNCH_S)) / 60));

/** What is shown follows what is known. */
async function follow() {
  if (stopping === null) all = await standings(choice.questions(), here);
  show();
}

function show() {
  const done = all.reduce((sum, { timed }) => sum + timed.length, 0), open = left();
  at("bar").max = Math.max(1, done + open);
  at("bar").value = done;
  if (stopping === null) {
    const key = all.length === 0 ? "nothing_chosen" : open === 0 ? "finished" : done ? "some_kept" : "ready";
    tell(key, { launches: open, kept: done, minutes: minutes(open), cases: all.reduce((sum, { question }) => sum + question.cases.length, 0) });
  }
  const any = draw(all, choice.placeText);
  at("begin").textContent = say(done && open ? "go_on" : "measure");
  at("begin").disabled = stopping !== null || open === 0;
  at("stop").disabled = stopping === null;
  at("again").disabled = stopping !== null || all.every(({ launches }) => launches.length === 0);
  at("results").hidden = !any;
  at("send").hidden = token === null;
  for (const id of ["save", "send"]) at(id).disabled = stopping !== null;
}

const watcher = {
  begun({ question, running }) {
    tell("measuring", () => ({ place: choice.placeText(question.place), rivals: running.length, minutes: minutes(left()) }));
  },
  share: (share) => { at("bar").value = all.reduce((sum, { timed }) => sum + timed.length, 0) + share; },
  finished({ launches }) {
    const seconds = launches.at(-1).seconds;
    rivalsS = rivalsS === null ? seconds : 0.7 * rivalsS + 0.3 * seconds;
    show();
  },
  hidden: () => tell("hidden"),
  spoiled: () => { spoiled += 1; },
};

async function run() {
  stopping = new AbortController();
  choice.lock(true);
  show();
  at("stop").focus();
  let ended = null;
  try {
    const mine = await alone(async () => {
      all = await standings(choice.questions(), here);
      await measure(all, choice.launches(), stopping.signal, watcher);
    });
    if (!mine) ended = ["other_tab", {}];
  } catch (error) {
    ended = error instanceof Stopped ? null : ["failed", { reason: String(error?.message ?? error) }];
  }
  // Whoever is elsewhere by now stays there.
  const waits = document.activeElement === at("stop") || document.activeElement === document.body;
  stopping = null;
  choice.lock(false);
  show();
  if (ended) tell(...ended);
  if (waits) at(at("begin").disabled ? "save" : "begin").focus();
}

at("begin").addEventListener("click", run);
at("stop").addEventListener("click", () => stopping?.abort());
at("again").addEventListener("click", async () => {
  await forgetAll(all);
  spoiled = 0;
  show();
});
const document_ = () => record(all, here, choice.launches(), spoiled);
at("save").addEventListener("click", () => download(document_(), fileName(here)));
at("send").addEventListener("click", async () => {
  at("send").disabled = true;
  const { taken, said } = await send(document_(), token).catch((error) => ({ taken: false, said: String(error) }));
  tell(taken ? "taken" : "not_taken", { said });
  at("send").disabled = false;
});
addEventListener("beforeunload", (event) => stopping && event.preventDefault());
onLanguage(() => {
  const before = told;
  show();
  tell(...before);
});

const facts = () => say("browser", {
  name: `${here.name} ${here.version}`, system: here.system, cores: here.cores, runtime: at("facts").dataset.runtime,
  shared: say(here.isolated ? "isolated" : "not_isolated"), gpu: here.adapter ?? say("no_webgpu"),
});
onLanguage(() => { at("facts").textContent = facts(); });
// Of an address, nothing but a language that there is counts.
const asked = new URLSearchParams(location.search).get("lang");
speak(asked === "zh" ? "zh-Hans" : asked === "en" ? "en" : document.documentElement.lang);
await follow();
document.documentElement.classList.add("alive");
document.documentElement.dataset.ready = "true";
