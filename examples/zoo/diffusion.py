"""Networks of diffusers: what turns latents into images, and what takes noise out of both."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from examples.zoo.entry import Entry, Example, images
from examples.zoo.package import module

LATENT = "Rombach et al., Latent Diffusion, CVPR 2022"


def latent_decoder(widths: Sequence[int] = (128, 256, 512, 512), groups: int = 32) -> nn.Module:
    """Stable Diffusion's decoder: ``(N, 4, H, W)`` to ``(N, 3, 8H, 8W)``, by nearest + convolution thrice."""
    autoencoder: nn.Module = module("diffusers").AutoencoderKL(
        block_out_channels=tuple(widths),
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=2,
        norm_num_groups=groups,
    )
    return autoencoder.get_submodule("decoder")


def tiny_decoder(width: int = 64) -> nn.Module:
    """Its distilled stand-in TAESD: ``(N, 4, H, W)`` to ``(N, 3, 8H, 8W)``, by ``nn.Upsample`` + convolution thrice."""
    autoencoder: nn.Module = module("diffusers").AutoencoderTiny(
        encoder_block_out_channels=(width,) * 4, decoder_block_out_channels=(width,) * 4
    )
    return autoencoder.get_submodule("decoder")


def unconditional(upsampling: str = "conv") -> nn.Module:
    """A small U-net of denoising diffusion; ``upsampling`` is ``conv`` or ``resnet``."""
    network: nn.Module = module("diffusers").UNet2DModel(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        upsample_type=upsampling,
        downsample_type=upsampling,
    )
    return network


def conditional() -> nn.Module:
    """A small U-net of latent diffusion, which attends to a text."""
    network: nn.Module = module("diffusers").UNet2DConditionModel(
        block_out_channels=(8, 16, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=12,
        attention_head_dim=4,
    )
    return network


def noisy(*shape: int, words: int | None = None) -> Example:
    """A noisy batch of ``shape``, how noisy it is, and the embedding ``(N, words, 12)`` of a text."""
    if words is None:
        return lambda: (torch.randn(shape), torch.tensor(7))
    return lambda: (torch.randn(shape), torch.tensor(7), torch.randn(shape[0], words, 12))


ENTRIES: dict[str, Entry] = {
    "AutoencoderKL's decoder": Entry(
        lambda: latent_decoder((8, 16, 32, 32), 4),
        images(2, 4, 8, 8),
        (images(1, 4, 6, 10), images(2, 4, 9, 5)),
        LATENT,
        requires="diffusers",
        full=latent_decoder,
    ),
    "AutoencoderKL's decoder, as published": Entry(
        latent_decoder,
        images(1, 4, 16, 16),
        (images(1, 4, 8, 8), images(2, 4, 5, 7)),
        LATENT,
        requires="diffusers",
        full=latent_decoder,
        double=False,
    ),
    "AutoencoderTiny's decoder": Entry(
        lambda: tiny_decoder(8),
        images(2, 4, 8, 8),
        (images(1, 4, 6, 10), images(2, 4, 9, 5)),
        "Bohan, TAESD, 2023",
        requires="diffusers",
        full=tiny_decoder,
    ),
    "UNet2DModel": Entry(
        unconditional,
        noisy(2, 3, 32, 32),
        (noisy(1, 3, 16, 24), noisy(3, 3, 24, 8)),
        "Ho et al., NeurIPS 2020",
        requires="diffusers",
    ),
    "UNet2DModel, resnet": Entry(
        lambda: unconditional("resnet"),
        noisy(2, 3, 32, 32),
        (noisy(1, 3, 16, 24), noisy(3, 3, 24, 8)),
        "Song et al., ICLR 2021",
        requires="diffusers",
    ),
    "UNet2DConditionModel": Entry(
        conditional,
        noisy(2, 4, 16, 16, words=5),
        (noisy(1, 4, 8, 12, words=3), noisy(2, 4, 10, 7, words=5)),
        LATENT,
        requires="diffusers",
    ),
}
"""Decoders and U-nets of diffusers."""
