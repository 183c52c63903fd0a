"""TensorFlow Lite's files, from LiteRT's converter; channels come first in input and output, as in torch."""

from upbench.exporting.model_format import ModelFormat

TFLITE = ModelFormat("tflite", "TFLite", "litert", {"model.tflite": "model.tflite"})
