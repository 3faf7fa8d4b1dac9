#!/usr/bin/python3
"""residual.py TABLE.csv MODEL.onnx: a residual network of one-dimensional convolutions over the columns, in standard ONNX operators and the
Quant of QONNX: random convolutions, and scores by ridge regression on what they give. The last column is the class."""
import csv
import json
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CHANNELS, BITS = 8, 4
rows = list(csv.reader(open(sys.argv[1], encoding="utf-8")))[1:]
x = np.array([[float(v) for v in row[:-1]] for row in rows])
classes = sorted({row[-1] for row in rows})
target = np.array([[row[-1] == c for c in classes] for row in rows]) - 1 / len(classes)
shift, gain = x.mean(0), 1 / x.std(0)
random = np.random.default_rng(1)
nodes, constants = [], []


def constant(name, value, kind=np.float32):
    constants.append(numpy_helper.from_array(np.array(value, dtype=kind), name))
    return name


def node(op, inputs, output, **attributes):
    nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
    return output


def quant(value, output, scale, signed, bits=BITS):
    return node("Quant", [value, constant(output + "_scale", scale), constant(output + "_zero", 0), constant(output + "_bits", bits)], output,
                domain="qonnx.custom_op.general", signed=signed, narrow=0, rounding_mode="HALF_UP")


def grid(v, scale, signed, bits=BITS):
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return np.clip(np.floor(v / scale + 0.5), least, most) * scale


def convolve(v, w):  # (samples, channels, columns), (outputs, channels, 3)
    padded = np.pad(v, ((0, 0), (0, 0), (1, 1)))
    return sum(np.einsum("oc,scn->son", w[:, :, k], padded[:, :, k : k + v.shape[2]]) for k in range(3))


first = random.integers(-7, 8, (CHANNELS, 1, 3)) / 8
second = random.integers(-3, 4, (CHANNELS, CHANNELS, 3)) / 8
bias = random.uniform(-0.5, 0.5, CHANNELS).astype(np.float32)
v = grid(((x - shift) * gain)[:, None, :], 0.25, True)
v = grid(np.maximum(convolve(v, first) + bias[:, None], 0), 0.125, False)
v = grid(np.maximum(convolve(v, second) + v, 0), 0.25, False)  # the block adds its own input
features = v.reshape(len(x), -1)
W = np.linalg.solve(features.T @ features + 10 * np.eye(features.shape[1]), features.T @ target).T
scale = np.float32(np.abs(W).max() / 127)

node("Sub", ["x", constant("shift", shift)], "centred")
node("Mul", ["centred", constant("gain", gain)], "scaled")
node("Reshape", ["scaled", constant("columns", [-1, 1, x.shape[1]], np.int64)], "row")
quant("row", "inputs", 0.25, 1)
node("Conv", ["inputs", quant(constant("first", first), "first_weights", 0.125, 1), constant("bias", bias)], "sums", pads=[1, 1])
quant(node("Relu", ["sums"], "positive"), "values", 0.125, 0)
node("Conv", ["values", quant(constant("second", second), "second_weights", 0.125, 1)], "more_sums", pads=[1, 1])
node("Add", ["more_sums", "values"], "residual")
quant(node("Relu", ["residual"], "positive_again"), "more_values", 0.25, 0)
node("Flatten", ["more_values"], "features")
node("Gemm", ["features", quant(constant("W", grid(W, scale, True, 8)), "weights", scale, 1, 8)], "scores", transB=1)
graph = helper.make_graph(nodes, "residual", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", x.shape[1]))],
                          [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("batch", len(classes)))], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)])
helper.set_model_props(model, {"annulus.task": "classification", "annulus.labels": json.dumps(classes)})
save(model, sys.argv[2])
print(f"{100 * np.mean(np.argmax(features @ W.T, 1) == np.argmax(target, 1)):.1f} % of the table, in numpy")
