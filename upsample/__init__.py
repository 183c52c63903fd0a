"""Reference implementations of the upsamplers used in super-resolution, decoders and GANs.

Every upsampler is a ``torch.nn.Module`` that maps ``(N, C_in, H, W)`` to ``(N, C_out, s*H, s*W)``, carries its
textbook definition beside its usual implementation, and states its exact cost in closed form. Guided ones take a second
input. The package depends on torch alone; measuring lives in ``upbench``.

>>> import torch, upsample
>>> module = upsample.create("subpixel", in_channels=8, out_channels=3, scale=2)
>>> module(torch.rand(1, 8, 5, 7)).shape
torch.Size([1, 3, 10, 14])
"""

from upsample.catalogue import card, cards, class_of, create, exact_names, names, refusal
from upsample.contract import (
    AnyUpsampler,
    Card,
    GuidedUpsampler,
    Scale,
    UnknownUpsamplerError,
    UnsupportedError,
    UpsampleError,
    Upsampler,
    Work,
)
from upsample.cost import Cost, cost
from upsample.exact import exact_forms
from upsample.families.subpixel import icnr_, pixel_shuffle
from upsample.published import load_published, published_layouts
from upsample.rewriting import backend, rewrite

__all__ = [
    "AnyUpsampler",
    "Card",
    "Cost",
    "GuidedUpsampler",
    "Scale",
    "UnknownUpsamplerError",
    "UnsupportedError",
    "UpsampleError",
    "Upsampler",
    "Work",
    "backend",
    "card",
    "cards",
    "class_of",
    "cost",
    "create",
    "exact_forms",
    "exact_names",
    "icnr_",
    "load_published",
    "names",
    "pixel_shuffle",
    "published_layouts",
    "refusal",
    "rewrite",
]
