// What a recommendation says, in the sentences of `upbench recommend`; all of it is text.

import { isKnown } from "page/recommend";

function digits(data, of, value) {
  return String(Number(value.toPrecision(data.digits[of])));
}

function unit(data, of, value) {
  return data.units[of].findLast(([size]) => Math.abs(value) >= 0.9995 * size) ?? data.units[of][0];
}

function text(data, of, value) {
  const [size, name] = unit(data, of, value);
  return `${digits(data, of, value / size)} ${name}`.trim();
}

// A word of Python's shell quoting.
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

function command(data, found, names) {
  const { question, surroundings, scale } = found;
  const { "out-channels": out, ...options } = surroundings.options;
  const given = (name, value) => (value === (data.defaults[name] ?? "1") ? [] : [`--${name}`, value]);
  const asSame = Number(out) === question.channels ? "same" : out;
  const inBrowser = options.runtime.startsWith("web-");
  // Beside these the page chooses for itself.
  const spelt = inBrowser ? { threads: options.threads } : options;
  return [
    "upbench", inBrowser ? "export" : "run", "--upsampler", names.join(","), "--scale", scale.scale, "--channels", String(question.channels),
    ...given("out-channels", asSame), "--size", `${question.height}x${question.width}`,
    ...given("batch", String(question.batch)),
    ...Object.entries(spelt).flatMap(([name, value]) => given(name, value)),
    ...(inBrowser ? ["--web", "asked"] : ["--output", "asked.json"]),
  ].map(quoted).join(" ");
}

// The advice in one language: {answer, changes, notes, headings, rows, commands}, all of them text.
export function advise(data, words, found) {
  const { objective, limits } = found.question;
  const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const name = (each) => (each.name === each.usual ? each.name : say("form_of", each));
  const names = (candidates) => candidates.map((each) => each.name).join(", ");
  const figure = (each, of) => {
    const [low, value, high] = each.estimates[of].interval;
    const shown = text(data, of, value);
    const [size] = unit(data, of, value);
    const limits = { low: digits(data, of, low / size), high: digits(data, of, high / size) };
    return limits.low === limits.high ? shown : say("figure_with_interval", { figure: shown, ...limits });
  };
  const limited = Object.keys(limits).length > 0;
  const [best, second] = found.ranked;
  const lacking = Map.groupBy(found.candidates.filter((each) => each.verdict === "unknown"), (each) => each.lacks);
  const answer = [], changes = [], notes = [], commands = [];

  if (!best) {
    const someKnown = found.candidates.some((each) => each.verdict === "does not fit");
    answer.push(say(!found.unknown.length ? "none_fits" : someKnown ? "none_known_fits" : "cannot_answer"));
  } else {
    const how = say(best.estimates[objective].error ? "interpolated" : "measured");
    const key = !limited ? "answer" : best.verdict === "fits" ? "answer_within_limits" : "answer_maybe_within_limits";
    answer.push(say(key, { name: name(best), best: say(`best_by_${objective}`), figure: figure(best, objective), how }));
    if (!second) {
      answer.push(say("no_runner_up"));
    } else {
      const [lead] = found.leads;
      const said = { name: name(second), figure: figure(second, objective) };
      const equal = String(best.estimates[objective].interval) === String(second.estimates[objective].interval);
      if (lead.size === null || equal) {
        answer.push(say("equal", said));
      } else {
        const size = digits(data, "latency", lead.size);
        said.ratio = objective === "psnr" ? say("decibels_less", { difference: size }) : say("times_as_much", { ratio: size });
        answer.push(say(lead.certain ? "runner_up_surely" : "runner_up_maybe", said));
      }
      if (found.alike.length) answer.push(say("alike", { names: names(found.alike) }));
    }
    for (const each of found.perhapsBetter) {
      changes.push(say("might_be_better", { name: name(each), figure: figure(each, objective) }));
    }
    for (const { kind, of, bound, candidate } of found.changes) {
      const quantity = say(`quantity_${of}`), other = name(candidate);
      if (kind === "objective") {
        changes.push(say("other_objective", { quantity, name: other, figure: figure(candidate, of) }));
      } else if (kind === "looser" || kind === "sure") {
        changes.push(say(`${kind}_limit`, { quantity, bound: text(data, of, bound), name: other }));
      } else {
        const key = data.higher_is_better.includes(of) ? "higher_limit" : "tighter_limit";
        changes.push(say(key, { quantity, bound: text(data, of, bound), name: name(best), next_best: other }));
      }
    }
    if (!changes.length) changes.push(say("nothing_changes"));
  }

  for (const [reason, own] of lacking) notes.push(say("names_and_why", { names: names(own), reason: say(`why_${reason}`) }));
  const interpolated = best ? data.quantities.filter((of) => best.estimates[of].error) : [];
  for (const of of interpolated) {
    const { error, factor } = best.estimates[of];
    notes.push(say("error_of", { quantity: say(`quantity_${of}`), factor: factor.toFixed(3), cases: error.cases }));
  }
  if (interpolated.length) notes.push(say("only_pixels"));
  if (found.surroundings.any_points) notes.push(say(found.surroundings.side_by_side ? "quiet_latency" : "busy_latency"));
  if (found.surroundings.not_side_by_side) notes.push(say("not_side_by_side", { count: found.surroundings.not_side_by_side }));
  const anyPsnr = found.candidates.some((each) => isKnown(each, "psnr"));
  if (anyPsnr) notes.push(say("about_quality", { photographs: data.photographs, trainings: data.seeds }));

  if ((objective === "psnr" || "psnr" in limits) && !anyPsnr) commands.push([say("quality_needed"), data.quality_command]);
  const toMeasure = [...lacking].flatMap(([reason, own]) => (data.to_measure.includes(reason) ? own : []));
  if (toMeasure.length) commands.push([say("to_measure"), command(data, found, toMeasure.map((each) => each.name))]);
  const contested = best ? [best, ...found.alike] : [];
  const unsettled = contested.some((each) => each.estimates[objective].error);
  if (found.alike.length && unsettled && data.quantities.includes(objective)) {
    commands.push([say("measuring_would_settle_it"), command(data, found, contested.map((each) => each.name))]);
  }

  const known = found.candidates.filter((each) => data.objectives.some((of) => isKnown(each, of)));
  const rank = (each) => (found.ranked.includes(each) ? found.ranked.indexOf(each) : found.ranked.length);
  const rows = known.sort((a, b) => rank(a) - rank(b)).map((each) => [
    name(each), ...data.objectives.map((of) => (isKnown(each, of) ? figure(each, of) : "–")),
    ...(limited ? [say(`fits_${each.verdict}`)] : []),
  ]);
  const headings = [say("upsampler"), ...data.objectives.map((of) => say(`quantity_${of}`))];
  if (limited) headings.push(say("keeps_the_limits"));
  const titles = { changes: say("would_change"), notes: say("about_the_figures") };
  return { answer, changes, notes, commands, headings, rows, titles };
}
