"""Weights that were published, loaded under the names that their authors' layers have.

A layout says how the names in an authors' ``state_dict`` become ours, and what else has to be done to a tensor: hardly
ever anything, as the classes here compute what theirs compute. Weights are copied, never code.

Traps: StyleGAN2 multiplies its weights by a gain in every call, so that what is stored is not what is used. The two
versions of LTE store the same frequencies in another order. Repositories reuse names: where a later layer computes
something else under the same names and shapes, its weights load here and are wrong (the layout's note says so).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from upsample.contract import AnyUpsampler, UpsampleError
from upsample.families.attention import LdaAqu, PixelAttention
from upsample.families.continuous import Liif, Lte, MetaSr
from upsample.families.filtered import TransposedFiltered
from upsample.families.guided import Fade, JointBilateral, Sapa
from upsample.families.interpolation import NearestConvStaged
from upsample.families.networks import Fsrcnn
from upsample.families.reassembly import Carafe
from upsample.families.sampling import DySample, DySampleLast
from upsample.families.subpixel import SubPixel, SubPixelStaged

Names = Mapping[str, str | Callable[[re.Match[str]], str]]

BOTH = r"\.(weight|bias)"


@dataclass(frozen=True)
class Layout:
    """How one published layer names its tensors.

    Attributes:
        source: the repository, as ``owner/name``.
        layer: the class there.
        cls: the class here.
        names: patterns of whole names there, and what they become. Where several tensors become one, it is the last:
            a network may number its last layer by how many there are.
        changes: what else is done to a tensor, by its name here.
        dropped: patterns of names that hold nothing learned.
        whole_network: whether the layer is the end of a network, of which other names are left aside.
        note: how to create the module here, and what of the layer it does not have.
    """

    source: str
    layer: str
    cls: type[AnyUpsampler]
    names: Names
    changes: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    whole_network: bool = False
    note: str = ""

    def renamed(self, state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Return the tensors under our names, and the names that are not this layer's."""
        found: dict[str, Tensor] = {}
        foreign: list[str] = []
        for name, tensor in state_dict.items():
            if any(re.fullmatch(pattern, name) for pattern in self.dropped):
                continue
            match, become = next(
                ((match, become) for pattern, become in self.names.items() if (match := re.fullmatch(pattern, name))),
                (None, ""),
            )
            if match is None:
                foreign.append(name)
                continue
            ours = match.expand(become) if isinstance(become, str) else become(match)
            change = self.changes.get(ours)
            found[ours] = tensor if change is None else change(tensor)
        return found, [] if self.whole_network else foreign


def load_published(module: AnyUpsampler, state_dict: Mapping[str, Tensor], source: str, prefix: str = "") -> None:
    """Load a published layer's weights into the upsampler that computes the same.

    Args:
        module: created with the options that the layer has; the notes of :func:`published_layouts` say which.
        state_dict: of the authors' layer, or of a network that holds it.
        source: the repository that the layer is from, such as ``tiny-smart/dysample``.
        prefix: of the layer's names in ``state_dict``, with the dot, such as ``neck.upsample_modules.0.``.

    Raises:
        UpsampleError: no layout of that source is known for the module's class, or the tensors do not fit, which leaves
            the module as it was.
    """
    known = [layout for layout in LAYOUTS if isinstance(module, layout.cls)]
    chosen = [layout for layout in known if layout.source == source]
    if not chosen:
        others = ", ".join(dict.fromkeys(layout.source for layout in known)) or "none"
        raise UpsampleError(f"no layout of {source!r} is known for {type(module).__name__}; known are: {others}.")
    own = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    wrong = []
    for layout in chosen:
        try:
            tensors, foreign = layout.renamed(own)
        except (IndexError, RuntimeError):
            wrong.append(f"as {layout.layer}, its tensors have other dimensions")
            continue
        misfit = _misfit(module.state_dict(), tensors, foreign)
        if misfit is None:
            with torch.no_grad():
                for name, tensor in module.state_dict().items():
                    tensor.copy_(tensors[name].reshape(tensor.shape))
            return
        wrong.append(f"as {layout.layer}, {misfit}")
    raise UpsampleError(f"these weights of {source} do not fit this {type(module).__name__}: {'; '.join(wrong)}.")


def published_layouts() -> tuple[Layout, ...]:
    """Return all published layers whose weights can be loaded."""
    return LAYOUTS


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], foreign: list[str]) -> str | None:
    """What keeps the tensors from being loaded, in one clause."""
    if missing := [name for name in wanted if name not in found]:
        return f"nothing becomes {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
    # Biases that were never trained change nothing.
    unknown = [*foreign, *(name for name, tensor in found.items() if name not in wanted and tensor.count_nonzero())]
    if unknown:
        return f"it has no place for {unknown[0]}" + (f" and {len(unknown) - 1} more" if unknown[1:] else "")
    for name, tensor in wanted.items():
        # A linear layer is a convolution of side 1.
        if [side for side in tensor.shape if side > 1] != [side for side in found[name].shape if side > 1]:
            return f"{name} is {tuple(found[name].shape)} there and {tuple(tensor.shape)} here"
    return None


def _without_shuffles(match: re.Match[str]) -> str:
    """The stage of a convolution, where the shuffles between them are counted, too."""
    return f"stages.{int(match[1]) // 2}.{match[2]}"


def _counted_from(offset: int, template: str) -> Callable[[re.Match[str]], str]:
    """A name with a number that is counted from another place."""
    return lambda match: template.format(int(match[1]) + offset, *match.groups()[1:])


def _interleaved(halves: Tensor) -> Tensor:
    """Vertical and horizontal frequencies in turns, which LTEP keeps one after the other."""
    return torch.stack(halves.chunk(2), dim=1).flatten(0, 1)


def _with_gain(weight: Tensor) -> Tensor:
    """StyleGAN2's weights are multiplied by 1/√(9·C) in every call."""
    return weight.transpose(0, 1) / math.sqrt(weight[0].numel())


_IMNET: Names = {r"imnet\.layers\.(\d+)" + BOTH: r"mlp.\1.\2"}
_WAVES: Names = {
    "coef" + BOTH: r"amplitude.\1",
    "freq" + BOTH: r"frequency.\1",
    r"phase\.weight": "phase.weight",
}
_RRDB: Names = {
    r"(?:conv_up|upconv)(\d)" + BOTH: _counted_from(-1, "stages.{}.{}"),
    r"(?:conv_hr|HRconv)" + BOTH: r"full_resolution.\1",
    "conv_last" + BOTH: r"last.\1",
}

LAYOUTS = (
    Layout(
        "tiny-smart/dysample",
        "DySample",
        DySample,
        {"offset" + BOTH: r"offset.\1", "scope" + BOTH: r"range.\1"},
        dropped=("init_pos",),
        note="`order` is its `style`, `dynamic` its `dyscope`; weights with a `scope.bias` need `range_bias=True`.",
    ),
    Layout(
        "muslll/neosr",
        "realplksr with DySample",
        DySampleLast,
        {
            r"feats\.\d+" + BOTH: r"conv.\1",
            r"to_img\.offset" + BOTH: r"sample.offset.\1",
            r"to_img\.scope" + BOTH: r"sample.range.\1",
            r"to_img\.end_conv" + BOTH: r"last.\1",
        },
        dropped=(r"to_img\.init_pos",),
        whole_network=True,
        note="The network adds the image, each channel s² times, to what comes out of `conv`.",
    ),
    Layout(
        "open-mmlab/mmcv",
        "CARAFEPack",
        Carafe,
        {"channel_compressor" + BOTH: r"compress.\1", "content_encoder" + BOTH: r"encode.\1"},
        note="`up_group` and `encoder_dilation` must be 1.",
    ),
    Layout(
        "zhaohengyuan1/PAN",
        "PAN",
        PixelAttention,
        {
            r"upconv(\d)" + BOTH: _counted_from(-1, "stages.{}.before.{}"),
            r"att(\d)\.conv" + BOTH: _counted_from(-1, "stages.{}.attention.{}"),
            r"HRconv(\d)" + BOTH: _counted_from(-1, "stages.{}.after.{}"),
            "conv_last" + BOTH: r"last.\1",
        },
        whole_network=True,
        note="`in_channels` is its `nf`, `width` its `unf`; the network adds the bilinearly enlarged image.",
    ),
    Layout("yinboc/liif", "LIIF", Liif, _IMNET, whole_network=True, note="With all its options on, as published."),
    Layout(
        "jaewon-lee-b/lte",
        "LTE",
        Lte,
        {**_WAVES, **_IMNET},
        whole_network=True,
        note="The network adds the bilinearly enlarged image.",
    ),
    Layout(
        "jaewon-lee-b/lte",
        "LTEP",
        Lte,
        {**_WAVES, r"layers\.(\d+)" + BOTH: r"mlp.\1.\2"},
        changes={"frequency.weight": _interleaved, "frequency.bias": _interleaved},
        whole_network=True,
        note="As for LTE.",
    ),
    Layout(
        "XuecaiHu/Meta-SR-Pytorch",
        "Pos2Weight",
        MetaSr,
        {r"P2W\.meta_block\.(\d)" + BOTH: r"mlp.\1.\2"},
        whole_network=True,
    ),
    Layout(
        "NVlabs/stylegan2-ada-pytorch",
        "Conv2dLayer",
        TransposedFiltered,
        {"weight": "stages.0.weight", "bias": "bias"},
        changes={"stages.0.weight": _with_gain},
        dropped=("resample_filter",),
        note="With `up=2`, `kernel_size=3`, its usual filter and a bias; its activation is not part of it.",
    ),
    Layout(
        "XPixelGroup/BasicSR",
        "EDSR",
        SubPixelStaged,
        {r"upsample\.(\d+)" + BOTH: _without_shuffles, "conv_last" + BOTH: r"last.\1"},
        whole_network=True,
    ),
    Layout(
        "sanghyun-son/EDSR-PyTorch",
        "EDSR",
        SubPixelStaged,
        {r"tail\.0\.(\d+)" + BOTH: _without_shuffles, r"tail\.1" + BOTH: r"last.\1"},
        whole_network=True,
    ),
    Layout(
        "JingyunLiang/SwinIR",
        "UpsampleOneStep",
        SubPixel,
        {r"upsample\.0" + BOTH: r"conv.\1"},
        whole_network=True,
        note="The lightweight network's.",
    ),
    Layout("XPixelGroup/BasicSR", "RRDBNet", NearestConvStaged, _RRDB, whole_network=True, note="Scale 4, always."),
    Layout("xinntao/ESRGAN", "RRDBNet", NearestConvStaged, _RRDB, whole_network=True, note="Scale 4."),
    Layout(
        "poppinace/sapa",
        "SAPA",
        Sapa,
        {
            "norm_y" + BOTH: r"norm_guide.\1",
            "norm_x" + BOTH: r"norm_input.\1",
            "q" + BOTH: r"query.\1",
            "k" + BOTH: r"key.\1",
        },
        note="`embedding` is 64 there unless given. A later layer of that name normalises over groups.",
    ),
    Layout(
        "poppinace/fade",
        "FADE",
        Fade,
        {
            r"gate_generator\.conv" + BOTH: r"gate.\1",
            r"(?:ker_generator\.compressor|kernel_generator\.conv1)_en" + BOTH: r"compress_guide.\1",
            r"(?:ker_generator\.compressor|kernel_generator\.conv1)_de\.weight": "compress_input.weight",
            r"ker_generator\.content_encoder" + BOTH: r"encode.\1",
            r"kernel_generator\.conv2_kernels": "encode.weight",
            r"kernel_generator\.conv2_bias": "encode.bias",
        },
        note="L2H, or H2L with its compiled operator; H2L in plain PyTorch computes something else.",
    ),
    Layout(
        "duzw9311/LDA-AQU",
        "LDA_AQU",
        LdaAqu,
        {
            r"layer_norm\.norm" + BOTH: r"norm.\1",
            r"proj_q\.weight": "query.weight",
            r"proj_k\.weight": "key.weight",
            r"conv_offset\.0\.weight": "depthwise.weight",
            r"conv_offset\.1\.norm" + BOTH: r"offset_norm.\1",
            r"conv_offset\.3" + BOTH: r"offset.\1",
            "relative_position_bias_table": "position_bias",
        },
        note="In its published configuration.",
    ),
    Layout(
        "mhamilton723/FeatUp",
        "JBUStack",
        JointBilateral,
        {
            r"up(\d)\.range_temp": _counted_from(-1, "stages.{}.log_temperature"),
            r"up(\d)\.sigma_spatial": _counted_from(-1, "stages.{}.sigma"),
            r"up(\d)\.range_proj\.0" + BOTH: _counted_from(-1, "stages.{}.project.0.{}"),
            r"up(\d)\.range_proj\.3" + BOTH: _counted_from(-1, "stages.{}.project.2.{}"),
            r"up(\d)\.fixup_proj\.0" + BOTH: _counted_from(-1, "stages.{}.correct.0.{}"),
            r"up(\d)\.fixup_proj\.3" + BOTH: _counted_from(-1, "stages.{}.correct.2.{}"),
        },
        whole_network=True,
        note="Scale 16; its last 1×1 convolution, a tenth of which it adds, is not part of it.",
    ),
    Layout(
        "yjn870/FSRCNN-pytorch",
        "FSRCNN",
        Fsrcnn,
        {
            r"first_part\.(\d)" + BOTH: r"layers.\1.\2",
            r"mid_part\.(\d+)" + BOTH: _counted_from(2, "layers.{}.{}"),
            "last_part" + BOTH: r"last.\1",
        },
        note="The scale is not in the weights.",
    ),
)
