"""ONNX files, from torch's own exporter; ONNX Runtime, OpenVINO, TensorRT and others read them."""

from upbench.exporting.model_format import ModelFormat

ONNX = ModelFormat("onnx", "ONNX", "onnx", {"model.onnx": "model.onnx"})
