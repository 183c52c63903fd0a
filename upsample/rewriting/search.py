"""Finds the sites of a graph: what is convolved is traced back to where it was small."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, fx, nn

from upsample.contract import UnsupportedError
from upsample.exact.layers import Padding
from upsample.rewriting.sites import Channels, Found, Function, Part, Site, conv_like, grows, name_of
from upsample.rewriting.steps import Joined, Linear, Pointwise, Same, Step, added, step
from upsample.rewriting.vocabulary import grows as makes_larger
from upsample.rewriting.vocabulary import operation, shape_of, writes


def find(graph: fx.Graph) -> Found:
    """Find the sites of a graph whose nodes have their values' shapes with them, each as large as it can be."""
    found, look = Found(), _Look(graph)
    for node in graph.nodes:
        if node not in look.taken and (site := look.around(node)) is not None:
            look.taken.update(site.nodes)
            found.sites.append(site)
    for node in graph.nodes:
        if node in look.taken or not makes_larger(node):
            continue
        lone = look.alone(node)
        if isinstance(lone, str):
            found.left.append((name_of(node), lone))
        else:
            look.taken.update(lone.nodes)
            found.sites.append(lone)
    order = {node: number for number, node in enumerate(graph.nodes)}
    found.sites.sort(key=lambda site: order[site.nodes[-1]])
    return found


class _Look:
    """One graph, seen as steps."""

    def __init__(self, graph: fx.Graph) -> None:
        self.taken: set[fx.Node] = set()
        self._order = {node: number for number, node in enumerate(graph.nodes)}
        self._steps: dict[fx.Node, Step | str | None] = {}

    def step(self, node: fx.Node) -> Step | str | None:
        """What a node does, why it is no step that could be rewritten, or None."""
        if node not in self._steps:
            try:
                self._steps[node] = step(node)
            except UnsupportedError as error:
                self._steps[node] = str(error)
        return self._steps[node]

    def around(self, node: fx.Node) -> Site | None:
        """The site that ends in a convolution, if what it convolves is upsampled."""
        root = self.step(node)
        if not isinstance(root, Linear) or not isinstance(root.layer, nn.Conv2d) or not _dense(root.layer):
            return None
        whole = Channels(0, root.layer.in_channels)
        nodes: list[fx.Node] = [node]
        parts = self._parts(root.input, (root,), (), whole, nodes)
        if not any(part.grows for part in parts):
            return None
        if len(parts) > 1 and root.layer.groups > 1:
            return None
        # A value may stand on both sides of a sum, or twice side by side.
        nodes = sorted(dict.fromkeys(nodes), key=self._order.__getitem__)
        zeros = tuple(zero for each in nodes if isinstance(made := self.step(each), Same) for zero in made.zeros)
        site = Site(nodes, sorted(parts, key=lambda part: not part.grows), zeros=zeros)
        if len(parts) == 1:
            self._extend(site)
        return site if self._undisturbed(site) else None

    def alone(self, node: fx.Node) -> Site | str:
        """The site of an upsampler that no convolution follows, or why there is none."""
        link = self.step(node)
        if isinstance(link, str):
            return link
        if not isinstance(link, Linear):
            return "it is called with arguments that are not known here."
        nodes = [node]
        start, row = self._before(link, nodes)
        site = Site(nodes, [Part(start, (), row)])
        self._extend(site)
        if len(site.nodes) == 1 and isinstance(link.layer, nn.Upsample):
            self._add(site)
        if not isinstance(self._layer(site.nodes[-1]), nn.Conv2d | nn.ConvTranspose2d) and site.other is None:
            site.ends = self._why_ended(site.nodes[-1])
        return site if self._undisturbed(site) else "what it is given is written to before it is used."

    def _layer(self, node: fx.Node) -> nn.Module | None:
        made = self.step(node)
        return made.layer if isinstance(made, Linear) else None

    def _why_ended(self, node: fx.Node) -> str:
        """Why what follows on a node is no part of its site."""
        readers = list(node.users)
        if len(readers) > 1:
            return f"what it makes is read {len(readers)} times"
        made = self.step(readers[0]) if readers else None
        if not readers or readers[0].op == "output":
            return "no convolution follows"
        name = operation(readers[0]) or str(readers[0].target)
        if isinstance(made, Pointwise) and not _commutes(readers[0], made, self._layer(node) or nn.Identity()):
            return f"{name} follows, which does not commute with it"
        return f"{name} follows"

    def _parts(
        self,
        node: fx.Node,
        row: tuple[Linear, ...],
        functions: tuple[Function, ...],
        channels: Channels,
        nodes: list[fx.Node],
    ) -> list[Part]:
        """What a row of layers is given, as the sum of parts; ``nodes`` gets what they take the place of.

        Args:
            node: the value.
            row: what follows, its last layer the convolution.
            functions: of every position, that follow on the value; the first first.
            channels: of the convolution that read it.
            nodes: of the site.
        """
        leaf = [Part(node, functions, _share(row, channels))]
        made = self.step(node)
        if len(node.users) != 1 or node in self.taken or not isinstance(made, Linear | Joined | Pointwise | Same):
            return leaf
        further: list[fx.Node] = [node]
        if isinstance(made, Same):
            parts = self._parts(made.input, row, functions, channels, further)
        elif isinstance(made, Joined):
            if any(isinstance(link.layer, nn.Conv2d) and link.layer.groups > 1 for link in row[-1:]):
                return leaf
            parts = self._joined(made, row, functions, channels, further)
        elif isinstance(made, Pointwise):
            sum_of = added(node)
            if len(made.inputs) == 1:
                own = Function(node, Channels(0, _channels(node)))
                parts = self._parts(made.inputs[0], row, (own, *functions), channels, further)
            elif sum_of is not None and not functions and all(_unbiased(link) for link in row[:-1]):
                parts = [part for each in sum_of for part in self._parts(each, row, (), channels, further)]
                if not all(part.grows for part in parts):
                    # A convolution more than before, at full size.
                    return leaf
            else:
                return leaf
        else:
            return self._through(made, node, row, functions, channels, nodes) or leaf
        if not any(part.grows for part in parts):
            return leaf
        nodes.extend(further)
        return parts

    def _joined(
        self,
        made: Joined,
        row: tuple[Linear, ...],
        functions: tuple[Function, ...],
        channels: Channels,
        nodes: list[fx.Node],
    ) -> list[Part]:
        parts: list[Part] = []
        first = 0
        for each in made.parts:
            own = Channels(first, first + _channels(each))
            first = own.last
            sliced = tuple(replace(function, channels=own.of(function.channels)) for function in functions)
            parts += self._parts(each, _channelwise(row, own), sliced, own.of(channels), nodes)
        return parts

    def _through(
        self,
        made: Linear,
        node: fx.Node,
        row: tuple[Linear, ...],
        functions: tuple[Function, ...],
        channels: Channels,
        nodes: list[fx.Node],
    ) -> list[Part] | None:
        """The parts behind a linear layer, if it is one that each channel goes through by itself, or that grows."""
        if not all(_commutes(each.node, _pointwise(self.step(each.node)), made.layer) for each in functions):
            return None
        if grows(made.layer):
            if isinstance(made.layer, nn.PixelShuffle):
                times = made.layer.upscale_factor**2
                functions = tuple(replace(each, repeated=each.repeated * times) for each in functions)
            further = [node]
            start, before = (made.input, (made,)) if functions else self._before(made, further)
            nodes.extend(further)
            return [Part(start, functions, (*before, *_share(row, channels)))]
        depthwise = isinstance(made.layer, nn.Conv2d) and _depthwise(made.layer) and not functions
        if not depthwise and not isinstance(made.layer, Padding):
            return None
        further = [node]
        parts = self._parts(made.input, (made, *row), functions, channels, further)
        if not any(part.grows for part in parts):
            return None
        nodes.extend(further)
        return parts

    def _before(self, link: Linear, nodes: list[fx.Node]) -> tuple[fx.Node, tuple[Linear, ...]]:
        """A shuffle with the convolution before it, which alone of all gains from it."""
        before = link.input
        made = self.step(before)
        if (
            isinstance(link.layer, nn.PixelShuffle)
            and isinstance(made, Linear)
            and isinstance(made.layer, nn.Conv2d)
            and _dense(made.layer)
            and len(before.users) == 1
            and before not in self.taken
        ):
            nodes.insert(0, before)
            return made.input, (made, link)
        return link.input, (link,)

    def _extend(self, site: Site) -> None:
        """Take in the layers after it that alone read what is before them."""
        (part,) = site.parts
        row, waiting = list(part.row), list[tuple[fx.Node, Linear]]()
        last = site.nodes[-1]
        while len(last.users) == 1:
            (reader,) = last.users
            made = self.step(reader)
            if reader in self.taken or not isinstance(made, Linear) or made.input is not last:
                break
            waiting.append((reader, made))
            last = reader
            if isinstance(made.layer, Padding):
                continue
            if not (isinstance(made.layer, nn.Conv2d) and _dense(made.layer)) and not isinstance(
                made.layer, nn.PixelShuffle
            ):
                break
            # Padding alone gains nothing.
            site.nodes += [node for node, _ in waiting]
            row += [link for _, link in waiting]
            waiting.clear()
        site.parts = [replace(part, row=tuple(row))]

    def _add(self, site: Site) -> None:
        """Take in the sum that alone reads an interpolation."""
        (node,) = site.nodes
        readers = list(node.users)
        sum_of = added(readers[0]) if len(readers) == 1 else None
        if sum_of is None or readers[0] in self.taken or sum_of[0] is sum_of[1] or writes(readers[0]):
            return
        (site.other,) = (each for each in sum_of if each is not node)
        site.nodes.append(readers[0])

    def _undisturbed(self, site: Site) -> bool:
        """Whether nobody writes into what a site is given, which it comes to read later than before."""
        own = set(site.nodes)
        if any(part.start in own for part in site.parts):
            return False
        given = {each for node in own for each in node.all_input_nodes if each not in own}
        memory = frozenset[fx.Node]().union(*map(self._memory, given))
        first, last = (self._order[site.nodes[end]] for end in (0, -1))
        for node, place in self._order.items():
            if first < place < last and node not in own and (writes(node) or node.meta.get("writes")):
                into = node.all_input_nodes if node.op == "call_module" else node.all_input_nodes[:1]
                if not memory.isdisjoint(frozenset[fx.Node]().union(*map(self._memory, into))):
                    return False
        return not any(writes(node) and len(node.all_input_nodes[0].users) > 1 for node in own)

    def _memory(self, node: fx.Node) -> frozenset[fx.Node]:
        """The values whose memory a value may lie in: views share it, and so may whatever is not known here."""
        found, seen, waiting = set[fx.Node](), set[fx.Node](), [node]
        while waiting:
            each = waiting.pop()
            # Each once: there are as many ways back through a network's sums as two to the number of them.
            if each in seen:
                continue
            seen.add(each)
            shared = self._shares(each)
            waiting += shared
            if not shared:
                found.add(each)
        return frozenset(found)

    def _shares(self, node: fx.Node) -> list[fx.Node]:
        """What a value may share its memory with."""
        schema = getattr(node.target, "_schema", None)
        made = self.step(node)
        if node.op == "call_module":
            return node.all_input_nodes if node.meta.get("shares", True) else []
        if writes(node) or isinstance(made, Same):
            return node.all_input_nodes[:1]
        if isinstance(made, Linear | Joined | Pointwise):
            return []
        if schema is not None and not any(each.alias_info for each in schema.returns):
            return []
        return node.all_input_nodes


def _dense(layer: nn.Conv2d) -> bool:
    return layer.stride == (1, 1)


def _depthwise(layer: nn.Conv2d) -> bool:
    return _dense(layer) and layer.groups == layer.in_channels == layer.out_channels


def _unbiased(link: Linear) -> bool:
    return "bias" not in link.given and getattr(link.layer, "value", 0) == 0


def _channels(node: fx.Node) -> int:
    return int(shape_of(node)[1])


def _pointwise(made: Step | str | None) -> Pointwise:
    assert isinstance(made, Pointwise)
    return made


def _commutes(node: fx.Node, function: Pointwise, layer: nn.Module) -> bool:
    """Whether a function may be applied before a layer in place of after it."""
    if isinstance(layer, nn.PixelShuffle):
        return True
    if isinstance(layer, nn.Upsample):
        return function.affine or layer.mode in ("nearest", "nearest-exact")
    if isinstance(layer, nn.ConstantPad2d):
        return not function.per_channel and _stays(node, layer.value)
    return isinstance(layer, Padding)


def _stays(node: fx.Node, value: float) -> bool:
    """Whether a function without further values leaves this one as it is."""
    given = torch.tensor(value)
    arguments = [given if isinstance(each, fx.Node) else each for each in node.args]
    if node.op == "call_method":
        return bool(getattr(given.clone(), str(node.target))(*arguments[1:], **node.kwargs) == given)
    assert callable(node.target)
    try:
        return bool(
            node.target(*[each.clone() if each is given else each for each in arguments], **node.kwargs) == given
        )
    except (RuntimeError, TypeError):
        return False


def _share(row: tuple[Linear, ...], channels: Channels) -> tuple[Linear, ...]:
    """The row with the part of the last layer's weights that these channels meet."""
    *before, conv = row
    layer = conv.layer
    assert isinstance(layer, nn.Conv2d)
    if channels == Channels(0, layer.in_channels):
        return row
    part = conv_like(layer, channels.count, layer.out_channels, layer.groups)
    weight = conv.given["weight"].then(partial(_narrowed, 1, channels.first, channels.count))
    return (*before, replace(conv, layer=part, given={**conv.given, "weight": weight}))


def _channelwise(row: tuple[Linear, ...], channels: Channels) -> tuple[Linear, ...]:
    """The row for some of the channels before its last layer."""
    made = []
    for link in row[:-1]:
        if isinstance(link.layer, nn.Conv2d) and channels.count != link.layer.in_channels:
            narrowed = partial(_narrowed, 0, channels.first, channels.count)
            given = {name: each.then(narrowed) for name, each in link.given.items()}
            link = replace(link, layer=conv_like(link.layer, *[channels.count] * 3), given=given)
        made.append(link)
    return (*made, row[-1])


def _narrowed(dim: int, first: int, count: int, tensor: Tensor) -> Tensor:
    return tensor.narrow(dim, first, count)
