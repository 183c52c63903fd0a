"""Runs a graph once and keeps some of its values: what its sites are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx, nn

from upsample.rewriting.vocabulary import grows as makes_larger


class Recorder(fx.Interpreter):
    """Runs the graph of a module.

    Args:
        module: whose graph it is.
        graph: it.
        wanted: nodes whose values are kept.
        constants: tensors that the graph reads from the module and that it does not have yet.

    Attributes:
        seen: the values.
    """

    def __init__(
        self, module: nn.Module, graph: fx.Graph, wanted: set[fx.Node], constants: Mapping[str, Tensor]
    ) -> None:
        super().__init__(module, graph=graph)
        self._wanted, self._constants = wanted, constants
        self.seen: dict[fx.Node, Any] = {}

    def fetch_attr(self, target: str) -> Any:
        return self._constants[target] if target in self._constants else super().fetch_attr(target)

    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        if n in self._wanted:
            # What is written to later is not what a site was given.
            self.seen[n] = made.detach().clone() if isinstance(made, Tensor) and _may_be_written_to(n) else made
        return made


def _may_be_written_to(node: fx.Node) -> bool:
    return "path" not in node.meta and any(not makes_larger(user) and user.op != "output" for user in node.users)
