"""What was seen of images, as data: a file of quality and artefacts, and what it holds. Free of torch.

A *contestant* is a network, or an interpolation alone, that enlarges images. Its *trainings* differ in their seed; each
has readings of every held-out image by every meter, at several steps while it learnt. Readings compare only where
contestants share a seed, as then they have seen the same data in the same order, and only on the same image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from upbench.errors import UserError
from upbench.records.documents import DocumentError, check_schema, fault_in, read_document
from upbench.records.record import write_whole
from upbench.records.trials import begins_with
from upbench.wording import shown

KEY = "upsample_bench_quality"
SCHEMA = 1

League = Literal["as practised", "equal parameters", "equal FLOPs", "without training"]
"""What contestants of one comparison share: the backbone; as many parameters or FLOPs as the network with one-stage
sub-pixel convolution, to the nearest width of the backbone; or nothing, where nothing is learnt."""

Placement = Literal["inside", "last", "first", "alone"]
"""Where the upsampler stands: between backbone and a last convolution; as the last layer; before the backbone; without
any network."""


class QualityFileError(UserError):
    """A file cannot be read as records of quality; one sentence says which and why."""


@dataclass(frozen=True)
class Contestant:
    """What enlarges images.

    Attributes:
        upsampler: its name in the catalogue, or of an interpolation.
        scale: whole.
        league: what it shares with those it is compared with.
        placement: of the upsampler in its network.
        options: of the upsampler beside its name, such as ``kernel_size``.
        backbone_width: inner channels of the backbone's blocks; 0 without one.
        params: of the whole network.
        flops_per_pixel: of the whole network for one pixel of the small image.
    """

    upsampler: str
    scale: int
    league: League
    placement: Placement = "inside"
    options: Mapping[str, Any] = field(default_factory=dict)
    backbone_width: int = 0
    params: int = 0
    flops_per_pixel: int = 0

    @property
    def id(self) -> str:
        """Unique in a run."""
        options = "".join(f",{name}={value}" for name, value in sorted(self.options.items()))
        return f"{self.upsampler}{options}/x{self.scale}/{self.placement}/{self.league}".replace(" ", "-")


@dataclass(frozen=True)
class Training:
    """One contestant, trained once.

    Attributes:
        contestant: its id.
        seed: of its weights and of the order of the data; -1 where nothing is learnt.
        steps: at which it was looked at, the first before any training.
        images: the held-out images that it was looked at with.
        readings: by the meter's name, a row for each step: a figure for each image, or one for the network as a whole;
            None where a meter says nothing.
        seconds: that the training took.
        outcome: ``ok``, or why it has no readings.
        reason: one sentence unless ``ok``.
    """

    contestant: str
    seed: int
    steps: tuple[int, ...] = ()
    images: tuple[str, ...] = ()
    readings: Mapping[str, tuple[tuple[float | None, ...], ...]] = field(default_factory=dict)
    seconds: float = 0.0
    outcome: str = "ok"
    reason: str | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``asdict`` wrote."""
        readings = {name: tuple(tuple(row) for row in rows) for name, rows in values["readings"].items()}
        own = {**values, "steps": tuple(values["steps"]), "images": tuple(values["images"]), "readings": readings}
        return cls(**own)


@dataclass(frozen=True)
class Untrained:
    """An upsampler as it is before training, with random weights.

    Attributes:
        upsampler, scale: which.
        readings: by the meter's name, one figure, mean over seeds; None where a meter says nothing.
        outcome: ``ok``, or why there are no readings.
        reason: one sentence unless ``ok``.
    """

    upsampler: str
    scale: int
    readings: Mapping[str, float | None]
    outcome: str = "ok"
    reason: str | None = None


@dataclass(frozen=True)
class Picture:
    """A part of an image as a contestant enlarged it, at the end of its first training.

    Attributes:
        contestant: its id, or ``original``, or ``small`` for what all were given.
        scale: of the comparison to which it belongs.
        image: of which it is a part.
        step: after which it was made; 0 before any training.
        png: of luma, 8 bits, base64.
    """

    contestant: str
    scale: int
    image: str
    step: int
    png: str


@dataclass(frozen=True)
class MeterCard:
    """What a reader must know of a meter.

    Attributes:
        title: in English.
        unit: such as ``dB``; empty for a ratio.
        better: ``higher`` or ``lower``.
        about: one sentence: what it is.
        ratio_of_energies: its figures are such, which JSON can hold at 0, and are shown in dB.
    """

    title: str
    unit: str
    better: Literal["higher", "lower"]
    about: str
    ratio_of_energies: bool = False


@dataclass(frozen=True)
class QualityRun:
    """Everything that one ``upbench quality`` saw.

    Attributes:
        contestants: each once.
        trainings: of each as many as there are seeds.
        starts: of every upsampler of the catalogue.
        pictures: for the page.
        meters: by name, those of trainings and of starts.
        cards: what the catalogue says of each upsampler.
        photographs: names, licences, sizes, and which were held out.
        facts: command, version, source, settings, fingerprint, commit, measured_at.
    """

    contestants: tuple[Contestant, ...]
    trainings: tuple[Training, ...]
    starts: tuple[Untrained, ...]
    pictures: tuple[Picture, ...]
    meters: Mapping[str, MeterCard]
    cards: Mapping[str, Mapping[str, Any]]
    photographs: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]

    def contestant(self, id: str) -> Contestant:
        """The contestant with this id."""
        return next(each for each in self.contestants if each.id == id)

    def title(self, contestant: Contestant) -> str:
        """What tables and charts call a contestant, its options included."""
        title = str(self.cards[contestant.upsampler]["title"])
        if not contestant.options:
            return title
        # What the catalogue's title says of its own options does not hold for others.
        options = [f"{name.removesuffix('_size')} {value}" for name, value in contestant.options.items()]
        return ", ".join([title.partition(",")[0], *options])


def is_quality(path: Path) -> bool:
    """Whether the file holds records of quality rather than a run."""
    return begins_with(path, KEY)


def write_quality(run: QualityRun, path: Path) -> None:
    """Write the run to ``path``; the file appears whole or not at all."""
    write_whole(
        path,
        {
            KEY: SCHEMA,
            **run.facts,
            "meters": {name: asdict(card) for name, card in run.meters.items()},
            "cards": run.cards,
            "photographs": list(run.photographs),
            "contestants": [asdict(each) for each in run.contestants],
            "starts": [asdict(each) for each in run.starts],
            "trainings": [asdict(each) for each in run.trainings],
            "pictures": [asdict(each) for each in run.pictures],
        },
    )


def read_quality(path: Path) -> QualityRun:
    """Read what :func:`write_quality` wrote.

    Raises:
        QualityFileError: the file is damaged, of another kind, or of a later schema.
    """
    from upbench.records.shapes import QualityShape

    try:
        document = read_document(path)
        if not isinstance(document, dict) or KEY not in document:
            raise QualityFileError(f"{path} holds no records of quality.")
        check_schema(document[KEY], SCHEMA)
        if fault := fault_in(document, QualityShape):
            raise DocumentError(f"is damaged: a record lacks or garbles the field {fault}.")
        of_run = {"meters", "cards", "photographs", "contestants", "starts", "trainings", "pictures", KEY}
        run = QualityRun(
            contestants=tuple(Contestant(**each) for each in document["contestants"]),
            trainings=tuple(Training.from_dict(each) for each in document["trainings"]),
            starts=tuple(Untrained(**each) for each in document["starts"]),
            pictures=tuple(Picture(**each) for each in document["pictures"]),
            meters={name: MeterCard(**card) for name, card in document["meters"].items()},
            cards=document["cards"],
            photographs=tuple(document["photographs"]),
            facts={key: value for key, value in document.items() if key not in of_run},
        )
    except DocumentError as error:
        raise QualityFileError(f"{path} {error}") from error
    except TypeError as error:  # a field that nothing here has
        raise QualityFileError(f"{path} is damaged: {shown(str(error))}.") from error
    if (fault := _fault(run)) is not None:
        raise QualityFileError(f"{path} is damaged: {shown(fault)}.")
    return run


def _fault(run: QualityRun) -> str | None:
    """What keeps a run from being shown, if anything: a name that nobody has, or figures that do not fit together."""
    ids = {each.id for each in run.contestants}
    for name in [each.upsampler for each in run.contestants] + [each.upsampler for each in run.starts]:
        if name not in run.cards:
            return f"nothing says what {name} is called"
    for training in run.trainings:
        if training.contestant not in ids:
            return f"{training.contestant} was trained and is no contestant"
        for meter, rows in training.readings.items():
            widths = {1, len(training.images)}
            fits = len(rows) == len(training.steps) and all(len(row) in widths for row in rows)
            if meter not in run.meters or not fits:
                return f"the readings of {meter} of {training.contestant} do not fit its steps and images"
    return None


def final(training: Training, meter: str) -> Sequence[float | None]:
    """What a meter said of each image after the last step."""
    rows = training.readings.get(meter, ())
    return rows[-1] if rows else ()


def decibels(ratio: float | None) -> float | None:
    """A ratio of energies in dB; -∞ for 0, None for None."""
    if ratio is None:
        return None
    return 10 * math.log10(ratio) if ratio > 0 else -math.inf
