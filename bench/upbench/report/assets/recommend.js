// Answers a question as `upbench recommend` does: the same rules, from the data of upbench/recommend/form.py.

import { estimate } from "page/interpolation";

export const isKnown = (candidate, of) => typeof candidate.estimates[of] !== "string";

export function recommend(data, question) {
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
