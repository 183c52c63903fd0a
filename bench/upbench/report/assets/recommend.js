// Answers the page's form as `upbench recommend` answers, from the data of upbench/recommend/form.py: the same triangles,
// errors and leads, the same rules, the same sentences. What comes out of a record reaches the page as text alone.
"use strict";

const upbenchRecommend = (() => {
  // --- interpolation -------------------------------------------------------------------------------------------------

  // Barycentric coordinates; null beside a segment or a point, or in a triangle without an area.
  function shares(corners, at, edge) {
    const [[x, y], ...others] = corners.map((corner) => [corner[0] - at[0], corner[1] - at[1]]);
    if (others.length === 0) return Math.max(Math.abs(x), Math.abs(y)) < edge ? [1] : null;
    if (others.length === 1) {
      const along = [others[0][0] - x, others[0][1] - y];
      const length = along[0] ** 2 + along[1] ** 2;
      if (Math.abs(x * along[1] - y * along[0]) > edge * length) return null;
      const share = -(x * along[0] + y * along[1]) / length;
      return [1 - share, share];
    }
    const [[x2, y2], [x3, y3]] = others;
    const parts = [x2 * y3 - x3 * y2, x3 * y - x * y3, x * y2 - x2 * y];
    const area = parts[0] + parts[1] + parts[2];
    return Math.abs(area) < edge ? null : parts.map((part) => part / area);
  }

  // The height of a surface and the gap between the places around; null outside them.
  function predict(surface, at, edge) {
    let best = null;
    for (const simplex of surface.simplices) {
      const found = shares(simplex.map((corner) => surface.places[corner]), at, edge);
      if (found && (!best || Math.min(...found) > Math.min(...best.found))) best = { simplex, found };
    }
    if (!best || Math.min(...best.found) < -edge) return null;
    const used = best.simplex.map((corner, index) => [corner, best.found[index]]).filter(([, share]) => share > edge);
    const places = used.map(([corner]) => surface.places[corner]);
    const gaps = places.flatMap((a) => places.map((b) => Math.hypot(a[0] - b[0], a[1] - b[1])));
    return { height: used.reduce((sum, [corner, share]) => sum + share * surface.heights[corner], 0), gap: Math.max(...gaps) };
  }

  // {interval, error, factor} as in estimate.py, or a text: why there is no figure.
  function estimate(data, upsampler, quantity, asked) {
    const own = upsampler.cases[asked.key];
    if (own && own[quantity] !== undefined) {
      return typeof own[quantity] === "string" ? own[quantity] : { interval: own[quantity], error: null, factor: 1 };
    }
    if (!own && upsampler.refused) return "unsupported";
    const surface = upsampler.surfaces[quantity];
    if (!surface) return "not measured";
    const predicted = predict(surface, asked.place, data.edge);
    if (!predicted) return "outside";
    if (!surface.error) return "no error";
    const { half_width: halfWidth, tried_gap: tried } = surface.error;
    const half = halfWidth * (tried ? Math.max(1, predicted.gap / tried) ** data.order : 1);
    const back = quantity === "latency" ? Math.exp : (value) => Math.max(0, Math.expm1(value));
    const interval = [predicted.height - half, predicted.height, predicted.height + half].map(back);
    return { interval, error: surface.error, factor: Math.exp(half) };
  }

  // --- decision ------------------------------------------------------------------------------------------------------

  const isKnown = (candidate, of) => typeof candidate.estimates[of] !== "string";

  function recommend(data, question) {
    const { objective, limits } = question;
    const surroundings = data.surroundings[question.surroundings];
    const scale = surroundings.scales[question.scale];
    const asked = {
      key: `${question.channels}/${question.height}x${question.width}/${question.batch}`,
      place: [Math.log(question.batch * question.height * question.width), Math.log(question.channels)],
    };
    const higher = (of) => data.higher_is_better.includes(of);
    const costs = (candidate, of) => {
      const [low, value, high] = candidate.estimates[of].interval;
      return higher(of) ? { low: -high, value: -value, high: -low } : { low, value, high };
    };
    const verdict = (candidate, by, kept) => {
      const wanted = [by, ...Object.keys(kept)];
      const most = Object.entries(kept).filter(([of]) => isKnown(candidate, of))
        .map(([of, limit]) => [costs(candidate, of), higher(of) ? -limit : limit]);
      if (most.some(([own, limit]) => own.low > limit)) return "does not fit";
      if (!wanted.every((of) => isKnown(candidate, of))) return "unknown";
      return most.every(([own, limit]) => own.high <= limit) ? "fits" : "may fit";
    };
    const inOrder = (candidates, by, kept) => {
      for (const wanted of ["fits", "may fit"]) {
        const found = candidates.filter((each) => verdict(each, by, kept) === wanted);
        if (found.length) return found.sort((a, b) => costs(a, by).value - costs(b, by).value);
      }
      return [];
    };
    const leadOver = (better, worse) => {
      const within = objective === "latency" ? scale.leads.latency[asked.key] : scale.leads[objective];
      const shared = within?.[better.name]?.[worse.name];
      if (shared) return { size: shared[0], certain: shared[1] };
      const [own, other] = [costs(better, objective), costs(worse, objective)];
      const certain = own.high < other.low;
      if (objective === "psnr") return { size: other.value - own.value, certain };
      return { size: own.value ? other.value / own.value : null, certain };
    };
    const changesOf = (best) => {
      const found = [];
      const sure = best.verdict === "fits";
      const firstOf = (among, by, kept) => {
        const [first] = inOrder(among, by, kept);
        return first && (!sure || verdict(first, by, kept) === "fits") ? first : null;
      };
      for (const of of data.limited.filter((each) => each !== objective && isKnown(best, each))) {
        const bound = costs(best, of).high;
        const below = candidates.filter((each) => isKnown(each, of) && costs(each, of).high < bound);
        const next = firstOf(below, objective, limits);
        if (next) found.push({ kind: "tighter", of, bound: Math.abs(bound), candidate: next });
      }
      for (const of of Object.keys(limits)) {
        const most = costs(best, of).high;
        if (most > (higher(of) ? -limits[of] : limits[of])) {
          found.push({ kind: "sure", of, bound: Math.abs(most), candidate: best });
        }
        const { [of]: _, ...others } = limits;
        const freed = firstOf(candidates.filter((each) => isKnown(each, of)), objective, others);
        if (freed && costs(freed, objective).value < costs(best, objective).value) {
          found.push({ kind: "looser", of, bound: Math.abs(costs(freed, of).high), candidate: freed });
        }
      }
      for (const of of data.objectives.filter((each) => each !== objective)) {
        const instead = firstOf(candidates, of, limits);
        const asGood = instead && isKnown(best, of) && costs(best, of).value <= costs(instead, of).value;
        if (instead && !asGood) found.push({ kind: "objective", of, bound: null, candidate: instead });
      }
      return found;
    };

    const candidates = scale.upsamplers.map((upsampler) => ({
      name: upsampler.name,
      usual: upsampler.usual,
      estimates: {
        ...Object.fromEntries(data.quantities.map((of) => [of, estimate(data, upsampler, of, asked)])),
        psnr: upsampler.psnr ? { interval: upsampler.psnr, error: null, factor: 1 } : "no quality",
      },
    }));
    for (const each of candidates) {
      each.verdict = verdict(each, objective, limits);
      each.lacks = [objective, ...Object.keys(limits)].map((of) => each.estimates[of]).find((own) => typeof own === "string");
    }
    const ranked = inOrder(candidates, objective, limits);
    const [best, ...others] = ranked;
    const leads = others.map((each) => leadOver(best, each));
    const perhaps = best?.verdict === "fits" ? candidates.filter((each) => each.verdict === "may fit") : [];
    return {
      question, surroundings, scale, candidates, ranked, leads,
      alike: others.filter((_, index) => !leads[index].certain),
      changes: best ? changesOf(best) : [],
      perhapsBetter: perhaps.filter((each) => costs(each, objective).value < costs(best, objective).value),
      unknown: candidates.filter((each) => each.verdict === "unknown" && each.lacks !== "unsupported"),
    };
  }

  // --- words ---------------------------------------------------------------------------------------------------------

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
    return [
      "upbench", "run", "--upsampler", names.join(","), "--scale", scale.scale, "--channels", String(question.channels),
      ...given("out-channels", asSame), "--size", `${question.height}x${question.width}`,
      ...given("batch", String(question.batch)),
      ...Object.entries(options).flatMap(([name, value]) => given(name, value)), "--output", "asked.json",
    ].map(quoted).join(" ");
  }

  // The advice in one language: {answer, changes, notes, headings, rows, commands}, all of them text.
  function advise(data, words, found) {
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

  // --- the form ------------------------------------------------------------------------------------------------------

  // An element with children or text; no markup is ever parsed.
  function element(tag, children, attributes = {}) {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...[children].flat());
    return made;
  }

  function shown(advice, language) {
    const list = (title, lines) => (lines.length ? [element("p", title), element("ul", lines.map((line) => element("li", line)))] : []);
    const row = (tag, cells) => element("tr", cells.map((cell) => element(tag, cell, tag === "th" ? { scope: "col" } : {})));
    const parts = [
      element("p", element("strong", advice.answer[0])),
      ...advice.answer.slice(1).map((line) => element("p", line)),
      ...list(advice.titles.changes, advice.changes),
      ...advice.commands.flatMap(([what, line]) => [element("p", what), element("pre", element("code", line))]),
      ...list(advice.titles.notes, advice.notes),
    ];
    if (advice.rows.length) {
      const table = element("table", [element("thead", row("th", advice.headings)), element("tbody", advice.rows.map((cells) => row("td", cells)))]);
      table.className = "data";
      parts.splice(advice.answer.length, 0, element("div", table, { className: "scroll", tabIndex: 0 }));
    }
    return element("div", parts, { className: "said", lang: language });
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

  function attach(form, output, data) {
    const scales = form.elements.scale;
    const options = (texts) => texts.map((each, index) => element("option", each, { value: String(index) }));
    form.elements.surroundings.replaceChildren(...options(data.surroundings.map(({ options: own }) =>
      Object.entries(own).map(([name, value]) => `${name} ${value}`).join(", "))));
    const offerScales = () => scales.replaceChildren(...options(
      data.surroundings[form.elements.surroundings.value].scales.map((each) => `×${each.scale}`)));
    const answer = () => {
      const question = asked(form);
      const found = question && recommend(data, question);
      output.replaceChildren(...Object.entries(data.words).map(([language, words]) => (found
        ? shown(advise(data, words, found), language)
        : element("p", words.not_a_case, { className: "said", lang: language }))));
    };
    offerScales();
    form.elements.surroundings.addEventListener("change", offerScales);
    form.addEventListener("submit", (event) => { event.preventDefault(); answer(); });
  }

  return { recommend, advise, attach };
})();
