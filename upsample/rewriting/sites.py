"""Where in a graph something is upsampled and convolved: what is convolved is traced back to where it was small.

A site is one operator: an upsampler and the convolutions next to it, or a convolution of several values side by side or
added up, some of them upsampled,

    ``conv(cat(f(up(x)), skip)) = conv_x(up(f(x))) + conv_skip(skip)``

with the convolution's weights split by input channels. A function of every position by itself moves to low resolution
where it commutes with what lies between: any function with nearest-neighbour interpolation and with a shuffle, and one
that is affine with every interpolation, whose weights sum to one. What has a second reader is never part of a site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import fx, nn

from upsample.rewriting.steps import Linear
from upsample.rewriting.vocabulary import JOINING, operation
from upsample.rewriting.vocabulary import grows as makes_larger


@dataclass(frozen=True)
class Channels:
    """Which channels of a value are meant: ``first`` to ``last - 1``."""

    first: int
    last: int

    def of(self, whole: Channels) -> Channels:
        """These channels of a part, counted in what the part belongs to."""
        return Channels(whole.first + self.first, whole.first + self.last)

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first


@dataclass(frozen=True)
class Function:
    """A function of every position that is to be applied somewhere else than where it stands.

    Attributes:
        node: where it stands.
        channels: of what it stands behind.
        repeated: for how many channels there each of its own stands, where it moves before a shuffle.
    """

    node: fx.Node
    channels: Channels
    repeated: int = 1


@dataclass(frozen=True)
class Part:
    """A value that is convolved, with its share of the convolution.

    Attributes:
        start: the value that it is made from.
        functions: that are applied to it first.
        row: the linear layers, first to last.
    """

    start: fx.Node
    functions: tuple[Function, ...]
    row: tuple[Linear, ...]

    @property
    def grows(self) -> bool:
        """Whether it is upsampled on its way."""
        return any(grows(link.layer) for link in self.row)


@dataclass
class Site:
    """One operator of a graph that can be computed in other ways.

    Attributes:
        nodes: all that it replaces, in order; the last has its output.
        parts: what it is the sum of.
        other: what is added to its only part besides, which is no convolution then.
        zeros: symbolic numbers that have to be zero.
        ends: why no convolution after it is a part of it, if none is.
    """

    nodes: list[fx.Node]
    parts: list[Part]
    other: fx.Node | None = None
    zeros: tuple[torch.SymInt, ...] = ()
    ends: str = ""

    @property
    def text(self) -> str:
        """Its layers' names."""
        rows = [[_kind(link.layer) for link in part.row] for part in self.parts]
        if len(rows) == 1:
            return " + ".join(rows[0] if self.other is None else [*rows[0], "other"])
        inner = [
            " + ".join(names[:-1]) if part.grows else "other" for names, part in zip(rows, self.parts, strict=True)
        ]
        how = "cat" if any(operation(each) in JOINING for each in self.nodes) else "sum"
        return f"{how}({', '.join(inner)}) + {rows[0][-1]}"

    @property
    def name(self) -> str:
        """The path of its first layer with weights, or of the module that calls it, or the name of its first node."""
        for link in self.parts[0].row:
            for source in link.given["weight"].sources if "weight" in link.given else ():
                if isinstance(source.meta.get("path"), str):
                    return str(source.meta["path"]).rpartition(".")[0]
        return name_of(next(node for node in self.nodes if makes_larger(node)))


@dataclass
class Found:
    """What there is in one graph.

    Attributes:
        sites: that may be rewritten.
        left: name and reason of what upsamples and is left alone.
    """

    sites: list[Site] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def grows(layer: nn.Module) -> bool:
    """Whether a layer makes what it is given larger."""
    return isinstance(layer, nn.Upsample | nn.PixelShuffle | nn.ConvTranspose2d)


def name_of(node: fx.Node) -> str:
    """The path of the module that calls a node, or the node's own name where that is no layer of torch's."""
    stack = node.meta.get("nn_module_stack") or {}
    path, kind = list(stack.values())[-1] if isinstance(stack, Mapping) and stack else ("", "")
    layer = str(getattr(kind, "__module__", kind)).startswith("torch.nn.modules.")
    return str(path) if layer else f"{path}.{node.name}".lstrip(".")


def _kind(layer: nn.Module) -> str:
    return type(layer).__name__


def computed(site: Site) -> fx.Node | None:
    """A parameter of its layers that the forward pass computes or is given, if there is one."""
    needed = (each.sources for part in site.parts for link in part.row for each in link.given.values())
    own = (source for sources in needed for source in sources)
    return next((source for source in own if source.op != "get_attr" and "path" not in source.meta), None)


def conv_like(layer: nn.Conv2d, in_channels: int, out_channels: int, groups: int = 1) -> nn.Conv2d:
    """A convolution of so many channels that is otherwise the same; its parameters hold nothing."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        layer.kernel_size,  # type: ignore[arg-type]  # a pair is what it takes
        padding=layer.padding,  # type: ignore[arg-type]
        dilation=layer.dilation,  # type: ignore[arg-type]
        groups=groups,
        bias=layer.bias is not None,
        device="meta",
    )
