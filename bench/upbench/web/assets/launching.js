// A launch from the page's side: a worker is started, listened to, and ended, whatever becomes of it.

import { plan } from "./plan.js";

const TIMEOUT_MS = 120_000;
const FOLDER = new URL(`ort-${plan.runtime.version}/`, document.baseURI).href;

export class Stopped extends Error {}

/**
 * Time the rivals of a question side by side in a fresh worker.
 *
 * Resolves to what the worker told; a rival that took it down, or that never answered, is among those that ended.
 * Rejects with Stopped when the signal says so, and with another error where nothing can be measured.
 */
export function launch(question, running, signal, onShare) {
  const { place } = question;
  const rivals = running.map((each) => ({ name: each.upsampler, model: absolute(each.model) }));
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("worker.js", document.baseURI), { type: "module" });
    let doing = "control", timer = null;
    const end = (how, value) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      worker.terminate();
      how(value);
    };
    const stop = () => end(reject, new Stopped());
    const lost = (outcome, reason) => {
      if (doing === "control") end(reject, new Error(reason));
      else end(resolve, { names: [], rounds: [], calls: [], about: {}, ended: { [doing]: { outcome, reason } } });
    };
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => lost("timeout", `no answer within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
    };
    worker.addEventListener("message", ({ data }) => {
      wait();
      if (data.kind === "doing") doing = data.name;
      else if (data.kind === "round") onShare(data.share);
      else if (data.kind === "failed" && data.unreachable) end(reject, new Error(data.reason));
      else if (data.kind === "failed") lost("crashed", data.reason);
      else end(resolve, data);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      lost("crashed", event.message || "the worker could not be started");
    });
    signal.addEventListener("abort", stop);
    wait();
    worker.postMessage({
      folder: FOLDER, script: place.script, provider: place.provider, threads: place.threads,
      control: absolute(plan.control), rivals, protocol: plan.protocol,
    });
  });
}

const absolute = (model) => ({
  ...model,
  file: new URL(model.file, document.baseURI).href,
  expected: new URL(model.expected, document.baseURI).href,
  inputs: model.inputs.map((each) => ({ ...each, file: new URL(each.file, document.baseURI).href })),
});
