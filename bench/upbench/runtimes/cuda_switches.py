"""Torch's switches for the whole process that decide how a CUDA device computes."""

from __future__ import annotations

import torch

from upbench.cases.case import Cell


def use_switches(tf32: bool, cudnn_benchmark: bool) -> None:
    """Set whether float32 products may be of TF32, and whether cuDNN tries its algorithms.

    Torch's own default rounds the factors of convolutions to TF32's ten bits; here float32 means float32 unless a case
    asks for the other. That the algorithms are tried, and which are found, may differ from process to process.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = cudnn_benchmark


def switch_as_in(cell: Cell) -> None:
    """Set them as a cell of a CUDA device says."""
    use_switches(tf32=cell.tf32 == "on", cudnn_benchmark=cell.cudnn_benchmark == "on")
