"""What files of records must hold for everything behind them to work: types, signs, and what cannot be without what.

Fields that are not named here are somebody else's or a later version's; they are kept as they are and counted on by
nobody. Numbers are bounded where sums, ratios and exponentials of them would leave what a float can hold.
"""

from __future__ import annotations

from math import log
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_LEVEL = log(1e17)
"""How many times as long as the control a call may take, or the inverse, as a logarithm: intervals of two launches are
some thirteen times as wide as these differ."""

Words = Annotated[str, Field(max_length=10_000)]
"""A name, or anything else of a line."""

Told = Annotated[str, Field(max_length=100_000)]
"""A reason, or a command."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Amount = Annotated[float, Field(ge=0, le=1e30)]
Rate = Annotated[float, Field(gt=0, le=1e30)]
Seconds = Annotated[float, Field(ge=1e-12, le=1e9)]
Level = Annotated[float, Field(ge=-MOST_LEVEL, le=MOST_LEVEL)]
Factor = Annotated[float, Field(gt=1, le=1e6)]
Reading = Annotated[float, Field(ge=-1e9, le=1e9)]
Readings = Annotated[list[Annotated[list[Reading | None], Field(fail_fast=True)]], Field(fail_fast=True)]
"""A row for each step."""


class Shape(BaseModel):
    """A JSON object; ``"3"`` is no number, and ``true`` is none either."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


class QuantitiesShape(Shape):
    """What meters tell of a case, of which older files have fewer."""

    macs: Amount | None = None
    flops: Amount | None = None
    elementwise_ops: Amount | None = None
    params: Amount | None = None
    min_bytes: Amount | None = None
    peak_allocated_bytes: Amount | None = None
    peak_tensor_bytes: Amount | None = None
    peak_rss_bytes: Amount | None = None
    peak_cuda_allocated_bytes: Amount | None = None
    peak_cuda_reserved_bytes: Amount | None = None
    conversion_s: Amount | None = None
    gradient_bytes: Amount | None = None
    optimizer_bytes: Amount | None = None
    definition_error: Amount | None = None
    device_s: Amount | None = None
    queueing_s: Amount | None = None
    unjoined_s: Amount | None = None


class ExtraInfoShape(QuantitiesShape):
    """A record: its case, how it ended, and its quantities, of which older files have fewer."""

    upsampler: Words
    scale: Factor | Annotated[list[Factor], Field(min_length=2, max_length=2)]
    channels: Positive
    in_channels: Positive
    out_channels: Positive
    height: Positive
    width: Positive
    batch: Positive
    dtype: Literal["float64", "float32", "bfloat16", "float16"]
    layout: Words
    threads: Positive
    device: Words
    runtime: Words
    step: Words = "inference"
    tf32: Literal["off", "on"] = "off"
    cudnn_benchmark: Literal["off", "on"] = "off"
    cache: Literal["cold", "warm"] = "cold"
    outcome: Words
    outcome_reason: Told | None

    latency_s: Seconds | None = None
    latency_ci_s: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)] | None = None
    roofline_share: Amount | None = None
    launch_medians_s: Annotated[list[Seconds], Field(fail_fast=True)] | None = None
    launch_ids: Annotated[list[Words], Field(fail_fast=True)] | None = None
    launch_levels: Annotated[list[Level], Field(fail_fast=True)] | None = None
    launches: Count | None = None
    disturbed_share: Amount | None = None
    slowed_share: Amount | None = None
    slowed_by: Annotated[list[Words], Field(max_length=100)] | None = None
    sm_clock_mhz: Amount | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.launch_ids or ()) != len(self.launch_levels or ()):
            raise ValueError("launch_ids and launch_levels differ in number")
        if self.latency_s is None and (self.launch_medians_s or self.latency_ci_s):
            raise ValueError("launches without a latency_s")
        if self.latency_ci_s and not self.launch_medians_s:
            raise ValueError("latency_ci_s without launches")
        # Digits beyond those kept may put an estimate a little outside.
        if (
            self.latency_ci_s
            and self.latency_s
            and not (
                self.latency_ci_s[0] <= self.latency_s * 1.00001 and self.latency_s <= self.latency_ci_s[1] * 1.00001
            )
        ):
            raise ValueError("latency_s lies outside latency_ci_s")
        return self


class StatsShape(Shape):
    """What is read of pytest-benchmark's statistics."""

    data: Annotated[list[Annotated[float, Field(ge=0, le=1e9)]], Field(fail_fast=True)] = []
    iterations: Count


class BenchmarkShape(Shape):
    """A benchmark with a record."""

    extra_info: ExtraInfoShape
    stats: StatsShape


class CardShape(Shape):
    """What the catalogue says of an upsampler."""

    title: Words
    kind: Words
    family: Words
    exact_form_of: Words | None = None


class SettingsShape(Shape):
    """Of a sweep: what comparisons look at."""

    allocator: Words


class ControlShape(Shape):
    """What the control operator takes when nobody disturbs."""

    threads: Positive
    device: Words
    quiet_s: Seconds


class RatesShape(Shape):
    """What the machine can do."""

    flops_per_s: Rate
    bytes_per_s: Rate


class LimitsShape(RatesShape):
    """The same, and for what."""

    dtype: Words
    threads: Positive
    device: Words


class PageShape(Shape):
    """What a page that measured in a browser says of itself."""

    site: Words
    clock_s: Amount
    isolated: bool
    hidden_launches: Count
    slowdown: Amount | None


class FactsShape(Shape):
    """What a file says of its run as a whole."""

    command: Told
    version: Words
    settings: SettingsShape
    protocol: Literal["side by side", "interleaved", "one at a time"]
    controls: Annotated[list[ControlShape], Field(fail_fast=True)]
    limits: Annotated[list[LimitsShape], Field(fail_fast=True)]
    cards: dict[Words, CardShape]
    browser: PageShape | None = None


class BrowserShape(Shape):
    """The browser that measured, which tells little of the machine below it."""

    name: Words
    version: Words
    installation: Words
    isolated: bool


class FingerprintShape(Shape):
    """The machine and the software that decides its speed; ``browser`` where a page measured, which may not know it."""

    cpu: Words
    physical_cores: Count | None
    usable_cores: Count
    caches: dict[Words, Words]
    memory_bytes: Annotated[int, Field(ge=1, le=2**63 - 1)] | None
    os: Words
    libc: Words
    python: Words
    torch: Words
    cpu_capability: Words
    gpus: list[Words]
    versions: dict[Words, Words] = {}
    browser: BrowserShape | None = None

    @model_validator(mode="after")
    def _tells_its_memory(self) -> Self:
        if self.memory_bytes is None and self.browser is None:
            raise ValueError("only a browser may not know its memory_bytes")
        return self


class MachineShape(Shape):
    """pytest-benchmark's description of the machine, with ours."""

    fingerprint: FingerprintShape


class RunShape(Shape):
    """A run without its records."""

    machine_info: MachineShape
    commit_info: dict[str, Any]
    datetime: Words


class ContestantShape(Shape):
    """A network, or an interpolation alone."""

    upsampler: Words
    scale: Annotated[int, Field(ge=1, le=1024)]
    league: Words
    placement: Words = "inside"
    options: dict[Words, Any] = {}
    backbone_width: Count = 0
    params: Count = 0
    flops_per_pixel: Count = 0

    @model_validator(mode="after")
    def _has_a_kernel_of_pixels(self) -> Self:
        kernel = self.options.get("kernel_size", 1)
        if type(kernel) is not int or not 1 <= kernel <= 1024:
            raise ValueError("kernel_size is no number of pixels")
        return self


class TrainingShape(Shape):
    """A contestant, trained once."""

    contestant: Words
    seed: Annotated[int, Field(ge=-1, le=2**63 - 1)]
    steps: Annotated[list[Count], Field(fail_fast=True)]
    images: Annotated[list[Words], Field(fail_fast=True)]
    readings: dict[Words, Readings]
    seconds: Amount = 0
    outcome: Words = "ok"
    reason: Told | None = None


class UntrainedShape(Shape):
    """An upsampler before training."""

    upsampler: Words
    scale: Annotated[int, Field(ge=1, le=1024)]
    readings: dict[Words, Reading | None]
    outcome: Words = "ok"
    reason: Told | None = None


class PictureShape(Shape):
    """A part of an image as base64."""

    contestant: Words
    scale: Annotated[int, Field(ge=1, le=1024)]
    image: Words
    step: Count
    png: str


class MeterCardShape(Shape):
    """What a reader must know of a meter."""

    title: Words
    unit: Words
    better: Literal["higher", "lower"]
    about: Told
    ratio_of_energies: bool = False


class NamedShape(Shape):
    """A card of which a report of quality asks what an upsampler is called."""

    title: Words
    family: Words = ""


class QualityShape(Shape):
    """Everything that one ``upbench quality`` saw."""

    contestants: Annotated[list[ContestantShape], Field(fail_fast=True)]
    trainings: Annotated[list[TrainingShape], Field(fail_fast=True)]
    starts: Annotated[list[UntrainedShape], Field(fail_fast=True)]
    pictures: Annotated[list[PictureShape], Field(fail_fast=True)]
    meters: Annotated[dict[Words, MeterCardShape], Field(max_length=10_000)]
    cards: dict[Words, NamedShape]
    photographs: list[dict[str, Any]]
