"""One module of a network with what is upsampled in it: recorded in a run, chosen, and put in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
import torch
from torch import Tensor, fx, nn

from upsample.rewriting import proof
from upsample.rewriting.capture import Captured, capture, first_line
from upsample.rewriting.choice import Chooser
from upsample.rewriting.duplicate import left_as_it_was
from upsample.rewriting.observe import Scope
from upsample.rewriting.parts import Calls, NotCapturedError, watched
from upsample.rewriting.placement import Followed
from upsample.rewriting.recorder import Recorder
from upsample.rewriting.report import SiteReport
from upsample.rewriting.search import find
from upsample.rewriting.sites import Site
from upsample.rewriting.structure import mapped, tensors
from upsample.rewriting.substitution import Chosen, Measured, inputs_of, substitute


@dataclass
class Recorded:
    """A scope's graph, what is found in it, and what its sites were given; or why there is none.

    Attributes:
        scope: the module and its parts that the graph goes into.
        path: of the module in the network.
        changed: attributes of the network that a run of it assigns to.
        captured: its graph.
        sites: found in it.
        left: name and reason of what upsamples and is left alone.
        seen: values of the graph in the example.
        why_not: why the module is left alone, if it is.
    """

    scope: Scope
    path: str
    changed: Sequence[tuple[nn.Module, str]] = ()
    captured: Captured | None = None
    sites: list[Site] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    seen: dict[fx.Node, Any] = field(default_factory=dict)
    why_not: str = ""
    followed: Followed | None = None
    rewritten: list[str] = field(default_factory=list)

    @property
    def module(self) -> nn.Module:
        """The module itself."""
        return self.scope.module

    @property
    def title(self) -> str:
        """Its path, or the name of its class where it is the network."""
        return self.path or type(self.module).__name__

    def named(self, name: str) -> str:
        """The name of something in it, in the network."""
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def record(self, args: tuple[Any, ...], kwargs: dict[str, Any], usual: Callable[..., Any]) -> Any:
        """Run the module's own forward pass, and record it; the graph must have the same output."""
        given, again = _cloned((args, kwargs)), _cloned((args, kwargs))
        random = torch.get_rng_state()
        with watched(self.module, self.scope.inner) as calls:
            output = usual(*args, **kwargs)
        try:
            own_args, own_kwargs = given
            self._record(own_args, own_kwargs, calls)
            with torch.random.fork_rng(), left_as_it_was(self.module):
                torch.set_rng_state(random)
                made = self._run(*again)
            expected = list(tensors(output))
            apart = proof.difference(expected, [each for each in made if isinstance(each, Tensor)])
            if not apart <= proof.tolerance(expected):
                raise NotCapturedError("the record has another output")
        except NotCapturedError as error:
            self.why_not = f"its forward pass cannot be recorded: {error}."
        except Exception as error:  # parts of a user's own may raise anything
            self.why_not = f"its forward pass cannot be recorded: {first_line(error)}."
        return output

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any], calls: Calls) -> None:
        for part in (self.module, *self.scope.inner):
            if isinstance(part, torch.jit.ScriptModule):
                raise NotCapturedError("it is a torch.jit module: rewrite before it is scripted")
            if part is not self.module and (part._forward_hooks or part._forward_pre_hooks):
                raise NotCapturedError(f"{type(part).__name__} in it has hooks")
            if isinstance(getattr(part.forward, "__self__", None), Followed):
                raise NotCapturedError("it has been rewritten already")
        with left_as_it_was(self.module):
            self.captured = capture(self.module, self.scope.inner, args, kwargs, calls)
        own = {(part, name) for part, name, _ in self.captured.assigned}
        for part, name in self.changed:
            if part in (self.module, *self.scope.inner) and (part, name) not in own:
                raise NotCapturedError(f"it assigns to {name}, which the record would not")
        found = find(self.captured.graph)
        self.sites, self.left = found.sites, found.left
        # Whether it can be told what the graph is right for is known now, and not when forms have been measured.
        followed = Followed(self.module, self.scope.inner, self.captured, self.captured.graph, {})
        if not followed.right_for(self.captured.example):
            raise NotCapturedError("its sizes are not what they were taken for")

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        assert self.captured is not None
        wanted = {node for site in self.sites for node in inputs_of(site)}
        wanted |= {part.start for site in self.sites for part in site.parts}
        interpreter = Recorder(self.module, self.captured.graph, wanted, self.captured.constants)
        made: tuple[Any, ...] = interpreter.run(*tensors((args, kwargs)))
        self.seen = interpreter.seen
        return made[: self.captured.outputs]

    def choose(self, chooser: Chooser) -> list[SiteReport]:
        """Decide on every site, and put what was chosen in place."""
        if self.captured is None or self.why_not:
            return [SiteReport(self.title, "upsampling", reason=self.why_not)] if self.why_not else []
        reports = [SiteReport(self.named(name), "upsampling", reason=reason) for name, reason in self.left]
        chosen: list[tuple[Site, Chosen]] = []
        for site in self.sites:
            measured = Measured(self.module, self.captured.constants, site, self.seen)
            report, way = chooser.best(site, measured, self.named(site.name))
            reports.append(report)
            if way is not None:
                self.rewritten.append(report.name)
                chosen.append((site, way))
        rows = {name: row for name, (row, _) in substitute(self.captured.graph, chosen).items()}
        self.seen.clear()
        if rows:
            zeros = [sympy.Eq(zero.node.expr, 0) for site, _ in chosen for zero in site.zeros]
            self.followed = Followed(self.module, self.scope.inner, self.captured, self.captured.graph, rows, zeros)
            self.followed.make()
        return reports

    def take_back(self) -> None:
        """Leave the module as it was."""
        if self.followed is not None:
            self.followed.take_back()
            self.followed = None


def _cloned(value: Any) -> Any:
    return mapped(value, lambda each: each.detach().clone() if isinstance(each, Tensor) else each)
