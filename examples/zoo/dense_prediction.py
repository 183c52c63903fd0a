"""Networks of Segmentation Models, torchvision and transformers that predict something for every pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from examples.zoo.entry import Entry, sizes
from examples.zoo.package import module

MULTIPLES = ((64, 96), (96, 64), (32, 64))
ANY = ((64, 48), (57, 65), (40, 72))


def segmentation_models(name: str, **options: Any) -> Callable[[], nn.Module]:
    """A network of ``segmentation_models_pytorch`` behind ResNet-18, without weights."""

    def make() -> nn.Module:
        package = module("segmentation_models_pytorch")
        made: nn.Module = getattr(package, name)("resnet18", encoder_weights=None, **options)
        return made

    return make


def torchvision(name: str) -> Callable[[], nn.Module]:
    """A network of ``torchvision.models.segmentation`` for three classes, without weights."""

    def make() -> nn.Module:
        package = module("torchvision.models.segmentation")
        made: nn.Module = getattr(package, name)(weights=None, weights_backbone=None, num_classes=3)
        return made

    return make


def transformers(network: str, configuration: str, **options: Any) -> Callable[[], nn.Module]:
    """A network of ``transformers`` from its configuration's class and options, without weights."""

    def make() -> nn.Module:
        package = module("transformers")
        made: nn.Module = getattr(package, network)(getattr(package, configuration)(**options))
        return made

    return make


def depth_anything() -> nn.Module:
    """Depth Anything of four small layers, and patches of 14 pixels."""
    package = module("transformers")
    backbone = package.Dinov2Config(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    configuration = package.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 12, 16, 16],
        fusion_hidden_size=12,
        head_hidden_size=8,
    )
    made: nn.Module = package.DepthAnythingForDepthEstimation(configuration)
    return made


def upernet() -> nn.Module:
    """UPerNet behind a small ConvNeXt."""
    package = module("transformers")
    backbone = package.ConvNextConfig(
        hidden_sizes=[8, 12, 16, 24], depths=[1, 1, 1, 1], out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    configuration = package.UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_in_channels=16, auxiliary_channels=8, num_labels=3
    )
    made: nn.Module = package.UperNetForSemanticSegmentation(configuration)
    return made


def entry(
    make: Callable[[], nn.Module],
    requires: str,
    source: str,
    pairs: tuple[tuple[int, int], ...] = MULTIPLES,
    double: bool = True,
) -> Entry:
    """An entry for colour images at three sizes."""
    return Entry(make, *sizes(3, *pairs), source, requires=requires, double=double)


SMP, TV, HF = "segmentation_models_pytorch", "torchvision", "transformers"
WIDTHS = {"decoder_channels": (32, 16, 8, 8, 4)}
STAGES = {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
SWIN = {"image_size": 16, "embed_dim": 12, "depths": [1], "num_heads": [2], "window_size": 8, "mlp_ratio": 2.0}

ENTRIES: dict[str, Entry] = {
    "smp Unet": entry(segmentation_models("Unet", **WIDTHS), SMP, "Ronneberger et al., U-Net, MICCAI 2015"),
    "smp UnetPlusPlus": entry(segmentation_models("UnetPlusPlus", **WIDTHS), SMP, "Zhou et al., UNet++, DLMIA 2018"),
    "smp MAnet": entry(segmentation_models("MAnet", **WIDTHS), SMP, "Fan et al., MA-Net, IEEE Access 2020"),
    "smp Linknet": entry(segmentation_models("Linknet"), SMP, "Chaurasia and Culurciello, LinkNet, VCIP 2017"),
    "smp FPN": entry(
        segmentation_models("FPN", decoder_pyramid_channels=32, decoder_segmentation_channels=32),
        SMP,
        "Kirillov et al., Panoptic FPN, CVPR 2019",
    ),
    "smp PSPNet": entry(segmentation_models("PSPNet", psp_out_channels=32), SMP, "Zhao et al., PSPNet, CVPR 2017"),
    "smp PAN": entry(
        segmentation_models("PAN", decoder_channels=16),
        SMP,
        "Li et al., PAN, BMVC 2018",
        ((128, 128), (192, 128), (128, 192)),
    ),
    "smp DeepLabV3Plus": entry(
        segmentation_models("DeepLabV3Plus", decoder_channels=16), SMP, "Chen et al., DeepLabV3+, ECCV 2018"
    ),
    "smp UPerNet": entry(segmentation_models("UPerNet", decoder_channels=16), SMP, "Xiao et al., UPerNet, ECCV 2018"),
    "smp Segformer": entry(
        segmentation_models("Segformer", decoder_segmentation_channels=16), SMP, "Xie et al., SegFormer, NeurIPS 2021"
    ),
    "torchvision DeepLabV3": entry(
        torchvision("deeplabv3_mobilenet_v3_large"), TV, "Chen et al., DeepLabV3, 2017", ANY
    ),
    "torchvision FCN": entry(torchvision("fcn_resnet50"), TV, "Long et al., FCN, CVPR 2015", ANY),
    "torchvision LR-ASPP": entry(
        torchvision("lraspp_mobilenet_v3_large"), TV, "Howard et al., MobileNetV3, ICCV 2019", ANY
    ),
    "transformers SegFormer": entry(
        transformers(
            "SegformerForSemanticSegmentation", "SegformerConfig", **STAGES, decoder_hidden_size=16, num_labels=3
        ),
        HF,
        "Xie et al., SegFormer, NeurIPS 2021",
    ),
    "transformers GLPN": entry(
        transformers("GLPNForDepthEstimation", "GLPNConfig", **STAGES, decoder_hidden_size=16),
        HF,
        "Kim et al., GLPN, 2022",
    ),
    "transformers UPerNet": entry(upernet, HF, "Xiao et al., UPerNet, ECCV 2018"),
    "transformers Depth Anything": entry(
        depth_anything, HF, "Yang et al., Depth Anything, CVPR 2024", ((56, 56), (56, 56), (56, 56))
    ),
    "transformers Swin2SR, nearest+conv": entry(
        transformers("Swin2SRForImageSuperResolution", "Swin2SRConfig", **SWIN, upscale=4, upsampler="nearest+conv"),
        HF,
        "Conde et al., Swin2SR, ECCV Workshops 2022",
        ((16, 24), (24, 16), (32, 32)),
    ),
    "transformers Swin2SR, pixelshuffle": entry(
        transformers("Swin2SRForImageSuperResolution", "Swin2SRConfig", **SWIN, upscale=2, upsampler="pixelshuffle"),
        HF,
        "Conde et al., Swin2SR, ECCV Workshops 2022",
        ((16, 24), (24, 16), (32, 32)),
    ),
}
"""At small widths, with random weights."""
