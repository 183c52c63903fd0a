"""What stands above the columns of tables, as messages; in the files of tables they are the keys themselves."""

from __future__ import annotations

from upbench.wording import Message, say

HEADINGS: dict[str, Message] = {
    message.text: message
    for message in (
        say("upsampler"),
        say("scale"),
        say("channels"),
        say("in→out"),
        say("size"),
        say("batch"),
        say("dtype"),
        say("layout"),
        say("threads"),
        say("device"),
        say("runtime"),
        say("step"),
        say("fastest"),
        say("latency"),
        say("how sure"),
        say("leanest"),
        say("cheapest"),
        say("fastest of all"),
        say("usual, ms"),
        say("fastest form"),
        say("ms"),
        say("times faster"),
        say("latency, ms"),
        say("95 % interval, ms"),
        say("times the fastest"),
        say("launches"),
        say("machine busy"),
        say("conversion, s"),
        say("gradients, MiB"),
        say("Adam's state, MiB"),
        say("device's part, ms"),
        say("queueing, ms"),
        say("slowed"),
        say("peak reserved, MiB"),
        say("peak allocated, MiB"),
        say("live tensors, MiB"),
        say("resident, MiB"),
        say("output, MiB"),
        say("GMAC"),
        say("GFLOP"),
        say("params"),
        say("share of limit"),
        say("outcome"),
        say("what differs"),
        say("output channels"),
        say("machine"),
        say("pairs"),
        say("another winner"),
        say("the same winner"),
        say("cannot be told"),
        say("such as"),
        say("league"),
        say("placement"),
        say("FLOPs/px"),
        say("seeds"),
        say("PSNR against sub-pixel, dB"),
    )
}


def heading(column: str) -> Message | str:
    """What a reader sees above a column; a column that is named after a record's text has its name."""
    return HEADINGS.get(column, column)
