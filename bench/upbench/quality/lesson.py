"""One training: a network, a seed, and what was seen of it while it learnt.

All networks of one seed and scale see the same patches in the same order, start with the same head, and are taught
alike: mean absolute error, Adam, one cycle of the learning rate. In one thread of a CPU every sum has its order, so
that the same seed gives the same figures on the same machine. Torch's switch for deterministic algorithms is for GPUs;
on a CPU it only replaces interpolation by a slower one.

Sources: Kingma & Ba (Adam), ICLR 2015; Smith & Topin (one cycle), 2018; Lim et al. (EDSR), CVPR Workshops 2017, for the
mean absolute error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upbench.quality.backbone import FEATURES
from upbench.quality.contestants import network
from upbench.quality.degradation import Kernel
from upbench.quality.interpolations import Interpolated
from upbench.quality.photographs import training_photographs
from upbench.quality.pictures import is_shown, picture_of
from upbench.quality.readings import ImageMeter, ModuleMeter
from upbench.quality.views import WHITE, View, figures_of, held_out_views, look_at, view_of
from upbench.records.quality_run import Contestant, Picture, Training

LEARNING_RATE = 2e-3
BATCH = 8
PATCH = 32
"""Side of a patch of the original, unless the small one would have fewer than :data:`LEAST` pixels."""
LEAST = 12
LOOKS = 6
"""While a network learns, at half the steps, a quarter, and so on; the first is before any step."""


@dataclass(frozen=True)
class Curriculum:
    """What all trainings of a run share.

    Attributes:
        steps: of training.
        kernel: that the small images are made with.
        images: a folder of held-out images; the photographs that are kept for it where there is none.
    """

    steps: int
    kernel: Kernel = "matlab"
    images: str | None = None

    @property
    def looked_at(self) -> tuple[int, ...]:
        """The steps after which the network is looked at."""
        return tuple(sorted({0, *(self.steps >> halving for halving in range(LOOKS)), self.steps}))


@dataclass(frozen=True)
class Lesson:
    """What a worker is asked to do: train a contestant with a seed, and keep pictures of it or not."""

    contestant: Contestant
    seed: int
    curriculum: Curriculum
    pictured: bool


class _Notes:
    """What was seen of one contestant so far: a row of figures for each look, and pictures."""

    def __init__(self, contestant: Contestant, curriculum: Curriculum) -> None:
        self.contestant, self.curriculum = contestant, curriculum
        self.images: tuple[str, ...] = ()
        self.rows: dict[str, list[tuple[float | None, ...]]] = {}
        self.pictures: list[Picture] = []

    def look(
        self, module: nn.Module, views: Iterable[tuple[str, View]], step: int, differentiate: bool, pictured: bool
    ) -> None:
        """Look at every image, one after the other, as a folder's do not fit into memory at once."""
        found: dict[str, dict[str, float | None]] = {}
        for number, (name, view) in enumerate(views):
            look = look_at(module, view, differentiate)
            found[name] = figures_of(look)
            if pictured and is_shown(number, name, self.curriculum.images):
                self.pictures.append(picture_of(self.contestant, step, name, look))
        self.images = tuple(found)
        for meter in ImageMeter.registry:
            self.rows.setdefault(meter, []).append(tuple(figures[meter] for figures in found.values()))
        for meter, figure in _module_figures(module, self.contestant).items():
            self.rows.setdefault(meter, []).append((figure,))

    def entry(self, seed: int, steps: tuple[int, ...], seconds: float) -> dict[str, object]:
        """All of it, as a journal keeps it."""
        rows = {name: tuple(own) for name, own in self.rows.items()}
        training = Training(self.contestant.id, seed, steps, self.images, rows, seconds)
        return {"training": asdict(training), "pictures": [asdict(picture) for picture in self.pictures]}


def teach(lesson: Lesson) -> dict[str, object]:
    """Train and look; to be called in a process of its own, as it leaves torch with one thread.

    Returns:
        ``training`` and ``pictures`` as dictionaries, for a journal.
    """
    began = time.monotonic()
    torch.set_num_threads(1)
    torch.manual_seed(lesson.seed)
    learner, curriculum, scale = network(lesson.contestant), lesson.curriculum, lesson.contestant.scale
    views = list(held_out_views(scale, curriculum.kernel, curriculum.images))
    optimiser = torch.optim.Adam(learner.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=curriculum.steps)
    patches = _patches(lesson)
    notes = _Notes(lesson.contestant, curriculum)
    for step in range(curriculum.steps + 1):
        if step in curriculum.looked_at:
            at_an_end = step in (0, curriculum.steps)
            notes.look(learner, views, step, differentiate=at_an_end, pictured=at_an_end and lesson.pictured)
        if step < curriculum.steps:
            small, original = next(patches)
            optimiser.zero_grad()
            F.l1_loss(learner(small), original).backward()
            optimiser.step()
            schedule.step()
    return notes.entry(lesson.seed, curriculum.looked_at, time.monotonic() - began)


def enlarge(contestant: Contestant, curriculum: Curriculum) -> dict[str, object]:
    """Look at what an interpolation alone makes of the held-out images; returns what :func:`teach` does."""
    began = time.monotonic()
    torch.set_num_threads(1)
    notes = _Notes(contestant, curriculum)
    views = held_out_views(contestant.scale, curriculum.kernel, curriculum.images)
    notes.look(Interpolated(contestant.upsampler, contestant.scale), views, 0, differentiate=False, pictured=True)
    return notes.entry(-1, (0,), time.monotonic() - began)


def pixels_per_step(scale: int) -> int:
    """Pixels of small images that one step of training sees."""
    return BATCH * small_side(scale) ** 2


def small_side(scale: int) -> int:
    """Side of the small patches."""
    return max(LEAST, PATCH // scale)


def _module_figures(module: nn.Module, contestant: Contestant) -> dict[str, float | None]:
    """Of the upsampler in a network where that is what a meter asks for, and of the whole where it is not."""
    exact = deepcopy(module).double()
    inside = exact.get_submodule("upsampler") if contestant.placement in ("inside", "last") else None
    found: dict[str, float | None] = {}
    for name, meter in ModuleMeter.registry.items():
        asked, channels = (exact, 1) if inside is None or meter.of_networks else (inside, FEATURES)
        found[name] = meter.read(asked, channels, contestant.scale)
    return found


@cache
def _training_views(scale: int, kernel: Kernel) -> list[View]:
    return [view_of(image, scale, kernel) for image in training_photographs().values()]


def _patches(lesson: Lesson) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of patches, turned and mirrored at random; their order depends on the seed and the scale alone."""
    scale = lesson.contestant.scale
    side = small_side(scale)
    views = [(view.small, view.original) for view in _training_views(scale, lesson.curriculum.kernel)]
    planes = [tuple(torch.from_numpy(plane).float() / WHITE for plane in pair) for pair in views]
    generator = torch.Generator().manual_seed(lesson.seed)

    def drawn(below: int) -> int:
        return int(torch.randint(below, (), generator=generator))

    while True:
        batch = []
        for _ in range(BATCH):
            small, original = planes[drawn(len(planes))]
            top, left = (drawn(size - side + 1) for size in small.shape)
            turns, mirrored = drawn(4), drawn(2)
            pair = (
                small[top : top + side, left : left + side],
                original[top * scale : (top + side) * scale, left * scale : (left + side) * scale],
            )
            turned = [patch.rot90(turns).flip(1) if mirrored else patch.rot90(turns) for patch in pair]
            batch.append(turned)
        small_patches, original_patches = zip(*batch, strict=True)
        yield torch.stack(small_patches)[:, None], torch.stack(original_patches)[:, None]
