"""What was seen of images that nobody looked at: networks and interpolations with known readings, and pictures."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from upbench.records.quality_run import Contestant, MeterCard, Picture, QualityRun, Training, Untrained

IMAGES = ("chelsea", "china", "flower")
STEPS = (0, 100, 500)
METERS = {
    "psnr": MeterCard("PSNR", "dB", "higher", "Peak signal to noise ratio of luma, without a border of s pixels."),
    "ssim": MeterCard("SSIM", "", "higher", "Structural similarity of luma, without a border of s pixels; 1 is equal."),
    "tone": MeterCard("Tone", "", "lower", "Energy of the pattern on a constant input against that of its mean."),
}
TITLES = {
    "subpixel": "Sub-pixel conv, one stage",
    "transposed": "Transposed conv, k = 2s",
    "nearest_conv": "Nearest + conv",
    "bicubic": "Bicubic",
}
GAINS = {"subpixel": 0.0, "transposed": -0.2, "nearest_conv": -0.1, "bicubic": -2.0}
"""In dB against sub-pixel convolution, before noise that is the same in every run."""

SIDE = 96


def contestants(scales: tuple[int, ...] = (2, 4)) -> tuple[Contestant, ...]:
    trained = [
        Contestant(name, scale, league, backbone_width=32, params=40_000, flops_per_pixel=80_000)
        for scale in scales
        for league in ("as practised", "equal parameters")
        for name in ("subpixel", "transposed", "nearest_conv")
    ]
    return (*trained, *(Contestant("bicubic", scale, "without training", "alone") for scale in scales))


def training(contestant: Contestant, seed: int) -> Training:
    random = np.random.default_rng(seed + 7 * contestant.scale)
    learnt = contestant.league != "without training"
    steps = STEPS if learnt else (0,)
    gain = GAINS[contestant.upsampler] - 3 * contestant.scale
    psnr = [[36 + gain + index + random.normal(0, 0.05) for _ in IMAGES] for index in range(len(steps))]
    return Training(
        contestant.id,
        seed if learnt else -1,
        steps,
        IMAGES,
        {
            "psnr": tuple(tuple(row) for row in psnr),
            "ssim": tuple(tuple(0.9 + 0.01 * index for _ in IMAGES) for index in range(len(steps))),
            "tone": tuple((1.0 / (1 + index),) for index in range(len(steps))),
        },
        seconds=12.0,
    )


def plane(unevenness: float = 0.0) -> str:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    smooth = 128 + 60 * np.sin(rows / 9) * np.cos(columns / 13)
    pattern = smooth + unevenness * ((-1.0) ** (rows + columns))
    buffer = BytesIO()
    Image.fromarray(pattern.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


def pictures(own: tuple[Contestant, ...]) -> tuple[Picture, ...]:
    scales = dict.fromkeys(each.scale for each in own)
    originals = [Picture("original", scale, image, 0, plane()) for scale in scales for image in IMAGES[:2]]
    outputs = [
        Picture(each.id, each.scale, image, step, plane(unevenness))
        for each in own
        for image in IMAGES[:2]
        for step, unevenness in (((0, 25.0), (500, 2.0)) if each.placement != "alone" else ((500, 0.0),))
    ]
    return (*originals, *outputs)


def quality_run(**facts: Any) -> QualityRun:
    own = contestants()
    trainings = [
        training(each, seed) for each in own for seed in ((0, 1) if each.league != "without training" else (0,))
    ]
    return QualityRun(
        contestants=own,
        trainings=tuple(trainings),
        starts=tuple(Untrained(name, 2, {"tone": 0.5, "psnr": None}) for name in ("subpixel", "transposed")),
        pictures=pictures(own),
        meters=METERS,
        cards={name: {"title": title, "family": "made up"} for name, title in TITLES.items()},
        photographs=({"name": "chelsea", "licence": "CC0", "held_out": True},),
        facts={
            "command": "upbench quality --output made-up.json",
            "version": "0.2.0",
            "measured_at": "2026-01-02T03:04:05+00:00",
            **facts,
        },
    )
