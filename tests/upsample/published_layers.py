"""Published layers: their tensors under the authors' names, and what they compute, spelt by their papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def shaped(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name.replace("__", "."): normal(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}


def both(state: dict[str, Tensor], name: str, weight: tuple[int, ...]) -> None:
    """A layer's weight and bias."""
    state[f"{name}.weight"] = normal(*weight, seed=len(state))
    state[f"{name}.bias"] = normal(weight[0], seed=len(state))


def convs(**layers: tuple[int, ...]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, weight in layers.items():
        both(state, name.replace("__", "."), weight)
    return state


def conv(state: dict[str, Tensor], name: str, input: Tensor, **options: Any) -> Tensor:
    """The authors' convolution of that name, as large as its kernel after it."""
    weight = state[f"{name}.weight"]
    return F.conv2d(input, weight, state.get(f"{name}.bias"), padding=weight.shape[2] // 2, **options)


def leaky(input: Tensor) -> Tensor:
    return F.leaky_relu(input, 0.2)


def nearest(input: Tensor) -> Tensor:
    return F.interpolate(input, scale_factor=2)


Published = tuple[str, str, tuple[int, int, int], dict[str, Any], dict[str, Tensor], Callable[..., Tensor]]


def dysample(style: str, biased: bool) -> Published:
    c, s, g = 16, 2, 4
    ins, outs = (c, 2 * g * s**2) if style == "lp" else (c // s**2, 2 * g)
    state = convs(offset=(outs, ins, 1, 1), scope=(outs, ins, 1, 1)) | {"init_pos": normal(1, 2 * g * s**2, 1, 1)}
    if not biased:
        del state["scope.bias"]

    def layer(input: Tensor) -> Tensor:
        return sampled(input, predicted(state, input, "", style, s), g, s)

    options = {"order": style, "dynamic": True, "range_bias": biased}
    return "tiny-smart/dysample", "dysample_lp", (c, c, s), options, state, layer


def predicted(state: dict[str, Tensor], input: Tensor, prefix: str, style: str, scale: int) -> Tensor:
    """Offsets at the output's resolution, ``(N, 2·g, s·H, s·W)``, x of all groups first."""
    source = F.pixel_shuffle(input, scale) if style == "pl" else input
    offsets = conv(state, f"{prefix}offset", source) * conv(state, f"{prefix}scope", source).sigmoid() / 2
    return F.pixel_shuffle(offsets, scale) if style == "lp" else offsets


def sampled(input: Tensor, offsets: Tensor, groups: int, scale: int) -> Tensor:
    """Group by group, bilinearly at the moved centres."""
    (height, width), parts = input.shape[2:], []
    x, y = ((torch.arange(n * scale).double() + 0.5) / scale for n in (width, height))
    for number, part in enumerate(input.chunk(groups, dim=1)):
        moved_x, moved_y = x + offsets[:, number], y[:, None] + offsets[:, groups + number]
        grid = torch.stack([2 * moved_x / width - 1, 2 * moved_y / height - 1], dim=-1)
        parts.append(F.grid_sample(part, grid, padding_mode="border", align_corners=False))
    return torch.cat(parts, dim=1)


def realplksr(scale: int) -> Published:
    d = 3 * scale**2
    g = 3 if scale % 2 else 4
    sides = {"to_img__offset": (2 * g * scale**2, d, 1, 1), "to_img__scope": (2 * g * scale**2, d, 1, 1)}
    state = convs(feats__0=(8, 3, 3, 3), feats__5=(d, 8, 3, 3), **sides, to_img__end_conv=(3, d, 1, 1))
    del state["to_img.scope.bias"]
    state |= {"to_img.init_pos": normal(1, 2 * g * scale**2, 1, 1), "feats.1.norm.weight": normal(8)}

    def layer(input: Tensor) -> Tensor:
        features = conv(state, "feats.5", input)
        moved = sampled(features, predicted(state, features, "to_img.", "lp", scale), g, scale)
        return conv(state, "to_img.end_conv", moved)

    return "muslll/neosr", "dysample_last", (8, 3, scale), {}, state, layer


def carafe() -> Published:
    state = convs(channel_compressor=(8, 6, 1, 1), content_encoder=(100, 8, 3, 3))

    def layer(input: Tensor) -> Tensor:
        scores = conv(state, "content_encoder", conv(state, "channel_compressor", input))
        weights = F.pixel_shuffle(scores, 2).softmax(1)
        around = F.unfold(input, 5, padding=2).unflatten(1, (-1, 25)).unflatten(3, input.shape[2:])
        repeated = around.repeat_interleave(2, 3).repeat_interleave(2, 4)
        return (repeated * weights[:, None]).sum(2)

    return "open-mmlab/mmcv", "carafe", (6, 6, 2), {"compressed_channels": 8}, state, layer


def pan() -> Published:
    u = 6
    state: dict[str, Tensor] = {}
    for number, channels in ((1, 8), (2, u)):
        both(state, f"upconv{number}", (u, channels, 3, 3))
        both(state, f"att{number}.conv", (u, u, 1, 1))
        both(state, f"HRconv{number}", (u, u, 3, 3))
    both(state, "conv_last", (3, u, 3, 3))
    both(state, "conv_first", (8, 3, 3, 3))

    def layer(features: Tensor) -> Tensor:
        for number in (1, 2):
            features = conv(state, f"upconv{number}", nearest(features))
            features = leaky(features * conv(state, f"att{number}.conv", features).sigmoid())
            features = leaky(conv(state, f"HRconv{number}", features))
        return conv(state, "conv_last", features)

    return "zhaohengyuan1/PAN", "pixel_attention", (8, 3, 4), {"width": u}, state, layer


def mlp_of(state: dict[str, Tensor], names: list[str], input: Tensor) -> Tensor:
    for number, name in enumerate(names):
        input = F.linear(input, state[f"{name}.weight"].flatten(1), state[f"{name}.bias"])
        input = input.relu() if number < len(names) - 1 else input
    return input


def queried(features: Tensor, scale: int, ask: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Ask from each of four neighbours, ``ask(features, distance)`` with pixels last, and mix by opposite areas."""
    height, width = features.shape[2:]
    y, x = ((torch.arange(n * scale).double() + 0.5) / scale - 0.5 for n in (height, width))
    answers, areas = [], []
    for rows, columns in ((0, 0), (0, 1), (1, 0), (1, 1)):
        top, left = y.floor() + rows, x.floor() + columns
        i, j = top.clamp(0, height - 1).long(), left.clamp(0, width - 1).long()
        distance = torch.stack(torch.broadcast_tensors((y - i)[:, None], x - j), dim=-1)
        answers.append(ask(features[:, :, i][..., j].movedim(1, 3), 2 * distance[None]))
        areas.append(distance.prod(-1).abs() + 1e-12)
    return (torch.stack(answers) * (torch.stack(areas[::-1]) / sum(areas))[:, None, :, :, None]).sum(0).movedim(3, 1)


def liif() -> Published:
    c, w = 4, 16
    state = convs(imnet__layers__0=(w, 9 * c + 4), imnet__layers__2=(w, w), imnet__layers__4=(3, w))
    both(state, "encoder.head.0", (c, 3, 3, 3))

    def layer(input: Tensor) -> Tensor:
        around = F.unfold(input, 3, padding=1).unflatten(2, input.shape[2:])
        names = [f"imnet.layers.{number}" for number in (0, 2, 4)]

        def ask(found: Tensor, distance: Tensor) -> Tensor:
            place = distance.expand(*found.shape[:3], 2)
            return mlp_of(state, names, torch.cat([found, place, torch.full_like(place, 2 / 2)], dim=-1))

        return queried(around, 2, ask)

    return "yinboc/liif", "liif", (c, 3, 2), {"width": w, "depth": 2}, state, layer


def lte(plus: bool) -> Published:
    c, w = 4, 8
    names = [f"layers.{number}" if plus else f"imnet.layers.{number}" for number in (0, 2, 4)]
    state = convs(coef=(w, c, 3, 3), freq=(w, c, 3, 3)) | {"phase.weight": normal(w // 2, 2)}
    for name, outs in zip(names, (w, w, 3), strict=True):
        both(state, name, (outs, w, 1, 1) if plus else (outs, w))
    both(state, "encoder.head.0", (c, 3, 3, 3))

    def layer(input: Tensor) -> Tensor:
        both = torch.cat([conv(state, "coef", input), conv(state, "freq", input)], dim=1)

        def ask(found: Tensor, distance: Tensor) -> Tensor:
            amplitude, frequency = found[..., :w], found[..., w:]
            half = w // 2
            y, x = (
                (frequency[..., :half], frequency[..., half:]) if plus else (frequency[..., 0::2], frequency[..., 1::2])
            )
            turns = y * distance[..., :1] + x * distance[..., 1:] + state["phase.weight"].sum(1)
            waves = torch.cat([(torch.pi * turns).cos(), (torch.pi * turns).sin()], dim=-1)
            return mlp_of(state, names, amplitude * waves)

        return queried(both, 2, ask)

    return "jaewon-lee-b/lte", "lte", (c, 3, 2), {"width": w, "depth": 2}, state, layer


def stylegan() -> Published:
    state = {"weight": normal(5, 4, 3, 3), "bias": normal(5), "resample_filter": normal(4, 4)}

    def layer(input: Tensor) -> Tensor:
        weight = state["weight"] / (4 * 9) ** 0.5
        spread = F.conv_transpose2d(input, weight.transpose(0, 1), stride=2)
        line = torch.tensor([1.0, 3, 3, 1]).double() / 4
        return F.conv2d(spread, (line[:, None] * line).expand(5, 1, 4, 4), state["bias"], padding=1, groups=5)

    return "NVlabs/stylegan2-ada-pytorch", "transposed_filtered", (4, 5, 2), {}, state, layer


def edsr(source: str, stage: str, last: str, scale: int) -> Published:
    c, factors = 4, [3] if scale == 3 else [2] * (scale // 2)
    state: dict[str, Tensor] = {}
    for number, factor in enumerate(factors):
        both(state, f"{stage}.{2 * number}", (c * factor**2, c, 3, 3))
    both(state, last, (3, c, 3, 3))
    both(state, "body.0.conv1", (c, c, 3, 3))

    def layer(features: Tensor) -> Tensor:
        for number, factor in enumerate(factors):
            features = F.pixel_shuffle(conv(state, f"{stage}.{2 * number}", features), factor)
        return conv(state, last, features)

    return source, "subpixel_staged", (c, 3, scale), {}, state, layer


def swinir() -> Published:
    state = convs(upsample__0=(27, 4, 3, 3), conv_first=(4, 3, 3, 3))

    def layer(input: Tensor) -> Tensor:
        return F.pixel_shuffle(conv(state, "upsample.0", input), 3)

    return "JingyunLiang/SwinIR", "subpixel", (4, 3, 3), {}, state, layer


def rrdbnet(source: str, up: str, full: str) -> Published:
    c = 4
    state = convs(**{f"{up}1": (c, c, 3, 3), f"{up}2": (c, c, 3, 3), full: (c, c, 3, 3), "conv_last": (3, c, 3, 3)})
    both(state, "conv_first", (c, 3, 3, 3))

    def layer(features: Tensor) -> Tensor:
        for number in (1, 2):
            features = leaky(conv(state, f"{up}{number}", nearest(features)))
        return conv(state, "conv_last", leaky(conv(state, full, features)))

    return source, "nearest_conv_staged", (c, 3, 4), {}, state, layer


def sapa() -> Published:
    c, d = 6, 10
    state = convs(q=(d, c), k=(d, c)) | {
        f"norm_{which}.{part}": normal(c) for which in "xy" for part in ("weight", "bias")
    }

    def projected(which: str, layer: str, input: Tensor) -> Tensor:
        normed = F.layer_norm(input.movedim(1, 3), (c,), state[f"norm_{which}.weight"], state[f"norm_{which}.bias"])
        return F.linear(normed, state[f"{layer}.weight"], state[f"{layer}.bias"]).movedim(3, 1)

    def layer(input: Tensor, guide: Tensor) -> Tensor:
        keys, values = (
            F.unfold(each, 5, padding=2).unflatten(1, (-1, 25)).unflatten(3, input.shape[2:])
            for each in (projected("x", "k", input), input)
        )
        keys, values = (each.repeat_interleave(2, 3).repeat_interleave(2, 4) for each in (keys, values))
        weights = (projected("y", "q", guide)[:, :, None] * keys).sum(1).softmax(1)
        return (values * weights[:, None]).sum(2)

    return "poppinace/sapa", "sapa_b", (c, c, 2), {"embedding": d}, state, layer


def fsrcnn() -> Published:
    d, s, m = 8, 4, 2
    state = convs(
        first_part__0=(d, 1, 5, 5), mid_part__0=(s, d, 1, 1), mid_part__2=(s, s, 3, 3), mid_part__4=(s, s, 3, 3)
    )
    both(state, f"mid_part.{2 * m + 2}", (d, s, 1, 1))
    slopes = {"first_part.1": d, "mid_part.1": s, "mid_part.3": s, "mid_part.5": s, "mid_part.7": d}
    state |= {f"{name}.weight": normal(channels) for name, channels in slopes.items()}
    state |= {"last_part.weight": normal(d, 1, 9, 9), "last_part.bias": normal(1)}

    def layer(input: Tensor) -> Tensor:
        convolutions = ["first_part.0", "mid_part.0", "mid_part.2", "mid_part.4", "mid_part.6"]
        for name, slope in zip(convolutions, slopes, strict=True):
            input = F.prelu(conv(state, name, input), state[f"{slope}.weight"])
        return F.conv_transpose2d(input, state["last_part.weight"], state["last_part.bias"], 3, 4, 2)

    options = {"width": d, "shrunken": s, "depth": m}
    return "yjn870/FSRCNN-pytorch", "fsrcnn", (1, 1, 3), options, state, layer


COMPUTED = {
    "dysample, lp": dysample("lp", False),
    "dysample, pl": dysample("pl", False),
    "dysample, scope with bias": dysample("lp", True),
    "realplksr ×2": realplksr(2),
    "realplksr ×3": realplksr(3),
    "carafe": carafe(),
    "pan": pan(),
    "liif": liif(),
    "lte": lte(plus=False),
    "lte+": lte(plus=True),
    "stylegan2": stylegan(),
    "edsr ×4": edsr("XPixelGroup/BasicSR", "upsample", "conv_last", 4),
    "edsr ×3": edsr("sanghyun-son/EDSR-PyTorch", "tail.0", "tail.1", 3),
    "swinir": swinir(),
    "rrdbnet": rrdbnet("XPixelGroup/BasicSR", "conv_up", "conv_hr"),
    "esrgan": rrdbnet("xinntao/ESRGAN", "upconv", "HRconv"),
    "sapa": sapa(),
    "fsrcnn": fsrcnn(),
}


META = shaped(
    P2W__meta_block__0__weight=(8, 3),
    P2W__meta_block__0__bias=(8,),
    P2W__meta_block__2__weight=(9 * 4 * 3, 8),
    P2W__meta_block__2__bias=(9 * 4 * 3,),
)
L2H = convs(gate_generator__conv=(1, 6, 1, 1), ker_generator__compressor_en=(8, 6, 1, 1)) | shaped(
    ker_generator__compressor_de__weight=(8, 6, 1, 1),
    ker_generator__content_encoder__weight=(25, 8, 3, 3),
    ker_generator__content_encoder__bias=(25,),
)
H2L = convs(gate_generator__conv=(1, 6, 1, 1), kernel_generator__conv1_en=(8, 6, 1, 1)) | shaped(
    kernel_generator__conv1_de__weight=(8, 6, 1, 1),
    kernel_generator__conv2_kernels=(25, 8, 3, 3),
    kernel_generator__conv2_bias=(25,),
)
LDA = shaped(
    layer_norm__norm__weight=(16,),
    layer_norm__norm__bias=(16,),
    proj_q__weight=(4, 16, 1, 1),
    proj_k__weight=(4, 16, 1, 1),
    conv_offset__0__weight=(2, 1, 3, 3),
    conv_offset__1__norm__weight=(2,),
    conv_offset__1__norm__bias=(2,),
    conv_offset__3__weight=(18, 2, 3, 3),
    conv_offset__3__bias=(18,),
    relative_position_bias_table=(1, 1, 1, 9, 4),
)
JBU = {f"up{i}.{key}": normal(seed=10 * i + len(key)) for i in (1, 2, 3, 4) for key in ("range_temp", "sigma_spatial")}
for number in (1, 2, 3, 4):
    both(JBU, f"up{number}.range_proj.0", (32, 3, 1, 1))
    both(JBU, f"up{number}.range_proj.3", (32, 32, 1, 1))
    both(JBU, f"up{number}.fixup_proj.0", (49, 52, 1, 1))
    both(JBU, f"up{number}.fixup_proj.3", (49, 49, 1, 1))
both(JBU, "fixup_proj.1", (4, 4, 1, 1))


def parts(**places: str) -> dict[str, str]:
    """Where weight and bias of each of our layers come from."""
    pairs = ((ours.replace("__", "."), theirs) for ours, theirs in places.items())
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in pairs for part in ("weight", "bias")}


OF_META = parts(mlp__0="P2W.meta_block.0", mlp__2="P2W.meta_block.2")
OF_L2H = parts(gate="gate_generator.conv", compress_guide="ker_generator.compressor_en") | {
    "compress_input.weight": "ker_generator.compressor_de.weight",
    "encode.weight": "ker_generator.content_encoder.weight",
    "encode.bias": "ker_generator.content_encoder.bias",
}
OF_H2L = parts(gate="gate_generator.conv", compress_guide="kernel_generator.conv1_en") | {
    "compress_input.weight": "kernel_generator.conv1_de.weight",
    "encode.weight": "kernel_generator.conv2_kernels",
    "encode.bias": "kernel_generator.conv2_bias",
}
OF_LDA = parts(norm="layer_norm.norm", offset_norm="conv_offset.1.norm", offset="conv_offset.3") | {
    "query.weight": "proj_q.weight",
    "key.weight": "proj_k.weight",
    "depthwise.weight": "conv_offset.0.weight",
    "position_bias": "relative_position_bias_table",
}
OF_JBU: dict[str, str] = {}
for number in (1, 2, 3, 4):
    ours, theirs = f"stages.{number - 1}", f"up{number}"
    OF_JBU |= {f"{ours}.log_temperature": f"{theirs}.range_temp", f"{ours}.sigma": f"{theirs}.sigma_spatial"}
    OF_JBU |= parts(**{f"{ours}.project.0": f"{theirs}.range_proj.0", f"{ours}.project.2": f"{theirs}.range_proj.3"})
    OF_JBU |= parts(**{f"{ours}.correct.0": f"{theirs}.fixup_proj.0", f"{ours}.correct.2": f"{theirs}.fixup_proj.3"})

Placed = tuple[str, str, tuple[int, int, int], dict[str, Any], dict[str, Tensor], dict[str, str]]

PLACED: dict[str, Placed] = {
    "meta_sr": ("XuecaiHu/Meta-SR-Pytorch", "meta_sr", (4, 3, 2), {"width": 8}, META, OF_META),
    "fade l2h": ("poppinace/fade", "fade", (6, 6, 2), {"embedding": 8}, L2H, OF_L2H),
    "fade h2l": ("poppinace/fade", "fade", (6, 6, 2), {"embedding": 8}, H2L, OF_H2L),
    "lda_aqu": ("duzw9311/LDA-AQU", "lda_aqu", (16, 16, 2), {}, LDA, OF_LDA),
    "featup": ("mhamilton723/FeatUp", "joint_bilateral", (4, 4, 16), {}, JBU, OF_JBU),
}
"""Layers whose arithmetic stands in the families' own tests: only where their tensors go is looked at."""
