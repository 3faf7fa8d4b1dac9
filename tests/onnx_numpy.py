"""What models of onnx_models.py mean, in numpy: for check_tensors."""
from functools import reduce

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def same_pads(mode, sizes, kernel, strides, dilations):
    total = [max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0) for n, k, s, d in zip(sizes, kernel, strides, dilations)]
    few, many = [t // 2 for t in total], [t - t // 2 for t in total]
    return few + many if mode == "SAME_UPPER" else many + few


def windows(x, a, kernel):
    """Padded x (channels, ...), masks of its values and of what is padded for other reasons than ceil_mode too, the numbers of windows, and what
    takes one of them."""
    rank = len(kernel)
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    pads = list(a.get("pads", [0] * 2 * rank))
    mode = a.get("auto_pad", b"NOTSET").decode()
    if mode.startswith("SAME"):
        pads = same_pads(mode, x.shape[1:], kernel, strides, dilations)
    explicit = list(pads)
    for i in range(rank if a.get("ceil_mode", 0) else 0):
        last = x.shape[1 + i] + pads[i] + pads[rank + i] - dilations[i] * (kernel[i] - 1) - 1
        if last % strides[i] and last - last % strides[i] + strides[i] < x.shape[1 + i] + pads[i]:
            pads[rank + i] += strides[i] - last % strides[i]
    around = [(0, 0)] + [(pads[i], pads[rank + i]) for i in range(rank)]
    padded, mask = np.pad(x, around), np.pad(np.ones(x.shape), around)
    given = np.pad(np.pad(np.ones(x.shape), [(0, 0)] + [(explicit[i], explicit[rank + i]) for i in range(rank)], constant_values=1),
                   [(0, 0)] + [(0, pads[rank + i] - explicit[rank + i]) for i in range(rank)])
    counts = [(padded.shape[1 + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in range(rank)]

    def take(t, corner):
        index = tuple(slice(c * s, c * s + d * (k - 1) + 1, d) for c, s, d, k in zip(corner, strides, dilations, kernel))
        return t[(slice(None),) + index]

    return padded, (mask, given), counts, take


def conv(x, w, a):
    groups = a.get("group", 1)
    padded, _, counts, take = windows(x, a, w.shape[2:])
    out = np.zeros([w.shape[0]] + counts)
    for corner in np.ndindex(*counts):
        part = take(padded, corner)
        for o in range(w.shape[0]):
            g = o // (w.shape[0] // groups)
            out[(o,) + corner] = (part[g * w.shape[1]:(g + 1) * w.shape[1]] * w[o]).sum()
    return out


def pooled(x, a, of):
    """What `of` makes of each window: of its values, and of both masks there."""
    padded, mask, counts, take = windows(x, a, a["kernel_shape"])
    out = np.zeros([x.shape[0]] + counts)
    for corner in np.ndindex(*counts):
        out[(slice(None),) + corner] = of(take(padded, corner), [take(m, corner) for m in mask])
    return out


def average(x, a):
    axes = tuple(range(1, x.ndim))
    return pooled(x, a, lambda values, mask: values.sum(axis=axes) / mask[a.get("count_include_pad", 0)][0].sum())


def largest(x, a):
    axes = tuple(range(1, x.ndim))
    return pooled(x, a, lambda values, mask: np.where(mask[0] > 0, values, -np.inf).max(axis=axes))


def quant(x, scale, zero, bits, a):
    least = -2 ** (bits - 1) + a["narrow"] if a["signed"] else 0
    most = 2 ** (bits - 1) - 1 if a["signed"] else 2 ** bits - 1 - a["narrow"]
    return (np.clip(np.floor(x / scale + 0.5) + zero, least, most) - zero) * scale


def pad(x, pads, value, mode):
    """Negative ones cut off."""
    rank = len(pads) // 2
    around = [(pads[i], pads[rank + i]) for i in range(1, rank)]
    more = {"constant_values": value} if mode == "constant" else {}
    x = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in around], mode=mode, **more)
    return x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(around, x.shape))]


def cut(x, starts, ends, axes, steps):
    for first, end, axis, step in zip(starts, ends, axes, steps):
        x = np.take(x, range(*slice(first, end, step).indices(x.shape[axis - 1])), axis=axis - 1)
    return x


def of_sample(axes):
    return tuple(int(k) - 1 if k > 0 else int(k) for k in axes)


def axes(i, a):
    return i[1] if len(i) > 1 else a["axes"]


def channels(v, x):
    return v.reshape((-1,) + (1,) * (x.ndim - 1))


def pair(result, x, y):
    """Of a value and a constant, which may have a dimension for the batch, or one that the value has not."""
    larger = x if x.size >= y.size else y
    return result.reshape(larger.shape) if result.size == larger.size else result


def squeezed(x, axes):
    return np.squeeze(x, axis=tuple(axes) if axes is not None else None)


def of_constants(op, i, a):
    """What is no value of a sample: with the batch, if there is any."""
    x = i[0]
    return {
        "Unsqueeze": lambda: np.expand_dims(x, tuple(i[1])),
        "Squeeze": lambda: squeezed(x, i[1] if len(i) > 1 else None),
        "Reshape": lambda: x.reshape([x.shape[k] if s == 0 else s for k, s in enumerate(i[1])]),
        "Flatten": lambda: x.reshape(int(np.prod(x.shape[:a.get("axis", 1)])), -1),
        "Transpose": lambda: x.transpose(a.get("perm")),
        "Concat": lambda: np.concatenate(i, axis=a["axis"]),
        "Slice": lambda: cut(x, i[1], i[2], (i[3] if len(i) > 3 else np.arange(len(i[1]))) % x.ndim + 1, i[4] if len(i) > 4 else [1] * len(i[1])),
        "Gather": lambda: np.take(x, i[1], axis=a.get("axis", 0)),
        "Shape": lambda: np.array(x.shape, np.int64)[a.get("start", 0):a.get("end")],
        "ConstantOfShape": lambda: np.full(x, numpy_helper.to_array(a["value"])[0] if "value" in a else 0.0),
        "Cast": lambda: x.astype({TensorProto.FLOAT: np.float64, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64, TensorProto.INT32: np.int64}[a["to"]]),
        "Add": lambda: x + i[1],
        "Sub": lambda: x - i[1],
        "Mul": lambda: x * i[1],
        "Div": lambda: np.trunc(x / i[1]).astype(np.int64) if x.dtype == np.int64 else x / i[1],
        "Pow": lambda: x ** i[1],
        "Neg": lambda: -x,
        "Sqrt": lambda: np.sqrt(x),
        "Identity": lambda: x,
    }[op]()


def apply(model, sample, absolute=False):
    """Of one sample (channels, ...), in double precision; absolute: of linear models, with all weights and constants positive."""
    v = {t.name: numpy_helper.to_array(t).astype(np.float64 if t.data_type == TensorProto.FLOAT else np.int64)
         for t in model.graph.initializer}
    constant = set(v)
    if absolute:
        v = {name: np.abs(k) for name, k in v.items()}
    v["x"] = sample.astype(np.float64)
    for n in model.graph.node:
        i = [v[k] for k in n.input]
        a = {k.name: helper.get_attribute_value(k) for k in n.attribute}
        x = i[0]
        if n.op_type == "Shape" or (n.op_type != "Quant" and constant.issuperset(n.input)):
            v[n.output[0]] = of_constants(n.op_type, i if n.input[0] in constant else [x[None]], a)
            constant.add(n.output[0])
            continue
        v[n.output[0]] = {
            "Quant": lambda: quant(x, i[1], i[2], i[3], a),
            "Conv": lambda: conv(x, i[1], a) + (channels(i[2], x) if len(i) > 2 else 0),
            "AveragePool": lambda: average(x, a),
            "MaxPool": lambda: largest(x, a),
            "GlobalMaxPool": lambda: x.max(axis=tuple(range(1, x.ndim)), keepdims=True),
            "ReduceMax": lambda: x.max(axis=tuple(range(1, x.ndim))),
            "GlobalAveragePool": lambda: x.mean(axis=tuple(range(1, x.ndim)), keepdims=True),
            "Gemm": lambda: a.get("alpha", 1) * (i[1] @ x) + a.get("beta", 1) * i[2],
            "MatMul": lambda: i[0] @ i[1],
            "Add": lambda: pair(x + i[1], x, i[1]),
            "Sub": lambda: pair(x - i[1], x, i[1]),
            "Mul": lambda: pair(x * i[1], x, i[1]),
            "Div": lambda: pair(x / i[1], x, i[1]),
            "BatchNormalization": lambda: (x - channels(i[3], x)) / np.sqrt(channels(i[4], x) + a["epsilon"])
            * channels(i[1], x) + channels(i[2], x),
            "Relu": lambda: np.maximum(x, 0),
            "PRelu": lambda: pair(np.where(x < 0, i[1] * x, x), x, i[1]),
            "Max": lambda: reduce(np.maximum, i),
            "Min": lambda: reduce(np.minimum, i),
            "Pow": lambda: x ** i[1],
            "Greater": lambda: x > i[1],
            "GreaterOrEqual": lambda: x >= i[1],
            "Less": lambda: x < i[1],
            "LessOrEqual": lambda: x <= i[1],
            "Equal": lambda: x == i[1],
            "Where": lambda: np.where(x, i[1], i[2]),
            "Cast": lambda: np.trunc(x) if a["to"] == TensorProto.INT64 else x.astype(np.float64),
            "ReduceMean": lambda: x.mean(axis=of_sample(a["axes"]), keepdims=bool(a.get("keepdims", 1))),
            "ReduceSum": lambda: x.sum(axis=of_sample(i[1]), keepdims=bool(a.get("keepdims", 1))),
            "Sum": lambda: reduce(np.add, i),
            "Unsqueeze": lambda: np.expand_dims(x, of_sample(axes(i, a))),
            "Squeeze": lambda: np.squeeze(x, axis=of_sample(axes(i, a))),
            "Sin": lambda: np.sin(x),
            "Abs": lambda: np.abs(x),
            "Floor": lambda: np.floor(x),
            "Sigmoid": lambda: 1 / (1 + np.exp(-x)),
            "Tanh": lambda: np.tanh(x),
            "Clip": lambda: np.clip(x, i[1], i[2]),
            "HardSigmoid": lambda: np.clip(a["alpha"] * x + a["beta"], 0, 1),
            "Flatten": lambda: x.reshape(-1),
            "Reshape": lambda: x.reshape([x.shape[k] if s == 0 else s for k, s in enumerate(i[1][1:])]),
            "Concat": lambda: np.concatenate(i, axis=a["axis"] - 1 if a["axis"] > 0 else a["axis"]),
            "Pad": lambda: pad(x, i[1], i[2] if len(i) > 2 else 0, a.get("mode", b"constant").decode()),
            "Transpose": lambda: x.transpose([k - 1 for k in a["perm"][1:]]),
            "Slice": lambda: cut(x, *i[1:]),
        }[n.op_type]()
        if constant.issuperset(n.input):
            constant.add(n.output[0])
    return v[model.graph.output[0].name]
