"""A backend of ``torch.compile``: what TorchDynamo records is rewritten, and handed on to the backend that compiles it.

The way for networks that cannot be copied, that change what they do from call to call, or that are compiled anyway:
TorchDynamo guards its graphs, and records another one where a guard fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._guards import tracing

from upsample.contract import UpsampleError
from upsample.rewriting import proof
from upsample.rewriting.capture import first_line
from upsample.rewriting.choice import Chooser
from upsample.rewriting.recorder import Recorder
from upsample.rewriting.report import SiteReport
from upsample.rewriting.rows import GivenRow
from upsample.rewriting.search import find
from upsample.rewriting.sites import Site
from upsample.rewriting.substitution import Measured, inputs_of, substitute
from upsample.rewriting.vocabulary import hinted

Compiled = Callable[..., Any]

GRADIENTS = "gradients are wanted, which compiled forms do not have: call it under torch.no_grad()."

OPTIONS = ("inner", "least_gain", "seconds", "reports")


def backend(
    graph_module: fx.GraphModule,
    example_inputs: Sequence[Any],
    *,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Compiled:
    """Rewrite what was recorded and compile it: ``torch.compile(model, backend=upsample.backend)``.

    Sites are measured as they will run, compiled by the inner backend. Whatever goes wrong with them, the graph is
    compiled as it is, and so is one that is recorded while gradients are wanted.

    Args:
        graph_module: what TorchDynamo recorded.
        example_inputs: what it is called with first.
        mode: of ``torch.compile``, for the inner backend.
        options: ``inner``, the backend that compiles what was rewritten, ``"inductor"`` by default or ``"eager"``;
            ``least_gain`` and ``seconds`` as in :func:`upsample.rewrite`; ``reports``, a list that gets a
            :class:`SiteReport` for each site.

    Raises:
        UpsampleError: there is no such option.
    """
    chosen = dict(options or {})
    if unknown := chosen.keys() - set(OPTIONS):
        raise UpsampleError(f"The backend has no option {sorted(unknown)[0]!r}; it has {', '.join(OPTIONS)}.")
    inner = _inner(chosen.get("inner", "inductor"), mode)
    reports: list[SiteReport] = chosen.get("reports", [])
    try:
        rows = _looked_at(graph_module, example_inputs, inner, chosen, reports)
    except Exception as error:  # parts of a user's own may raise anything, and so may a compiler
        reports.append(SiteReport("a graph", "upsampling", reason=f"it could not be examined: {first_line(error)}."))
        rows = []
    if not rows:
        return inner(graph_module, list(example_inputs))
    own = fx.GraphModule(graph_module, graph_module.graph, type(graph_module).__name__)
    # What TorchDynamo knows of its parameters it does not know of our kernels.
    own.meta.clear()
    compiled = inner(own, list(example_inputs))

    def run(*args: Any) -> Any:
        # What is compiled does not look whether its weights have changed.
        for row, places in rows:
            row.refresh([args[place] for place in places])
        return compiled(*args)

    return run


def _looked_at(
    module: fx.GraphModule,
    example: Sequence[Any],
    inner: Callable[[fx.GraphModule, list[Any]], Compiled],
    options: Mapping[str, Any],
    reports: list[SiteReport],
) -> list[tuple[GivenRow, list[int]]]:
    """Find the sites of a graph and rewrite them; the rows in it as :func:`_rewritten` returns them."""
    found = find(_with_paths(module.graph))
    reports += [SiteReport(name, "upsampling", reason=reason) for name, reason in found.left]
    if torch.is_grad_enabled() and any(isinstance(each, Tensor) and each.requires_grad for each in example):
        reports += [SiteReport(site.name, site.text, reason=GRADIENTS) for site in found.sites]
        return []
    chooser = Chooser(_prepare(inner), options.get("least_gain", 0.02), options.get("seconds", 0.5))
    return _rewritten(module, found.sites, example, chooser, reports) if found.sites else []


def _inner(name: Any, mode: str | None) -> Callable[[fx.GraphModule, list[Any]], Compiled]:
    if callable(name):
        made: Callable[[fx.GraphModule, list[Any]], Compiled] = name
        return made
    found: Any = torch._dynamo.lookup_backend(str(name))
    if name == "inductor" and mode is not None:
        settings = torch._inductor.list_mode_options(mode)
        return lambda graph, inputs: found(graph, inputs, config_patches=settings)
    return lambda graph, inputs: found(graph, inputs)


def _prepare(inner: Callable[[fx.GraphModule, list[Any]], Compiled]) -> proof.Prepare:
    """What measures a site as the inner backend compiles it."""

    def prepare(module: nn.Module, inputs: tuple[Tensor, ...]) -> proof.Call:
        # A graph that returns a tuple, as TorchDynamo's do.
        graph = fx.Graph()
        given = tuple(graph.placeholder(f"input_{number}") for number in range(len(inputs)))
        graph.output((graph.create_node("call_module", "row", given),))
        # Apart from what is being compiled, whose symbols would otherwise be mixed with those of this.
        with tracing(None):
            compiled = inner(fx.GraphModule({"row": module}, graph), list(inputs))
        return lambda: compiled(*inputs)

    return prepare


def _with_paths(graph: fx.Graph) -> fx.Graph:
    """The graph with the names of parameters and buffers where it is given them."""
    for node in graph.nodes:
        known = node.meta.get("tensor_dict") or {}
        if node.op == "placeholder" and "_dynamo_static_input_type" in known:
            names = re.findall(r"_(?:modules|parameters|buffers)\['?(\w+)'?\]", _source(node))
            node.meta["path"] = ".".join(names) or node.name
    return graph


def _source(node: fx.Node) -> str:
    argument = node.meta.get("grapharg")
    source = getattr(argument, "source", None)
    name = getattr(source, "name", "")
    return str(name() if callable(name) else name)


def _rewritten(
    module: fx.GraphModule, sites: Sequence[Site], example: Sequence[Any], chooser: Chooser, reports: list[SiteReport]
) -> list[tuple[GivenRow, list[int]]]:
    """Rewrite the sites of a graph; the rows in it that have parameters, with the places of those among its inputs."""
    graph = module.graph
    wanted = {node for site in sites for node in inputs_of(site)}
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    recorder = Recorder(module, graph, wanted | set(placeholders), {})
    with torch.no_grad():
        recorder.run(*(hinted(each) if isinstance(each, torch.SymInt) else each for each in example))
        chosen = []
        for site in sites:
            if any(bool(zero != 0) for zero in site.zeros):
                continue
            report, way = chooser.best(site, Measured(module, {}, site, recorder.seen), site.name)
            reports.append(report)
            if way is not None:
                chosen.append((site, way))
    places = {node: number for number, node in enumerate(placeholders)}
    made = substitute(graph, chosen)
    for name, (row, _) in made.items():
        module.add_submodule(name, row)
    graph.lint()
    module.recompile()
    return [
        (row, [places[source] for source in sources])
        for row, sources in made.values()
        if isinstance(row, GivenRow) and sources
    ]
