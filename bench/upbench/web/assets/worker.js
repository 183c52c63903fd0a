// One launch: a fresh worker with all rivals of a question, checked, and then timed block by block in random order.
// The protocol is that of upbench.processes.rivals; its numbers come with the plan.

const CLOCK_STEPS = 11;
const ROUGH_TICKS = 20, MOST_ROUGH_CALLS = 4096;
const FEWEST_ROUNDS = 2;
const SLOW_S = 0.05;
const TOLD_EVERY_MS = 150;

const tell = (kind, more = {}) => postMessage({ kind, ...more });
const shuffled = (values) => values.map((each) => [Math.random(), each]).sort(([a], [b]) => a - b).map(([, each]) => each);

class WrongOutput extends Error {}
class Unreachable extends Error {}

/** Seconds between two steps of the clock: browsers make it coarse, and coarser where the page is not isolated. */
function clockStep() {
  const steps = [];
  for (let last = performance.now(); steps.length < CLOCK_STEPS; ) {
    const now = performance.now();
    if (now !== last) steps.push(now - last);
    last = now;
  }
  return steps.sort((a, b) => a - b)[steps.length >> 1] / 1000;
}

async function bytes(file) {
  const answer = await fetch(file).catch((error) => { throw new Unreachable(`${file}: ${error.message}`); });
  if (!answer.ok) throw new Unreachable(`${file}: HTTP ${answer.status}`);
  return answer.arrayBuffer();
}

/** How far the output is from what it must be, as a share of the largest value. */
function difference(output, model, expected) {
  if (output.dims.join("×") !== model.dims.join("×")) {
    throw new WrongOutput(`the output has the shape ${output.dims.join("×")}, expected ${model.dims.join("×")}`);
  }
  const values = output.data;
  for (let place = 0; place < values.length; place++) {
    if (!Number.isFinite(values[place])) throw new WrongOutput("the output has values that are not finite");
  }
  let worst = 0;
  for (let place = 0; place < expected.length; place++) {
    worst = Math.max(worst, Math.abs(values[place * model.stride] - expected[place]));
  }
  return worst ? worst / model.largest : 0;
}

/** A model that has been built, called once, and found right. */
async function prepared(ort, model, provider) {
  const [binary, expected, ...inputs] = await Promise.all(
    [model.file, model.expected, ...model.inputs.map((each) => each.file)].map(bytes),
  );
  if (binary.byteLength !== model.bytes) throw new WrongOutput("the model is not the one that was exported");
  const begun = performance.now();
  const session = await ort.InferenceSession.create(new Uint8Array(binary), {
    executionProviders: [provider], graphOptimizationLevel: "all",
  });
  const feeds = Object.fromEntries(model.inputs.map((each, place) => {
    const values = each.type === "int64" ? new BigInt64Array(inputs[place]) : new Float32Array(inputs[place]);
    return [each.name, new ort.Tensor(each.type, values, each.dims)];
  }));
  const call = () => session.run(feeds);
  const output = (await call())[session.outputNames[0]];
  const conversion = (performance.now() - begun) / 1000;
  const error = difference(output, model, new Float32Array(expected));
  if (!(error <= model.tolerance)) {
    throw new WrongOutput(`the output differs from the definition by ${error.toExponential(1)} of the largest value`);
  }
  return { call, conversion, error };
}

/** Mean seconds of so many calls, after one that is not timed. */
async function block(rival, calls) {
  await rival.call();
  const start = performance.now();
  for (let count = 0; count < calls; count++) await rival.call();
  return (performance.now() - start) / 1000 / calls;
}

/** Seconds of one call, roughly; as many calls as it takes for the clock to tell. */
async function roughly(rival, step, protocol) {
  for (let calls = 1; ; calls *= 4) {
    const seconds = await block(rival, calls);
    if (seconds * calls < ROUGH_TICKS * step && calls < MOST_ROUGH_CALLS) continue;
    const again = seconds > protocol.short_s ? seconds : await block(rival, calls);
    return Math.max(Math.min(seconds, again || seconds), step / calls / 10);
  }
}

/** Do something with a rival; should it fail, it is told whose doing that was. */
async function named(rival, work) {
  try {
    return await work();
  } catch (error) {
    tell("doing", { name: rival.name });
    throw error;
  }
}

async function sideBySide(rivals, step, protocol) {
  const callS = [];
  for (const [place, rival] of rivals.entries()) {
    tell("doing", { name: rival.name });
    callS[place] = await named(rival, () => roughly(rival, step, protocol));
  }
  const blockS = Math.max(protocol.block_s, protocol.clock_ticks * step);
  const calls = callS.map((each) => Math.max(1, Math.round(blockS / each)));
  const taken = callS.map((each, place) => (calls[place] + 1) * each);
  const seconds = Math.max(protocol.launch_s, protocol.share_s * rivals.length);
  const share = Math.max(seconds / rivals.length, protocol.least_share * protocol.least_rounds * Math.max(...taken));
  const wanted = taken.map((each) =>
    Math.min(protocol.most_rounds, Math.max(protocol.least_rounds, Math.floor(share / each))));
  const most = Math.max(...wanted);
  const rounds = [];
  const begun = performance.now();
  let told = begun;
  for (let number = 0; number < most; number++) {
    if (number >= FEWEST_ROUNDS && performance.now() - begun > 1000 * protocol.most_launch_s) break;
    const here = wanted.flatMap((own, place) => ((number * own) % most < own ? [place] : []));
    const round = rivals.map(() => null);
    for (const place of shuffled(here)) {
      if (callS[place] > SLOW_S) tell("doing", { name: rivals[place].name });
      round[place] = await named(rivals[place], () => block(rivals[place], calls[place]));
    }
    // Nothing shorter than a step of the clock was seen.
    rounds.push(round.map((each, place) => (each === null ? null : Math.max(each, step / calls[place]))));
    if (performance.now() - told > TOLD_EVERY_MS) {
      tell("round", { share: (number + 1) / most });
      told = performance.now();
    }
  }
  return { rounds, calls };
}

function outcomeOf(error) {
  const reason = String(error?.message ?? error).split("\n")[0].slice(0, 500);
  if (error instanceof WrongOutput) return { outcome: "refused", reason };
  if (/out of memory|memory access|allocation failed|bad_alloc/i.test(reason)) return { outcome: "out_of_memory", reason };
  return { outcome: "unsupported", reason: `ONNX Runtime Web cannot take it: ${reason}` };
}

async function launch({ folder, script, provider, threads, control, rivals, protocol }) {
  const ort = await import(new URL(script, folder));
  ort.env.wasm.wasmPaths = folder;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "fatal";
  const step = clockStep();
  tell("doing", { name: "control" });
  const ready = [{ name: "control", ...(await prepared(ort, control, provider)) }];
  const ended = {};
  for (const { name, model } of shuffled(rivals)) {
    tell("doing", { name });
    try {
      ready.push({ name, ...(await prepared(ort, model, provider)) });
    } catch (error) {
      // A server that is gone says nothing of an upsampler.
      if (error instanceof Unreachable) throw error;
      ended[name] = outcomeOf(error);
    }
  }
  const timed = ready.length > 1 ? await sideBySide(ready, step, protocol) : { rounds: [], calls: [] };
  const about = Object.fromEntries(ready.map(({ name, conversion, error }) => [name, { conversion, error }]));
  tell("done", { step, names: ready.map((each) => each.name), ...timed, ended, about, threads: ort.env.wasm.numThreads });
}

addEventListener("message", (event) => {
  launch(event.data).catch((error) =>
    tell("failed", { reason: String(error?.message ?? error).slice(0, 500), unreachable: error instanceof Unreachable }));
});
