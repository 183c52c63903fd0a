"""One run of a network, watched: where it upsamples, what becomes of that, and which modules have a hand in it.

Whatever Python the network is made of is simply run. What is seen are ATen's operators, with the modules that are
running when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from upsample.exact.exact_form import ExactForm
from upsample.rewriting.rows import GivenRow
from upsample.rewriting.structure import tensors
from upsample.rewriting.vocabulary import AFFINE, FUNCTIONS, MODES, elsewhere

Stack = tuple[nn.Module, ...]
"""The modules that are running, the network first."""

PADDING = frozenset({"pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d"})

THROUGH = (
    FUNCTIONS
    | AFFINE
    | PADDING
    | frozenset(
        [
            "cat",
            "batch_norm",
            "native_batch_norm",
            "cudnn_batch_norm",
            "_native_batch_norm_legit_no_training",
            "_native_batch_norm_legit",
            "prelu",
            "_prelu_kernel",
            "log_sigmoid_forward",
            "clone",
            "alias",
            "dropout",
            "copy_",
            "slice",
        ]
    )
)
"""Operators that a convolution may have between itself and what is upsampled."""

CONVOLUTIONS = frozenset({"convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution", "conv2d"})

FURTHER = CONVOLUTIONS | PADDING | {"pixel_shuffle"}
"""Operators that lead on from a convolution's output, if nothing else reads it."""


@dataclass
class Trail:
    """One or more upsamplers, and whatever their outputs come together with until they are convolved."""

    stacks: list[Stack] = field(default_factory=list)
    merged: Trail | None = None

    def root(self) -> Trail:
        """The trail that this one has become a part of."""
        trail = self
        while trail.merged is not None:
            trail = trail.merged
        return trail


@dataclass
class Scope:
    """A module whose forward pass has a site in it, from the upsampler to the convolution.

    Attributes:
        module: the smallest of them.
        inner: the modules in it whose forward passes are parts of sites as well.
    """

    module: nn.Module
    inner: set[nn.Module]


class _Watch(TorchDispatchMode):
    """Follows what is upsampled from operator to operator."""

    def __init__(self, stack: list[nn.Module]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stack = stack
        self._before = WeakTensorKeyDictionary()  # outputs of convolutions, with the modules that ran
        self._small = WeakTensorKeyDictionary()  # what was upsampled and not yet convolved
        self._made = WeakTensorKeyDictionary()  # what has been convolved since
        self._transposed = WeakTensorKeyDictionary()  # outputs of transposed convolutions, which are both
        self.trails: list[Trail] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        given, made = list(tensors([list(args), kwargs])), next(tensors(output), None)
        # What is in an exact form already is let alone.
        if made is not None and not any(isinstance(each, ExactForm | GivenRow) for each in self._stack):
            self._follow(name if name == "copy_" else name.rstrip("_"), args, given, made)
        return output

    def _follow(self, name: str, args: tuple[Any, ...], given: list[Tensor], made: Tensor) -> None:
        stack = tuple(self._stack)
        small = [self._small[each] for each in given if each in self._small]
        if name == "cat":
            # Of functions, those that come to stand before a transposed convolution are none.
            small += [self._transposed[each] for each in given if each in self._transposed]
        linear = [self._made[each] for each in given[:1] if each in self._made]
        if name in CONVOLUTIONS:
            # The seventh argument of ATen's.
            transposed = name != "conv2d" and len(args) > 6 and bool(args[6])
            trail = self._together(small or linear, stack, new=transposed)
            self._before[made] = stack
            if trail is not None:
                self._made[made] = trail
                if transposed:
                    self._transposed[made] = trail
        elif name == "pixel_shuffle" or name in MODES or elsewhere(name) is not None:
            trail = self._together(linear if name == "pixel_shuffle" else [], stack, new=True)
            assert trail is not None
            if name == "pixel_shuffle" and given[0] in self._before:
                trail.stacks.append(self._before[given[0]])
            self._small[made] = trail
        elif name in THROUGH and (small or linear):
            if small:
                trail = self._together(small, stack)
                assert trail is not None
                self._small[made] = trail
            elif name in PADDING:
                self._made[made] = linear[0]
                linear[0].root().stacks.append(stack)
        if name not in FURTHER:
            for each in given:
                self._made.pop(each, None)

    def handed_on(self, args: Any, output: Any) -> None:
        """A module has returned what it was given, as one that drops nothing now; it has a hand in it all the same."""
        for each in tensors(output):
            trail = self._small.get(each, self._made.get(each))
            if trail is not None and any(each is given for given in tensors(args)):
                trail.root().stacks.append(tuple(self._stack))

    def _together(self, trails: Sequence[Trail], stack: Stack, new: bool = False) -> Trail | None:
        """One trail of all of these, with what runs now; None where there is none."""
        if not trails:
            if not new:
                return None
            self.trails.append(Trail([stack]))
            return self.trails[-1]
        first, *others = dict.fromkeys(id(each.root()) for each in trails)
        roots = {id(each.root()): each.root() for each in trails}
        trail = roots[first]
        for each in others:
            roots[each].merged = trail
            trail.stacks += roots[each].stacks
        trail.stacks.append(stack)
        return trail


def observe(network: nn.Module, run: Callable[[], Any]) -> tuple[Any, list[Scope]]:
    """Run a network, and return its output and the scopes of all that it upsamples."""
    stack: list[nn.Module] = []
    watch = _Watch(stack)
    with _stacked(stack, watch.handed_on), watch:
        output = run()
    stacks = [trail.stacks for trail in watch.trails if trail.merged is None]
    return output, _disjoint([_scope(each) for each in stacks if all(each)])


@contextmanager
def _stacked(stack: list[nn.Module], returned: Callable[[Any, Any], None]) -> Iterator[None]:
    """Keep the running modules in a list, and tell what each was given and returns while it is the last of them."""

    def enter(module: nn.Module, args: object) -> None:
        stack.append(module)

    def leave(module: nn.Module, args: object, output: object) -> None:
        if stack and stack[-1] is module:
            returned(args, output)
        while stack and stack.pop() is not module:
            # A call inside of this one has ended with an error that somebody caught.
            pass

    handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scope(stacks: Sequence[Stack]) -> Scope:
    """The innermost module that all stacks have in common, and those inside of it."""
    common = 0
    while all(len(stack) > common and stack[common] is stacks[0][common] for stack in stacks):
        common += 1
    return Scope(stacks[0][common - 1], {module for stack in stacks for module in stack[common:]})


def _disjoint(scopes: list[Scope]) -> list[Scope]:
    """The scopes with those made one of which one would be inside of another's forward pass."""
    made: dict[nn.Module, Scope] = {}
    for scope in scopes:
        same = made.setdefault(scope.module, Scope(scope.module, set()))
        same.inner |= scope.inner
    while True:
        found = next(
            ((one, other) for one in made.values() for other in made.values() if other.module in one.inner), None
        )
        if found is None:
            return list(made.values())
        outer, inner = found
        outer.inner |= inner.inner
        del made[inner.module]
