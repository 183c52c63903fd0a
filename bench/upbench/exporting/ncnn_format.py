"""ncnn's two files, layers and weights in float32, from pnnx."""

from upbench.exporting.model_format import ModelFormat
from upbench.runtimes.ncnn import BIN, PARAM

NCNN = ModelFormat("ncnn", "ncnn", "ncnn", {f"ncnn/{PARAM}": "model.param", f"ncnn/{BIN}": "model.bin"})
