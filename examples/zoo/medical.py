"""Two-dimensional networks of MONAI, for the segmentation of medical images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from examples.zoo.entry import Entry, sizes
from examples.zoo.package import module

PAIRS = ((32, 48), (48, 32), (64, 32))
ONE_SIZE = ((32, 48), (32, 48), (32, 48))


def network(name: str, *arguments: Any, **options: Any) -> Callable[[], nn.Module]:
    """A network of ``monai.networks.nets`` by its class's name."""

    def make() -> nn.Module:
        made: nn.Module = getattr(module("monai.networks.nets"), name)(*arguments, **options)
        return made

    return make


def entry(
    make: Callable[[], nn.Module], source: str, pairs: tuple[tuple[int, int], ...] = PAIRS, channels: int = 1
) -> Entry:
    """An entry for images of one channel, at three sizes."""
    return Entry(make, *sizes(channels, *pairs), source, requires="monai")


BASIC = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "features": (8, 8, 16, 16, 32, 8)}
LINKED = "Falk et al., Nature Methods 2019"
SEGRESNET = "Myronenko, BrainLes 2018"

ENTRIES: dict[str, Entry] = {
    "monai UNet": entry(network("UNet", 2, 1, 2, (8, 16, 32), (2, 2), num_res_units=1), "Kerfoot et al., STACOM 2018"),
    "monai BasicUNet, deconv": entry(network("BasicUNet", **BASIC), LINKED),
    "monai BasicUNet, nontrainable": entry(network("BasicUNet", **BASIC, upsample="nontrainable"), LINKED),
    "monai BasicUNet, pixelshuffle": entry(network("BasicUNet", **BASIC, upsample="pixelshuffle"), LINKED),
    "monai BasicUNetPlusPlus": entry(network("BasicUNetPlusPlus", **BASIC), "Zhou et al., UNet++, DLMIA 2018"),
    "monai DynUNet": entry(
        network("DynUNet", 2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[8, 16, 32]),
        "Isensee et al., nnU-Net, Nature Methods 2021",
    ),
    "monai AttentionUnet": entry(
        network("AttentionUnet", 2, 1, 2, (8, 16, 32), (2, 2)), "Oktay et al., Attention U-Net, MIDL 2018"
    ),
    "monai SegResNet, nontrainable": entry(network("SegResNet", 2, 8, 1, 2), SEGRESNET),
    "monai SegResNet, deconv": entry(network("SegResNet", 2, 8, 1, 2, upsample_mode="deconv"), SEGRESNET),
    "monai SegResNet, pixelshuffle": entry(network("SegResNet", 2, 8, 1, 2, upsample_mode="pixelshuffle"), SEGRESNET),
    "monai SegResNetDS": entry(network("SegResNetDS", 2, 8, 1, 2, blocks_down=(1, 2, 2)), SEGRESNET),
    "monai UNETR": entry(
        network("UNETR", 1, 2, (32, 48), feature_size=8, hidden_size=24, mlp_dim=48, num_heads=3, spatial_dims=2),
        "Hatamizadeh et al., UNETR, WACV 2022",
        ONE_SIZE,
    ),
    "monai SwinUNETR": entry(
        network("SwinUNETR", 1, 2, feature_size=12, spatial_dims=2, window_size=4),
        "Hatamizadeh et al., Swin UNETR, BrainLes 2021",
        ((64, 64), (32, 64), (96, 32)),
    ),
    "monai FlexibleUNet": entry(
        network("FlexibleUNet", 3, 2, "resnet18", decoder_channels=(16, 8, 8, 4, 4), spatial_dims=2),
        "Iakubovskii, Segmentation Models, 2019",
        ((64, 64), (32, 64), (96, 32)),
        3,
    ),
    "monai AutoEncoder": entry(network("AutoEncoder", 2, 1, 1, (8, 16), (2, 2)), "Cardoso et al., MONAI, 2022"),
    "monai AutoencoderKL": entry(
        network(
            "AutoencoderKL",
            2,
            1,
            1,
            (1, 1, 1),
            (8, 16, 16),
            attention_levels=(False, False, False),
            latent_channels=3,
            norm_num_groups=4,
        ),
        "Pinaya et al., Generative AI for medical imaging, 2023",
    ),
}
"""At small widths."""
