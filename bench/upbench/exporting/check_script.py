"""Run the model in this folder and compare its output with the expected one: python check.py [--threads N].

It needs NumPy and the runtime that reads the model: onnxruntime, ncnn, or ai-edge-litert. card.json says what the model
is, in which order it takes its inputs, and how far its output may be from the expected one, which was computed in
float64: as a share of the largest value.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

Array = np.ndarray[Any, Any]


def run_onnx(inputs: list[Array], threads: int) -> Array:
    """In ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = str(HERE / "model.onnx")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return np.asarray(session.run(None, dict(zip(names, inputs, strict=True)))[0])


def run_ncnn(inputs: list[Array], threads: int) -> Array:
    """In ncnn, on the CPU; the first axis is the batch."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    # Some of them are on by default, and round what is in float32 to fewer bits.
    for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{kind}", False)
    if net.load_param(str(HERE / "model.param")) or net.load_model(str(HERE / "model.bin")):
        raise SystemExit("ncnn cannot load the model.")
    extractor = net.create_extractor()
    for name, array in zip(net.input_names(), inputs, strict=True):
        extractor.input(name, ncnn.Mat(array, batch_index=0).clone())
    status, output = extractor.extract(net.output_names()[0])
    if status:
        raise SystemExit(f"ncnn ends with status {status} as it runs the model.")
    return np.array(output.numpy(batch_index=0))


def run_tflite(inputs: list[Array], threads: int) -> Array:
    """In LiteRT, on the CPU."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(HERE / "model.tflite"), num_threads=threads)
    interpreter.allocate_tensors()
    for place, array in zip(interpreter.get_input_details(), inputs, strict=True):
        # It has indices of 32 bits.
        interpreter.set_tensor(place["index"], array.astype(place["dtype"]))
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


RUN = {"onnx": run_onnx, "ncnn": run_ncnn, "tflite": run_tflite}


def main() -> int:
    """Exit code 0 if the output is right, and 1 if not."""
    parser = argparse.ArgumentParser(description="Run the model in this folder and compare its output.")
    parser.add_argument("--threads", type=int, default=1)
    threads: int = parser.parse_args().threads
    card = json.loads((HERE / "card.json").read_text(encoding="utf-8"))
    with np.load(HERE / "input.npz", allow_pickle=False) as file:
        inputs = [file[each["name"]] for each in card["inputs"]]
    expected = np.load(HERE / "expected.npy", allow_pickle=False).astype(np.float64)
    output = RUN[card["format"]](inputs, threads).astype(np.float64)
    if output.size != expected.size:
        print(f"wrong: the output has shape {output.shape}, expected {expected.shape}")
        return 1
    # ncnn gives four axes where it knows no batch.
    difference = float(np.abs(output.reshape(expected.shape) - expected).max())
    error = difference / float(np.abs(expected).max()) if difference else 0.0
    right = error <= card["tolerance"]
    print(f"{'right' if right else 'wrong'}: off by {error:.1e} of the largest value; allowed {card['tolerance']:.0e}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
