"""The packages without which no ONNX file can be read; they are an extra of this distribution."""

from __future__ import annotations

from importlib.util import find_spec

from upbench.errors import UsageError

PACKAGES = ("onnx", "onnx_ir", "onnxruntime")


def check_installed() -> None:
    """See whether they are there.

    Raises:
        UsageError: one of them is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(f"ONNX files need {', '.join(missing)}: pip install 'upsample-bench[onnx]'.")
