"""The sentences that the page's scripts say: by a key, in every language, with their places unfilled."""

from __future__ import annotations

from collections.abc import Mapping

from upbench.report.bilingual import TAGS
from upbench.wording import LANGUAGES, Message, say, translated

WORDS: dict[str, Message] = {
    "title": say("Which upsampler on this machine?"),
    "all": say("all"),
    "family": say("family"),
    "scale": say("scale"),
    "channels": say("channels"),
    "size": say("size"),
    "batch": say("batch"),
    "dtype": say("dtype"),
    "layout": say("layout"),
    "threads": say("threads"),
    "device": say("device"),
    "runtime": say("runtime"),
    "step": say("step"),
    "outcome": say("outcome"),
    "league": say("league"),
    "placement": say("placement"),
    "image": say("image"),
    "upsampler": say("upsampler"),
    "latency": say("latency, ms"),
    "ratio": say("latency against the baseline"),
    "memory": say("peak allocated, MiB"),
    "tensors": say("live tensors, MiB"),
    "resident": say("resident, MiB"),
    "output": say("output, MiB"),
    "gmacs": say("GMAC"),
    "gflops": say("GFLOP"),
    "params": say("params"),
    "limit": say("share of limit"),
    "launches": say("launches"),
    "busy": say("machine busy"),
    "conversion": say("conversion, s"),
    "gradients": say("gradients, MiB"),
    "optimizer": say("Adam's state, MiB"),
    "error": say("definition error"),
    "low": say("lower limit, ms"),
    "high": say("upper limit, ms"),
    "ratio_low": say("lower limit of the ratio"),
    "ratio_high": say("upper limit of the ratio"),
    "row": say("{first}, {rest}"),
    "fixed": say("The same in all cases: {facts}."),
    "shown": say("{shown} of {total} cases shown."),
    "nothing": say("No case is like that: take a filter back."),
    "make_baseline": say("Compare every case with {name}"),
    "is_baseline": say("{name} is the baseline; press to compare with the fastest of each cell again"),
    "baseline_fastest": say("Ratios are to the fastest of each cell; ◎ beside a case makes it the baseline."),
    "baseline_chosen": say(
        "Ratios are to {name} in {runtime}, {layout}, at the same scale, channels, size, dtype and step."
    ),
    "per_baseline": say("{heading}, × baseline"),
    "previous": say("previous page"),
    "next": say("next page"),
    "first": say("first page"),
    "last": say("last page"),
    "page_of": say("{start} to {end} of {total}"),
    "rows": say("{menu} rows a page"),
    "interval": say("95 % interval"),
    "to": say("{low} to {high}"),
    "provenance": say("provenance"),
    "measured": say("{protocol}, {measured_at} UTC, commit {commit}, {cpu}, torch {torch}"),
    "dirty": say("uncommitted changes"),
    "reason": say("why"),
    "name": say("name"),
    "chart_latency": say("Latency of each case with its 95 % interval"),
    "chart_ratio": say("Latency of each case as a ratio to the baseline, with its 95 % interval"),
    "chart_memory": say("Peak memory of each case"),
    "chart_pareto": say("Latency against peak memory: below and left is better"),
    "chart_flops": say("Arithmetic against latency: if FLOPs decided, all points would lie on one line"),
    "chart_follows": say("{title}: {count} cases, as in the table below."),
    "chart_curve": say("{meter} while the networks learnt: mean over seeds and images. {better}"),
    "steps": say("training steps"),
    "better_higher": say("Higher is better."),
    "better_lower": say("Lower is better."),
}


def page_words() -> dict[str, dict[str, str]]:
    """All of them by the language's tag in HTML."""
    return in_all_languages(WORDS)


def in_all_languages(words: Mapping[str, Message]) -> dict[str, dict[str, str]]:
    """Sentences with their places unfilled, by the language's tag in HTML and their key."""
    return {
        TAGS[language]: {key: translated(message.text, language) for key, message in words.items()}
        for language in LANGUAGES
    }
