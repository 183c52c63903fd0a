"""The page as files: its markup in both languages, its scripts and looks as they stand here, and what scripts say."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from upbench.report.bilingual import both
from upbench.report.page_words import in_all_languages
from upbench.web import ort_web
from upbench.web.site_plan import ORT_FOLDER, POLICY
from upbench.wording import Message, say

WORDS: dict[str, Message] = {
    "title": say("Which upsampler in this browser?"),
    "browser": say("{name} on {system}, {cores} logical cores, {shared}. WebGPU: {gpu}. {runtime}."),
    "isolated": say("isolated, so that threads can share memory"),
    "not_isolated": say("not isolated: no threads, and a coarse clock"),
    "few_cores": say("more threads than this device has"),
    "no_webgpu": say("none in this browser"),
    "not_secure": say("only over HTTPS, or on the machine that serves this page"),
    "wasm_one": say("WebAssembly, 1 thread"),
    "wasm_many": say("WebAssembly, {threads} threads"),
    "measure": say("Measure"),
    "go_on": say("Go on"),
    "ready": say("{cases} cases in {launches} launches, about {minutes} min."),
    "some_kept": say("{kept} launches are kept from before, {launches} are left, about {minutes} min."),
    "finished": say("Finished: {kept} launches."),
    "nothing_chosen": say("Nothing is chosen."),
    "measuring": say("Measuring: {rivals} rivals, {place}. About {minutes} min left."),
    "hidden": say("Waiting: the tab is hidden, and browsers slow down what nobody sees."),
    "other_tab": say("Another tab is measuring. Two at once would slow each other."),
    "failed": say("Stopped by an error: {reason}"),
    "taken": say("Sent. {said}"),
    "not_taken": say("Not taken: {said}"),
    "caption": say("{cell}. {place}, {count} launches"),
    "upsampler": say("upsampler"),
    "latency": say("latency, ms"),
    "ratio": say("times the fastest, 95 % interval"),
    "times": say("{ratio} ({low} to {high})"),
    "unstable": say("unstable"),
    "unsupported": say("unsupported"),
    "refused": say("refused"),
    "crashed": say("crashed"),
    "timeout": say("no answer"),
    "out_of_memory": say("out of memory"),
    "busy": say(
        "The device was busy with something else for {share} % of the time: latencies are of such a device, and all "
        "rivals suffered alike."
    ),
    "hot": say(
        "It became slower while it was measured, by {ratio} times, as by heat: latencies hold for a warm device."
    ),
}

OF_THE_REPORT = ("element.js",)
"""Scripts that the report's page has as well."""


def page_files() -> dict[str, str]:
    """Every file of the page, by its name in the folder."""
    own = files("upbench") / "web" / "assets"
    of_report = files("upbench") / "report" / "assets"
    scripts = {each.name: each.read_text() for each in own.iterdir() if each.name.endswith(".js")}
    scripts |= {name: (of_report / name).read_text() for name in OF_THE_REPORT}
    return {
        "index.html": _markup(),
        "words.json": json.dumps(in_all_languages(WORDS), ensure_ascii=False),
        "site.css": (of_report / "page.css").read_text() + (own / "site.css").read_text(),
        **scripts,
    }


def _markup() -> str:
    environment = Environment(
        loader=PackageLoader("upbench.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_in_both,
    )  # fmt: skip
    environment.globals["say"] = say
    return environment.get_template("site.html.j2").render(
        policy=POLICY, title=str(WORDS["title"]), ort=ORT_FOLDER, runtime=f"ONNX Runtime Web {ort_web.VERSION}"
    )


def _in_both(value: Any) -> Any:
    return both(value) if isinstance(value, Message) else value
