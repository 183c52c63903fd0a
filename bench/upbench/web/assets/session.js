// Who is measured when: passes over the questions in random order, until each has the launches that were asked for.

import { launch, Stopped } from "./launching.js";
import { keyOf } from "./plan.js";
import { forget, keep, kept } from "./store.js";

const shuffled = (values) => values.map((each) => [Math.random(), each]).sort(([a], [b]) => a - b).map(([, each]) => each);
const drawn = () => [...crypto.getRandomValues(new Uint8Array(3))].map((each) => each.toString(16).padStart(2, "0")).join("");

/** A question with its launches so far and the cases that failed in any of them. */
export class Standing {
  constructor(question, key, launches) {
    Object.assign(this, { question, key, launches });
  }

  /** How cases ended: {upsampler: {outcome, reason}}. */
  get failures() {
    const before = this.question.cases.filter((each) => each.outcome !== "ok")
      .map(({ upsampler, outcome, reason }) => [upsampler, { outcome, reason }]);
    return Object.fromEntries([...before, ...this.launches.flatMap((each) => Object.entries(each.ended))]);
  }

  get running() {
    const failures = this.failures;
    return this.question.cases.filter((each) => !(each.upsampler in failures));
  }

  /** Launches in which anything was timed. */
  get timed() {
    return this.launches.filter((each) => each.rounds.length > 0);
  }

  isOpen(wanted) {
    return this.timed.length < wanted && this.running.length > 0;
  }
}

/** The questions as the browser has kept them. */
export async function standings(questions, here) {
  return Promise.all(questions.map(async (question) => {
    const key = keyOf(question, here);
    return new Standing(question, key, await kept(key));
  }));
}

/** Forget what was kept of them. */
export const forgetAll = (all) => Promise.all(all.map(async (standing) => {
  standing.launches = [];
  await forget(standing.key);
}));

/** Resolves when people look at the page again. */
function seen(signal) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (signal.aborted) reject(new Stopped());
      else if (!document.hidden) resolve();
      else return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
    look();
  });
}

/** A launch that nobody hid; how many were begun in vain is told. */
async function whileSeen(standing, signal, watcher) {
  for (;;) {
    if (document.hidden) {
      watcher.hidden();
      await seen(signal);
      watcher.begun(standing);
    }
    const own = new AbortController();
    const hide = () => document.hidden && own.abort("hidden");
    const stop = () => own.abort("stopped");
    document.addEventListener("visibilitychange", hide);
    signal.addEventListener("abort", stop);
    try {
      return await launch(standing.question, standing.running, own.signal, (share) => watcher.share(share));
    } catch (error) {
      if (!(error instanceof Stopped) || signal.aborted) throw error;
      watcher.spoiled();
    } finally {
      document.removeEventListener("visibilitychange", hide);
      signal.removeEventListener("abort", stop);
    }
  }
}

/**
 * Make launches until all questions have as many as wanted, or the signal stops it.
 *
 * The watcher is told: begun(standing), share(of the launch), finished(standing), hidden(), spoiled().
 */
export async function measure(all, wanted, signal, watcher) {
  for (;;) {
    const open = all.filter((standing) => standing.isOpen(wanted));
    if (open.length === 0) return;
    for (const standing of shuffled(open)) {
      if (signal.aborted) throw new Stopped();
      watcher.begun(standing);
      const begun = performance.now();
      const { names, rounds, calls, about, ended, step } = await whileSeen(standing, signal, watcher);
      const id = `${standing.launches.length}-${drawn()}`;
      // A launch that took a rival down has timed nothing, and tells who it was.
      standing.launches.push({ id, names, rounds, calls, about, ended, step, seconds: (performance.now() - begun) / 1000 });
      await keep(standing.key, standing.launches);
      watcher.finished(standing);
    }
  }
}
