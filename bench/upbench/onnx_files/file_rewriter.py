"""An ONNX file is read, its sites are measured in the runtimes that it is for, and it is written where it is faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir
import torch
from torch import fx

from upbench.onnx_files import engines, example_feeds, model_file, observing, rewritten_file, verification
from upbench.onnx_files.engines import EngineError, Feeds
from upbench.onnx_files.example_feeds import spelt
from upbench.onnx_files.model_file import ModelFileError
from upbench.onnx_files.recording import Recording
from upbench.onnx_files.site_measuring import InRuntimes, MeasuredInFile
from upbench.onnx_files.splicing import Replacement
from upbench.onnx_files.translation import Translated, translate
from upbench.onnx_files.verification import RuntimeVerdict
from upbench.onnx_files.writer import NotWrittenError
from upbench.wording import Message, say
from upsample.rewriting.choice import Chooser
from upsample.rewriting.report import SiteReport
from upsample.rewriting.rows import AddedTo
from upsample.rewriting.search import find
from upsample.rewriting.sites import Site
from upsample.rewriting.status_line import StatusLine


@dataclass(frozen=True)
class FileSettings:
    """How a file is rewritten.

    Attributes:
        runtimes: names of those that it is for; it is to be faster in each.
        threads: of each runtime.
        seconds: of measuring for each comparison.
        least_gain: a site is rewritten where it is certainly faster by more than this share.
        only_if_faster: the file is written only if the whole of it is certainly faster.
    """

    runtimes: tuple[str, ...] = ("onnx",)
    threads: int = 1
    seconds: float = 0.5
    least_gain: float = 0.02
    only_if_faster: bool = True


@dataclass(frozen=True)
class FileRewriting:
    """What became of a file.

    Attributes:
        sites: all that upsamples in it, in order.
        verdicts: what each runtime makes of the whole; empty if no site was rewritten.
        written: whether the output was written.
        conclusion: why, in a sentence.
        notes: what the user should know besides.
        shapes: of the inputs that it was timed with.
    """

    sites: tuple[SiteReport, ...]
    verdicts: tuple[RuntimeVerdict, ...]
    written: bool
    conclusion: Message
    notes: tuple[Message, ...]
    shapes: dict[str, tuple[int, ...]]


def rewrite_file(
    source: Path, output: Path, settings: FileSettings, inputs: Path | None = None, overwrite: bool = False
) -> FileRewriting:
    """Rewrite an ONNX file; the output is written only if it computes the same and is certainly faster.

    Args:
        source: the file; it is left as it is unless it is the output as well.
        output: where the rewritten file goes; its weights go beside it if they lay beside the source.
        settings: of the rewriting.
        inputs: an ``.npz`` file with what the model is timed and compared on.
        overwrite: whether the output may be the source.

    Raises:
        UsageError: the file cannot be read or run, or the output must not be written.
    """
    engines.known(settings.runtimes)
    model = model_file.read(source)
    rewritten_file.check_output(source, output, model, overwrite)
    rewritten_file.clear_left(output)
    feeds = example_feeds.example(model, inputs)
    with _threads(settings.threads), torch.no_grad(), StatusLine() as progress:
        return _Work(source, output, settings, model, feeds, progress).run()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Work:
    """One call of :func:`rewrite_file`."""

    def __init__(
        self, source: Path, output: Path, settings: FileSettings, model: ir.Model, feeds: Feeds, progress: StatusLine
    ) -> None:
        self._source, self._output, self._settings = source, output, settings
        self._model, self._feeds, self._progress = model, feeds, progress
        self._notes: list[Message] = []
        # Those that lie there may all be replaced.
        self._weights_beside = bool(model_file.external_files(model))

    def run(self) -> FileRewriting:
        self._progress.say(f"{self._source.name} runs once")
        try:
            before = {name: engines.load(name, self._source) for name in self._settings.runtimes}
            for run in before.values():
                run(self._feeds)
            shapes = observing.inferred(self._model)
            translated = translate(self._model, shapes, observing.seen(self._model, shapes, self._feeds))
        except EngineError as error:
            sizes = ", ".join(f"{name} {spelt(array.shape)}" for name, array in self._feeds.items())
            raise ModelFileError(f"{self._source} cannot be run on {sizes}. {error}") from error
        if translated.subgraphs:
            names = ", ".join(dict.fromkeys(translated.subgraphs))
            self._notes.append(say("Left alone within branches, loops and functions: {names}.", names=names))
        sites, replacements = self._chosen(translated)
        if not replacements:
            nothing = (
                say("No site of it is certainly faster in another form.") if sites else say("Nothing is upsampled.")
            )
            return self._outcome(sites, (), False, nothing)
        # The last first: one may be given what another makes, whose operators must still be there.
        for each in reversed(replacements):
            each.put(self._model.graph)
        return self._judged(sites, before)

    def _chosen(self, translated: Translated) -> tuple[list[SiteReport], list[Replacement]]:
        own = translated.recording
        found = find(own.graph)
        prepare = InRuntimes(self._settings.runtimes, self._model)
        chooser = Chooser(prepare, self._settings.least_gain, self._settings.seconds)
        reports: dict[int, SiteReport] = {}
        replacements: dict[int, Replacement] = {}
        order = {node: number for number, node in enumerate(own.graph.nodes)}
        for number, site in enumerate(map(_without_sum, found.sites), 1):
            self._progress.say(f"site {number} of {len(found.sites)}")
            name = _name(own, site)
            prepare.site = measured = MeasuredInFile(self._model, own, site)
            report, chosen = chooser.best(site, measured, name)
            place = order[site.nodes[-1]]
            if chosen is not None:
                assert not isinstance(chosen, AddedTo)
                try:
                    replacements[place] = Replacement(measured, chosen, len(replacements) + 1)
                except NotWrittenError as error:
                    report = replace(report, after="", reason=f"{error}.")
            reports[place] = report
        left = [*((own.named.get(name, name), reason) for name, reason in found.left), *translated.left]
        done = [reports[place] for place in sorted(reports)]
        done += [SiteReport(name, "", reason=reason) for name, reason in left]
        return done, [replacements[place] for place in sorted(replacements)]

    def _judged(self, sites: Sequence[SiteReport], before: dict[str, engines.Loaded]) -> FileRewriting:
        settings, verdicts = self._settings, list[RuntimeVerdict]()
        with rewritten_file.beside(self._output) as folder:
            file = rewritten_file.save(self._model, self._output, folder, self._weights_beside)
            if (rule := rewritten_file.broken_rule(file)) is not None:
                if rewritten_file.broken_rule(self._source) is None:
                    return self._outcome(sites, (), False, say("It would break a rule of ONNX: {rule}.", rule=rule))
                self._notes.append(say("The file breaks a rule of ONNX, and so did it before: {rule}.", rule=rule))
            for name in settings.runtimes:
                self._progress.say(f"the whole model is compared and timed in {name}")
                try:
                    after = engines.load(name, file)
                except EngineError as error:
                    verdicts.append(RuntimeVerdict(name, trouble=str(error)))
                    continue
                others = example_feeds.others(self._model, self._feeds)
                verdict = verification.compared(name, before[name], after, self._feeds, others)
                if verdict.same:
                    gain = verification.timed(before[name], after, self._feeds, settings.seconds)
                    verdict = replace(verdict, gain=gain)
                verdicts.append(verdict)
            conclusion = _why_not(verdicts, settings.only_if_faster)
            if conclusion is not None:
                return self._outcome(sites, verdicts, False, conclusion)
            rewritten_file.put(file, self._output)
        return self._outcome(sites, verdicts, True, say("{file} is written.", file=str(self._output)))

    def _outcome(
        self, sites: Sequence[SiteReport], verdicts: Sequence[RuntimeVerdict], written: bool, conclusion: Message
    ) -> FileRewriting:
        shapes = {name: array.shape for name, array in self._feeds.items()}
        return FileRewriting(tuple(sites), tuple(verdicts), written, conclusion, tuple(self._notes), shapes)


def _why_not(verdicts: Sequence[RuntimeVerdict], only_if_faster: bool) -> Message | None:
    """Why a file is not written, or None."""
    for each in verdicts:
        if each.trouble:
            return say("The rewritten model cannot be run or compared. {error}", error=each.trouble)
        if not each.same:
            return say(
                "In {runtime} the rewritten model's output would differ by {difference}.",
                runtime=each.runtime,
                difference=f"{each.difference:.1e}",
            )
        if only_if_faster and not each.faster:
            return say("The whole model is not certainly faster in {runtime}.", runtime=each.runtime)
    return None


def _without_sum(site: Site) -> Site:
    """Sums at full size are a runtime's own to fuse."""
    return site if site.other is None else replace(site, nodes=site.nodes[:1], other=None)


def _name(own: Recording, site: Site) -> str:
    """The file's name of what upsamples in a site."""
    grows = {link.node for part in site.parts if part.grows for link in part.row[:-1]} or set(site.nodes)
    first: fx.Node = next(node for node in site.nodes if node in grows)
    return Recording.name_of(own.origin[first][0])
