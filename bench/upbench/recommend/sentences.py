"""Every sentence of a recommendation, each a function of what stands in it: the report's page fills the same ones."""

from __future__ import annotations

from upbench.recommend.quantities import Objective
from upbench.wording import Message, say

Text = str | Message

REASONS = {
    "outside": say("outside of what was measured, and nothing is extrapolated"),
    "no error": say("too few measured cases lie between others to state the error of interpolation"),
    "not measured": say("not measured in these surroundings"),
    "no quality": say("not in the records of quality with two trainings or more"),
    "unstable": say("measured, but the launches disagree"),
    "failed": say("tried, but it did not run to an end"),
    "unsupported": say("cannot do this scale or case"),
}
"""Why there is no figure."""

VERDICTS = {
    "fits": say("yes"),
    "may fit": say("perhaps"),
    "does not fit": say("no"),
    "unknown": say("unknown"),
}
"""Whether limits are kept."""


def quantity(objective: Objective) -> Message:
    """What a column is called."""
    return {
        "latency": say("latency"),
        "memory": say("peak memory"),
        "flops": say("FLOPs"),
        "params": say("parameters"),
        "psnr": say("PSNR"),
    }[objective]


def best_by(objective: Objective) -> Message:
    """What the best one is."""
    return {
        "latency": say("the fastest"),
        "memory": say("the one with the least peak memory"),
        "flops": say("the one with the fewest FLOPs"),
        "params": say("the one with the fewest parameters"),
        "psnr": say("the one with the highest PSNR"),
    }[objective]


def figure_with_interval(figure: Text, low: Text, high: Text) -> Message:
    """A figure and how sure it is."""
    return say("{figure} ({low} to {high})", figure=figure, low=low, high=high)


def form_of(name: Text, usual: Text) -> Message:
    """An exact form's name."""
    return say("{name} (an exact form of {usual})", name=name, usual=usual)


def measured() -> Message:
    """How a figure was obtained."""
    return say("measured")


def interpolated() -> Message:
    """How a figure was obtained."""
    return say("interpolated")


def answer(name: Text, best: Text, figure: Text, how: Text) -> Message:
    """Without limits."""
    return say("{name} is {best}: {figure}, {how}.", name=name, best=best, figure=figure, how=how)


def answer_within_limits(name: Text, best: Text, figure: Text, how: Text) -> Message:
    """With limits that are surely kept."""
    return say(
        "Of those that surely keep the limits, {name} is {best}: {figure}, {how}.",
        name=name, best=best, figure=figure, how=how,
    )  # fmt: skip


def answer_maybe_within_limits(name: Text, best: Text, figure: Text, how: Text) -> Message:
    """With limits that none keeps for sure."""
    return say(
        "None surely keeps the limits. Of those that may, {name} is {best}: {figure}, {how}.",
        name=name, best=best, figure=figure, how=how,
    )  # fmt: skip


def none_fits() -> Message:
    """All are known and none keeps the limits."""
    return say("None of these upsamplers keeps the limits.")


def none_known_fits() -> Message:
    """Some are not known, and of the others none keeps the limits."""
    return say("None of the upsamplers that the records answer for keeps the limits.")


def runner_up_surely(name: Text, figure: Text, ratio: Text) -> Message:
    """A lead that is certain."""
    return say(
        "The runner-up is {name}: {figure}, {ratio}; the lead is certain.", name=name, figure=figure, ratio=ratio
    )


def runner_up_maybe(name: Text, figure: Text, ratio: Text) -> Message:
    """A lead that is not."""
    return say(
        "The runner-up is {name}: {figure}, {ratio}; the lead is not certain.", name=name, figure=figure, ratio=ratio
    )


def equal(name: Text, figure: Text) -> Message:
    """A runner-up that is exactly as good."""
    return say("{name} is as good: {figure}.", name=name, figure=figure)


def times_as_much(ratio: Text) -> Message:
    """Of a runner-up."""
    return say("{ratio} times as much", ratio=ratio)


def decibels_less(difference: Text) -> Message:
    """Of a runner-up."""
    return say("{difference} dB less", difference=difference)


def no_runner_up() -> Message:
    """The best is alone."""
    return say("There is no runner-up: the records know of no other that comes into question.")


def alike(names: Text) -> Message:
    """A tie."""
    return say("It cannot be told apart from {names}.", names=names)


def tighter_limit(quantity: Text, bound: Text, name: Text, next_best: Text) -> Message:
    """What would change the answer."""
    return say(
        "With less than {bound} as the limit of {quantity}, {name} is out and {next_best} is the answer.",
        quantity=quantity, bound=bound, name=name, next_best=next_best,
    )  # fmt: skip


def higher_limit(quantity: Text, bound: Text, name: Text, next_best: Text) -> Message:
    """What would change the answer, of what must not be too low."""
    return say(
        "With more {quantity} required than {bound}, {name} is out and {next_best} is the answer.",
        quantity=quantity, bound=bound, name=name, next_best=next_best,
    )  # fmt: skip


def looser_limit(quantity: Text, bound: Text, name: Text) -> Message:
    """What would change the answer."""
    return say(
        "With {bound} as the limit of {quantity}, {name} is the answer.", quantity=quantity, bound=bound, name=name
    )


def sure_limit(quantity: Text, bound: Text, name: Text) -> Message:
    """What would make the answer certain."""
    return say(
        "With {bound} as the limit of {quantity}, {name} surely keeps it.", quantity=quantity, bound=bound, name=name
    )


def other_objective(quantity: Text, name: Text, figure: Text) -> Message:
    """What would change the answer."""
    return say(
        "If {quantity} decided, {name} would be the answer: {figure}.", quantity=quantity, name=name, figure=figure
    )


def nothing_changes() -> Message:
    """Nothing among what was asked for would."""
    return say("No other limit or objective would change the answer.")


def might_be_better(name: Text, figure: Text) -> Message:
    """One that may keep the limits and would then be better."""
    return say(
        "{name} would be better, {figure}, if it keeps the limits, which is not certain.", name=name, figure=figure
    )


def measuring_would_settle_it() -> Message:
    """A lead that is not certain and rests on interpolation."""
    return say("Measured side by side in the case itself, they may be told apart:")


def why(reason: str) -> Message:
    """Why there is no figure."""
    return REASONS[reason]


def names_and_why(names: Text, reason: Text) -> Message:
    """Who is left out and why."""
    return say("{names}: {reason}.", names=names, reason=reason)


def error_of(quantity: Text, factor: Text, cases: Text) -> Message:
    """How sure interpolation is."""
    return say(
        "Interpolation of {quantity} is off by less than a factor of {factor} in 95 of 100 cases: {cases} "
        "measured ones were left out in turn and predicted from the others.",
        quantity=quantity, factor=factor, cases=cases,
    )  # fmt: skip


def only_pixels() -> Message:
    """What interpolation leaves aside."""
    return say("For interpolation only the pixels of the batch and the channels count, not the sides of the image.")


def quiet_latency() -> Message:
    """What a latency is."""
    return say(
        "Latencies are of the quiet machine: as multiples of the control that ran beside them, times what the "
        "control takes there.",
    )


def busy_latency() -> Message:
    """What a latency is where there is no control."""
    return say("Latencies are of the machine as busy as it was: these runs had no control beside them.")


def not_side_by_side(count: Text) -> Message:
    """Records that do not count."""
    return say("{count} latencies without a control beside them are left out.", count=count)


def about_quality(photographs: Text, trainings: Text) -> Message:
    """What a PSNR is."""
    return say(
        "PSNR is of the network of 'upbench quality' on {photographs} photographs, trained {trainings} times "
        "with each upsampler; another network or other photographs have another.",
        photographs=photographs, trainings=trainings,
    )  # fmt: skip


def no_run(file: Text) -> Message:
    """A file that does not count."""
    return say("{file} holds no run and no records of quality; it is passed over.", file=file)


def another_machine(file: Text, newest: Text, differences: Text) -> Message:
    """A file that does not count."""
    return say(
        "{file} is left out: it was measured under other conditions than {newest}, the newest ({differences} differ).",
        file=file, newest=newest, differences=differences,
    )  # fmt: skip


def other_quality(file: Text, chosen: Text) -> Message:
    """A file of quality that does not count."""
    return say("{file} is passed over: {chosen} has more trainings, or newer ones.", file=file, chosen=chosen)


def cannot_answer() -> Message:
    """A refusal."""
    return say("These records cannot answer that.")


def to_measure() -> Message:
    """Before a command."""
    return say("To measure the case itself:")


def quality_needed() -> Message:
    """Before a command."""
    return say("To compare quality, whose records are then given beside the others:")


def fits(verdict: str) -> Message:
    """Whether limits are kept."""
    return VERDICTS[verdict]


def would_change() -> Message:
    """Above a list."""
    return say("What would change the answer:")


def about_the_figures() -> Message:
    """Above a list."""
    return say("About the figures:")


def upsampler() -> Message:
    """The heading of a column."""
    return say("upsampler")


def keeps_the_limits() -> Message:
    """The heading of a column."""
    return say("keeps the limits")


def not_a_case() -> Message:
    """The form was filled in otherwise."""
    return say("Channels, height, width and batch are whole numbers of at least 1; limits are numbers above 0.")
