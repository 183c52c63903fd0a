"""The formats that there are, by name."""

from upbench.exporting.ncnn_format import NCNN
from upbench.exporting.onnx_format import ONNX
from upbench.exporting.tflite_format import TFLITE

FORMATS = {each.name: each for each in (ONNX, NCNN, TFLITE)}
