#!/usr/bin/python3
"""torus_native.py TABLE.csv MODEL.onnx: a torus-native network without Annulus' own training, in standard ONNX operators and the Quant of
QONNX: random weights, a triangle wave at 4 offsets, and scores by ridge regression on what the wave gives. The last column is the class."""
import csv
import json
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

NEURONS, OFFSETS, INPUT_BITS, WEIGHT_BITS, NOISE = 24, 4, 6, 4, 2**-5
rows = list(csv.reader(open(sys.argv[1], encoding="utf-8")))[1:]
x = np.array([[float(v) for v in row[:-1]] for row in rows])
classes = sorted({row[-1] for row in rows})
target = np.array([[row[-1] == c for c in classes] for row in rows]) - 1 / len(classes)
shift, gain = x.mean(0), 1 / x.std(0)
random = np.random.default_rng(1)


def quantize(v, scale, bits):
    return np.clip(np.floor(v / scale + 0.5), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def triangle(u):
    return 1 - 4 * np.abs(u - np.floor(u + 0.5))


input_scale, value_scale = np.float32(2**-3), np.float32(1 / 7)
inputs = quantize((x - shift) * gain, input_scale, INPUT_BITS) * input_scale
W = random.integers(-7, 8, (NEURONS, x.shape[1])).astype(np.float32)
w_scale = np.float32(0.2 / (inputs @ W.T).std())  # phases that spread over a fifth of a period
bias = random.uniform(0, 1, NEURONS).astype(np.float32)
offsets = (np.arange(OFFSETS) / (2 * OFFSETS)).astype(np.float32)


def values(noise):
    u = inputs @ W.T * w_scale + bias + noise * random.standard_normal((len(x), NEURONS))  # one noise for all offsets of a neuron
    return (quantize(triangle(u[:, :, None] + offsets), value_scale, 4) * value_scale).reshape(len(x), -1)


seen = np.concatenate([values(NOISE) for _ in range(20)])
V = np.linalg.solve(seen.T @ seen + len(seen) * 1e-3 * np.eye(seen.shape[1]), seen.T @ np.tile(target, (20, 1))).T
v_scale = np.float32(np.abs(V).max() / (2 ** (WEIGHT_BITS + 2) - 1))
V = np.round(V / v_scale)
for name, noise in ("without noise", 0), ("with noise", NOISE):
    right = (values(noise) @ V.T).argmax(1) == target.argmax(1)
    print(f"right {name}: {100 * right.mean():.1f} %", file=sys.stderr)

# ---- the ONNX file ----
constants = {"shift": shift, "gain": gain, "input_scale": input_scale, "value_scale": value_scale, "W": W * w_scale, "w_scale": w_scale,
             "bias": bias, "offsets": offsets.reshape(1, 1, -1), "half": 0.5, "one": 1, "four": 4, "V": V * v_scale, "v_scale": v_scale,
             "zero": 0, "input_bits": INPUT_BITS, "value_bits": 4, "weight_bits": WEIGHT_BITS, "score_bits": WEIGHT_BITS + 3}
shapes = {"deep": [0, NEURONS, 1], "flat": [0, NEURONS * OFFSETS]}


def quant(x, y, scale, bits):
    return helper.make_node("Quant", [x, scale, "zero", bits], [y], domain="qonnx.custom_op.general", signed=1, narrow=0, rounding_mode="HALF_UP")


nodes = [helper.make_node("Sub", ["x", "shift"], ["x0"]), helper.make_node("Mul", ["x0", "gain"], ["x1"]),
         quant("x1", "q", "input_scale", "input_bits"), quant("W", "Wq", "w_scale", "weight_bits"),
         helper.make_node("Gemm", ["q", "Wq", "bias"], ["u0"], transB=1), helper.make_node("Reshape", ["u0", "deep"], ["u1"]),
         helper.make_node("Add", ["u1", "offsets"], ["u"]), helper.make_node("Add", ["u", "half"], ["t0"]),
         helper.make_node("Floor", ["t0"], ["t1"]), helper.make_node("Sub", ["u", "t1"], ["t2"]), helper.make_node("Abs", ["t2"], ["t3"]),
         helper.make_node("Mul", ["t3", "four"], ["t4"]), helper.make_node("Sub", ["one", "t4"], ["t5"]),
         helper.make_node("Reshape", ["t5", "flat"], ["t"]), quant("t", "y", "value_scale", "value_bits"),
         quant("V", "Vq", "v_scale", "score_bits"), helper.make_node("Gemm", ["y", "Vq"], ["scores"], transB=1)]
initializers = [numpy_helper.from_array(np.array(v, dtype=np.float32), n) for n, v in constants.items()]
initializers += [numpy_helper.from_array(np.array(v, dtype=np.int64), n) for n, v in shapes.items()]
graph = helper.make_graph(nodes, "torus-native", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", x.shape[1]])],
                          [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(classes)])], initializers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)], ir_version=7)
helper.set_model_props(model, {"annulus.labels": json.dumps(classes), "annulus.noise": json.dumps([NOISE, 0])})
save(model, sys.argv[2])
