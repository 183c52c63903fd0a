"""One training: a network, a seed, and what was seen of it while it learnt.

All networks of one seed and scale see the same patches in the same order, start with the same head, and are taught
alike: mean absolute error, Adam, one cycle of the learning rate. In one thread and with deterministic algorithms the
same seed gives the same figures on the same machine.

Sources: Kingma & Ba (Adam), ICLR 2015; Smith & Topin (one cycle), 2018; Lim et al. (EDSR), CVPR Workshops 2017, for the
mean absolute error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
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
from upbench.quality.photographs import held_out_photographs, read_folder, training_photographs
from upbench.quality.pictures import pictures_of
from upbench.quality.readings import ModuleMeter
from upbench.quality.views import View, look_at, middle, readings, view_of
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


def teach(lesson: Lesson) -> tuple[Training, list[Picture]]:
    """Train and look; to be called in a process of its own, as it makes torch deterministic and single-threaded."""
    began = time.monotonic()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(lesson.seed)
    learner, curriculum = network(lesson.contestant), lesson.curriculum
    views = held_out_views(lesson.contestant.scale, curriculum)
    optimiser = torch.optim.Adam(learner.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=curriculum.steps)
    patches = _patches(lesson)
    seen: dict[str, list[tuple[float | None, ...]]] = {}
    pictures: list[Picture] = []
    for step in range(curriculum.steps + 1):
        if step in curriculum.looked_at:
            at_an_end = step in (0, curriculum.steps)
            looks = {name: look_at(learner, view, at_an_end) for name, view in views.items()}
            for name, row in (readings(looks) | _module_readings(learner, lesson.contestant)).items():
                seen.setdefault(name, []).append(row)
            if lesson.pictured and at_an_end:
                pictures += pictures_of(lesson.contestant, step, looks)
        if step < curriculum.steps:
            small, original = next(patches)
            optimiser.zero_grad()
            F.l1_loss(learner(small), original).backward()
            optimiser.step()
            schedule.step()
    training = Training(
        contestant=lesson.contestant.id,
        seed=lesson.seed,
        steps=curriculum.looked_at,
        images=tuple(views),
        readings={name: tuple(rows) for name, rows in seen.items()},
        seconds=time.monotonic() - began,
    )
    return training, pictures


def taught(lesson: Lesson) -> dict[str, object]:
    """What :func:`teach` gives, as a journal keeps it."""
    training, pictures = teach(lesson)
    return {"training": asdict(training), "pictures": [asdict(picture) for picture in pictures]}


def enlarged(contestant: Contestant, curriculum: Curriculum) -> dict[str, object]:
    """What an interpolation alone makes of the held-out images, as a journal keeps it."""
    began = time.monotonic()
    torch.set_num_threads(1)
    module = Interpolated(contestant.upsampler, contestant.scale)
    looks = {name: look_at(module, view) for name, view in held_out_views(contestant.scale, curriculum).items()}
    rows = {name: (row,) for name, row in readings(looks).items()}
    rows |= {name: ((meter.read(module, 1, contestant.scale),),) for name, meter in ModuleMeter.registry.items()}
    training = Training(contestant.id, -1, (0,), tuple(looks), rows, time.monotonic() - began)
    return {
        "training": asdict(training),
        "pictures": [asdict(picture) for picture in pictures_of(contestant, 0, looks)],
    }


def pixels_per_step(scale: int) -> int:
    """Pixels of small images that one step of training sees."""
    return BATCH * small_side(scale) ** 2


def small_side(scale: int) -> int:
    """Side of the small patches."""
    return max(LEAST, PATCH // scale)


def held_out_views(scale: int, curriculum: Curriculum) -> Mapping[str, View]:
    """Return the images that networks are judged by: the middle of the kept photographs, or a folder's as they are."""
    if curriculum.images is not None:
        images = read_folder(curriculum.images)
    else:
        images = {name: middle(image) for name, image in held_out_photographs().items()}
    return {name: view_of(image, scale, curriculum.kernel) for name, image in images.items()}


def _module_readings(learner: nn.Module, contestant: Contestant) -> dict[str, tuple[float | None, ...]]:
    """One figure each: of the upsampler for what is linear, of the whole network for what a flat surface gets."""
    exact = deepcopy(learner).double()
    found: dict[str, tuple[float | None, ...]] = {}
    for name, meter in ModuleMeter.registry.items():
        whole = meter.of_networks or contestant.placement == "first"
        module, channels = (exact, 1) if whole else (exact.get_submodule("upsampler"), FEATURES)
        found[name] = (meter.read(module, channels, contestant.scale),)
    return found


@cache
def _training_views(scale: int, kernel: Kernel) -> list[View]:
    return [view_of(image, scale, kernel) for image in training_photographs().values()]


def _patches(lesson: Lesson) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of patches, turned and mirrored at random; their order depends on the seed and the scale alone."""
    scale = lesson.contestant.scale
    side = small_side(scale)
    views = [(view.small, view.original) for view in _training_views(scale, lesson.curriculum.kernel)]
    planes = [tuple(torch.from_numpy(plane).float() / 255 for plane in pair) for pair in views]
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
