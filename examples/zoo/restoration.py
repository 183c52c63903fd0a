"""Networks of spandrel, which holds the public code of super-resolution and restoration, at small widths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from examples.zoo.entry import Entry, sizes
from examples.zoo.package import module

PAIRS = ((24, 32), (20, 28), (33, 25))
WHOLE_WINDOWS = ((16, 24), (24, 16), (32, 32))


def network(name: str, **options: Any) -> Callable[[], nn.Module]:
    """A network of spandrel by its architecture and, where they differ, its class: ``RealCUGAN.UpCunet2x``."""
    architecture, _, own = name.partition(".")

    def make() -> nn.Module:
        made: nn.Module = getattr(module(f"spandrel.architectures.{architecture}"), own or architecture)(**options)
        return made

    return make


def entry(
    make: Callable[[], nn.Module], source: str, pairs: tuple[tuple[int, int], ...] = PAIRS, double: bool = True
) -> Entry:
    """An entry for colour images at three sizes."""
    return Entry(make, *sizes(3, *pairs), source, requires="spandrel", double=double)


SMALL = {"img_size": 16, "embed_dim": 12, "num_heads": [2], "window_size": 8, "mlp_ratio": 2}
SWINIR = "Liang et al., SwinIR, ICCV Workshops 2021"
CUGAN = "Bilibili AI Lab, Real-CUGAN, 2022"

ENTRIES: dict[str, Entry] = {
    "spandrel ESRGAN": entry(
        network("ESRGAN", num_filters=8, num_blocks=1), "Wang et al., ESRGAN, ECCV Workshops 2018"
    ),
    "spandrel Compact": entry(
        network("Compact", num_feat=8, num_conv=2), "Wang et al., Real-ESRGAN, ICCV Workshops 2021"
    ),
    "spandrel RealCUGAN ×3": entry(network("RealCUGAN.UpCunet3x"), CUGAN),
    "spandrel RealCUGAN ×4": entry(network("RealCUGAN.UpCunet4x"), CUGAN),
    "spandrel SwinIR, pixelshuffle": entry(
        network("SwinIR", **SMALL, depths=[1], upscale=4, upsampler="pixelshuffle"), SWINIR
    ),
    "spandrel SwinIR, pixelshuffledirect": entry(
        network("SwinIR", **SMALL, depths=[1], upscale=2, upsampler="pixelshuffledirect"), SWINIR
    ),
    "spandrel SwinIR, nearest+conv": entry(
        network("SwinIR", **SMALL, depths=[1], upscale=4, upsampler="nearest+conv"), SWINIR
    ),
    "spandrel Swin2SR": entry(
        network("Swin2SR", **SMALL, depths=[1], upscale=2, upsampler="pixelshuffle"),
        "Conde et al., Swin2SR, ECCV Workshops 2022",
    ),
    "spandrel HAT": entry(
        network("HAT", **SMALL, depths=(1,), squeeze_factor=4, num_feat=8, upscale=4),
        "Chen et al., HAT, CVPR 2023",
        WHOLE_WINDOWS,
    ),
    "spandrel SPAN": entry(
        network("SPAN", num_in_ch=3, num_out_ch=3, feature_channels=8), "Wan et al., SPAN, CVPR Workshops 2024"
    ),
    "spandrel OmniSR": entry(
        network("OmniSR", num_feat=8, block_num=1, res_num=1), "Wang et al., Omni-SR, CVPR 2023", WHOLE_WINDOWS
    ),
    "spandrel SAFMN": entry(network("SAFMN", dim=8, n_blocks=2), "Sun et al., SAFMN, ICCV 2023"),
    "spandrel RCAN": entry(network("RCAN", n_resgroups=1, n_resblocks=1, n_feats=16), "Zhang et al., RCAN, ECCV 2018"),
    "spandrel SwiftSRGAN": entry(
        network("SwiftSRGAN", num_channels=8, num_blocks=1), "Krishnan and Krishnan, SwiftSRGAN, 2021"
    ),
    "spandrel NAFNet": entry(
        network("NAFNet", width=4, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
        "Chen et al., NAFNet, ECCV 2022",
    ),
}
"""Their weights are random."""
