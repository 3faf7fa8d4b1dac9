"""Models in the QONNX dialect with random weights: for check_tensors, make_corpus and bench/cifar_size. onnx_numpy.py has what they mean."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "qonnx.custom_op.general"


class Model:
    """Nodes one after another; every method returns the name of what it makes."""

    def __init__(self, seed, shape):
        self.random = np.random.default_rng(seed)
        self.shape, self.nodes, self.constants, self.count = shape, [], [], 0

    def name(self, what):
        self.count += 1
        return f"{what}_{self.count}"

    def constant(self, values, kind=np.float32):
        name = self.name("constant")
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=kind), name))
        return name

    def node(self, op, inputs, domain="", **attributes):
        name = self.name(op)
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def quant(self, x, scale, bits, signed=0, narrow=0):
        inputs = [x, self.constant(scale), self.constant(0), self.constant(bits)]
        return self.node("Quant", inputs, DOMAIN, signed=signed, narrow=narrow, rounding_mode="HALF_UP")

    def weights(self, *shape, scale=0.125, channels=True, ratio=2.0):
        """Quantized, a scale for each output."""
        scales = scale * ratio ** self.random.integers(-1, 2, (shape[0] if channels else 1,) + (1,) * (len(shape) - 1))
        values = scales * self.random.integers(-3, 4, shape)
        return self.quant(self.constant(values), np.broadcast_to(scales, scales.shape), 3, signed=1)

    def conv(self, x, inputs, outputs, kernel, bias=True, group=1, scale=0.125, channels=True, ratio=2.0, **attributes):
        w = self.weights(outputs, inputs // group, *kernel, scale=scale, channels=channels, ratio=ratio)
        b = [self.constant(self.random.normal(0, 0.3, outputs))] if bias else []
        return self.node("Conv", [x, w] + b, group=group, **attributes)

    def dense(self, x, inputs, outputs, channels=True, scale=0.125, ratio=2.0, **factors):
        b = self.constant(self.random.normal(0, 0.3, outputs))
        return self.node("Gemm", [x, self.weights(outputs, inputs, scale=scale, channels=channels, ratio=ratio), b], transB=1, **factors)

    def normalise(self, x, channels):
        numbers = [self.random.uniform(0.5, 1.5, channels) * self.random.choice([-1, 1], channels),
                   self.random.normal(0, 0.3, channels), self.random.normal(0, 0.3, channels),
                   self.random.uniform(0.5, 1.5, channels)]
        return self.node("BatchNormalization", [x] + [self.constant(v) for v in numbers], epsilon=1e-3)

    def normalise_to(self, x, gains):
        """Some of which are 0."""
        numbers = [np.array(gains), self.random.normal(0, 0.3, len(gains)), self.random.normal(0, 0.3, len(gains)), np.ones(len(gains))]
        return self.node("BatchNormalization", [x] + [self.constant(v) for v in numbers], epsilon=1e-3)

    def relu(self, x, scale=0.5, bits=2):
        return self.quant(self.node("Relu", [x]), scale, bits)

    def finish(self, x, outputs, argmax=False, opset=13):
        y = self.node("ArgMax", [x], axis=-1, keepdims=0) if argmax else x
        made = [helper.make_tensor_value_info(y, TensorProto.INT64, ("batch",)) if argmax else
                helper.make_tensor_value_info(y, TensorProto.FLOAT, ("batch", outputs))]
        graph = helper.make_graph(
            self.nodes, "test", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch",) + self.shape)],
            made, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)])


def lenet(seed, size=12):
    m = Model(seed, (1, size, size))
    x = m.quant("x", 0.25, 2)
    x = m.relu(m.conv(x, 1, 3, (5, 5), pads=[2, 2, 2, 2]))
    x = m.relu(m.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2]))
    x = m.relu(m.conv(x, 3, 4, (3, 3)))
    x = m.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = m.node("Flatten", [x])
    x = m.relu(m.dense(x, 4 * (size // 4 - 1) ** 2, 8))
    return m.finish(m.dense(x, 8, 4), 4)


def three_convolutions(seed):
    """Normalised input, strides, batch normalisation, groups, dilation, a global average."""
    m = Model(seed, (3, 8, 8))
    x = m.node("Sub", ["x", m.constant(m.random.normal(0.4, 0.1, (1, 3, 1, 1)))])
    x = m.node("Div", [x, m.constant(m.random.uniform(0.2, 0.4, (3, 1, 1)))])
    x = m.quant(x, 0.5, 3, signed=1)
    x = m.relu(m.normalise(m.conv(x, 3, 4, (3, 3), bias=False, strides=[2, 2], auto_pad="SAME_UPPER"), 4))
    x = m.relu(m.normalise(m.conv(x, 4, 4, (3, 3), group=2, pads=[2, 2, 2, 2], dilations=[2, 2]), 4))
    x = m.relu(m.conv(x, 4, 6, (2, 3), auto_pad="SAME_LOWER"))
    x = m.node("Squeeze", [m.node("GlobalAveragePool", [x]), m.constant([2, -1], np.int64)])
    return m.finish(m.dense(x, 6, 5), 5)


def residual(seed):
    """Sums of values, one with twice the other's scale, and of sums with values; a concatenation; a difference."""
    m = Model(seed, (2, 5, 5))
    x = m.relu(m.conv(m.quant("x", 0.5, 2), 2, 3, (3, 3), pads=[1, 1, 1, 1]), 0.25)
    y = m.quant(m.conv(x, 3, 3, (3, 3), pads=[1, 1, 1, 1]), 0.5, 3, signed=1)
    x = m.relu(m.node("Add", [x, y]))
    z = m.relu(m.conv(x, 3, 3, (1, 1)))
    x = m.relu(m.node("Add", [m.conv(z, 3, 3, (3, 3), pads=[1, 1, 1, 1], scale=0.25, channels=False), x]))
    both = m.node("Concat", [x, z], axis=1)
    y = m.relu(m.conv(both, 6, 2, (2, 2), strides=[2, 2]))
    d = m.relu(m.node("Sub", [m.node("Slice", [both] + [m.constant(v, np.int64) for v in ([0], [2], [1], [1])]),
                              m.node("Slice", [both] + [m.constant(v, np.int64) for v in ([2], [4], [1], [1])])]))
    flat = m.node("Concat", [m.node("Flatten", [y]), m.node("Flatten", [d])], axis=-1)
    return m.finish(m.dense(flat, 2 * 4 + 2 * 25, 3), 3)


def one_dimension(seed):
    m = Model(seed, (2, 16))
    x = m.quant("x", 0.5, 2)
    x = m.relu(m.conv(x, 2, 4, (3,), pads=[1, 1], dilations=[1]))
    x = m.quant(m.node("AveragePool", [x], kernel_shape=[3], strides=[2], pads=[1, 1]), 0.25, 3)
    x = m.relu(m.conv(x, 4, 8, (3,), group=4, strides=[2]), 0.25, 3)
    x = m.node("Reshape", [x, m.constant([0, -1], np.int64)])
    return m.finish(m.dense(x, 24, 3), 3)


def shapes(seed):
    """Padding, transposes and reshapes of quantized values; averages that count the padding; a constant factor."""
    m = Model(seed, (2, 4, 3))
    x = m.quant("x", 0.5, 2)
    x = m.node("Pad", [x, m.constant([0, 0, 1, 0, 0, 0, 0, 2], np.int64)])
    x = m.node("Transpose", [x], perm=[0, 1, 3, 2])
    x = m.node("AveragePool", [x], kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1)
    x = m.node("Mul", [x, m.constant(-1.5)])
    x = m.quant(m.node("Tanh", [x]), 0.25, 3, signed=1)
    x = m.node("Reshape", [x, m.constant([1, 5, -1], np.int64)])
    x = m.quant(m.node("Sigmoid", [m.conv(x, 5, 2, (3,))]), 0.25, 2)
    x = m.node("Flatten", [x])
    return m.finish(m.node("MatMul", [x, m.quant(m.constant(m.random.integers(-3, 4, (16, 2)) / 4), 0.25, 3, signed=1)]), 2)


def borders(seed):
    """Slices backwards, padding with numbers, with what is at the edge, with reflections, and less than nothing."""
    m = Model(seed, (2, 4, 5))
    integers = lambda *values: m.constant(values, np.int64)
    x = m.quant("x", 0.5, 2)
    a = m.node("Pad", [x, integers(0, 0, 1, 0, 0, 0, 2, -1), m.constant(0.75)])  # (2,7,4)
    b = m.node("Pad", [m.conv(x, 2, 2, (2, 2), channels=False), integers(0, 1, 2, -1, 0, 0, 2, 2)], mode="reflect")  # (3,7,5)
    c = m.node("Pad", [x, integers(0, 0, 0, 2, 0, 0, 3, -3)], mode="edge")  # (2,7,4)
    d = m.node("Slice", [x, integers(-1, 100), integers(-100, 0), integers(2, 3), integers(-2, -3)])  # (2,2,2)
    parts = [m.relu(v) for v in (m.conv(a, 2, 2, (2, 2), channels=False), m.conv(b, 3, 2, (2, 2), channels=False), m.conv(c, 2, 2, (2, 2)), d)]
    flat = m.node("Concat", [m.node("Flatten", [v]) for v in parts], axis=1)
    return m.finish(m.dense(flat, 2 * 6 * 3 + 2 * 6 * 4 + 2 * 6 * 3 + 8, 3), 3)


def waves(seed):
    """Torus-native layers of a convolution and an average, one scale a layer; a triangle in standard operators."""
    m = Model(seed, (2, 4, 4))
    x = m.quant("x", 0.25, 3)
    x = m.node("Sin", [m.conv(x, 2, 4, (3, 3), pads=[1, 1, 1, 1], channels=False)])
    x = m.quant(x, 1 / 7, 4, signed=1, narrow=1)
    x = m.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = m.conv(x, 4, 4, (2, 2), channels=False)
    whole = m.node("Floor", [m.node("Add", [x, m.constant(0.5)])])
    away = m.node("Abs", [m.node("Sub", [x, whole])])
    x = m.node("Sub", [m.constant(2), m.node("Mul", [away, m.constant(8)])])  # of amplitude 2
    x = m.node("ReduceMean", [m.quant(x, 0.25, 5, signed=1, narrow=1)], axes=[2, 3], keepdims=0)
    return m.finish(m.dense(x, 4, 3), 3)


def own_waves(seed):
    """Waves of no name: two sines, parabolas, and a sine above 0, quantized without a sign; the last beside a classic layer."""
    m = Model(seed, (2, 4, 4))
    x = m.conv(m.quant("x", 0.25, 3), 2, 4, (3, 3), pads=[1, 1, 1, 1], channels=False)
    x = m.node("Add", [m.node("Sin", [x]), m.node("Div", [m.node("Sin", [m.node("Mul", [x, m.constant(3)])]), m.constant(3)])])
    x = m.node("AveragePool", [m.quant(x, 0.125, 5, signed=1)], kernel_shape=[2, 2], strides=[2, 2])
    x = m.conv(x, 4, 4, (2, 2), channels=False)
    away = m.node("Abs", [m.node("Sub", [x, m.node("Floor", [m.node("Add", [x, m.constant(0.5)])])])])
    t = m.node("Sub", [m.constant(1), m.node("Mul", [away, m.constant(4)])])
    x = m.quant(m.node("Mul", [t, m.node("Sub", [m.constant(2), m.node("Abs", [t])])]), 1 / 7, 4, signed=1, narrow=1)
    x = m.node("Flatten", [x])
    x = m.quant(m.node("Add", [m.node("Sin", [m.dense(x, 4, 6, channels=False)]), m.constant(1)]), 2 / 15, 4)
    return m.finish(m.dense(x, 6, 3), 3)


def scaled_waves(seed, ratio=2.0):
    """Waves behind weights of several scales, in a graph, and in its last layers: by powers of 2 up to 4, which integers take up."""
    m = Model(seed, (2, 4, 4))
    x = m.quant(m.node("Sin", [m.conv(m.quant("x", 0.25, 3), 2, 4, (3, 3), ratio=ratio)]), 1 / 7, 4, signed=1, narrow=1)  # (4,2,2)
    x = m.dense(m.node("Flatten", [x]), 16, 6, scale=1 / 32, ratio=ratio)
    away = m.node("Abs", [m.node("Sub", [x, m.node("Floor", [m.node("Add", [x, m.constant(0.5)])])])])
    x = m.quant(m.node("Sub", [m.constant(1), m.node("Mul", [away, m.constant(4)])]), 0.25, 4, signed=1, narrow=1)
    return m.finish(m.dense(x, 6, 3), 3)


def padded_waves(seed):
    """Scales that no integers up to 4 take up, so that look-ups of a padded table read the waves."""
    return scaled_waves(seed, 1.5)


def scaled_chain(seed, ratio=2.0):
    """The same in a chain of layers."""
    m = Model(seed, (6,))
    x = m.quant(m.node("Sin", [m.dense(m.quant("x", 0.25, 3), 6, 8, ratio=ratio)]), 1 / 7, 4, signed=1, narrow=1)
    x = m.quant(m.node("Sin", [m.dense(x, 8, 6, channels=False)]), 1 / 7, 4, signed=1, narrow=1)
    return m.finish(m.dense(x, 6, 3), 3)


def padded_chain(seed):
    """With a padded table in the first layer, not in the second."""
    return scaled_chain(seed, 1.5)


def wave_offsets(seed):
    """A convolution of waves at two offsets, an axis of their own behind the channels, then twice as many channels."""
    m = Model(seed, (2, 5, 4))
    x = m.conv(m.quant("x", 0.25, 3), 2, 3, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2], channels=False)
    x = m.node("Add", [m.node("Reshape", [x, m.constant([0, 3, 1, 3, 2], np.int64)]), m.constant([[[0]], [[np.pi / 2]]])])
    x = m.node("Reshape", [m.node("Sin", [x]), m.constant([0, 6, 3, 2], np.int64)])
    x = m.quant(x, 1 / 7, 4, signed=1, narrow=1)
    return m.finish(m.dense(m.node("Flatten", [m.conv(x, 6, 2, (2, 2), channels=False)]), 4, 3), 3)


def uneven_offsets(seed):
    """As wave_offsets, at three offsets that do not share half a period evenly: layers of one value each, whose shifted tables share rotations."""
    m = Model(seed, (2, 5, 4))
    x = m.conv(m.quant("x", 0.25, 3), 2, 3, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2], channels=False)
    x = m.node("Add", [m.node("Reshape", [x, m.constant([0, 3, 1, 3, 2], np.int64)]), m.constant([[[0]], [[np.pi / 4]], [[np.pi / 3]]])])
    x = m.quant(m.node("Sin", [x]), 1 / 7, 4, signed=1, narrow=1)
    x = m.node("Reshape", [x, m.constant([0, 9, 3, 2], np.int64)])
    return m.finish(m.dense(m.node("Flatten", [m.conv(x, 9, 2, (2, 2), channels=False)]), 4, 3), 3)


def clamps(seed):
    """Functions that are constant at both ends of their sums, in standard operators."""
    m = Model(seed, (6,))
    x = m.quant("x", 0.5, 2)
    a = m.node("Clip", [m.dense(x, 6, 4), m.constant(-0.5), m.constant(0.5)])
    b = m.node("HardSigmoid", [m.dense(x, 6, 4)], alpha=0.8, beta=0.4)
    c = m.node("Min", [m.node("Max", [m.dense(x, 6, 4), m.constant(0.25)]), m.constant(1)])
    d = m.node("Sub", [m.node("Clip", [m.node("Mul", [m.dense(x, 6, 4), m.constant(3)]), m.constant(0), m.constant(6)]), m.constant(2)])
    parts = [m.quant(v, scale, 3, signed=1) for v, scale in ((a, 0.25), (b, 0.25), (c, 0.25), (d, 1))]
    return m.finish(m.dense(m.node("Concat", parts, axis=1), 16, 3), 3)


def pools(seed):
    """Largest values: of sums behind their Quant, of quantized values, of both signs, with padding, ceil_mode, and of all."""
    m = Model(seed, (2, 7, 6))
    x = m.quant("x", 0.5, 2)
    x = m.node("MaxPool", [m.conv(x, 2, 3, (3, 3), pads=[1, 1, 1, 1])], kernel_shape=[3, 3], strides=[2, 1], pads=[1, 0, 0, 1])
    x = m.relu(x, 0.5, 3)
    x = m.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    x = m.quant(m.conv(x, 3, 3, (2, 2), auto_pad="SAME_UPPER"), 0.5, 3, signed=1)
    both = m.node("Concat", [m.node("MaxPool", [x], kernel_shape=[2, 2], auto_pad="SAME_LOWER"), x], axis=1)
    y = m.node("Flatten", [m.node("GlobalMaxPool", [both])])
    z = m.node("ReduceMax", [x], axes=[2, 3], keepdims=0)
    return m.finish(m.dense(m.node("Concat", [y, z], axis=1), 9, 3), 3)


def pools_of_one_dimension(seed):
    m = Model(seed, (2, 17))
    x = m.quant("x", 0.5, 2)
    x = m.quant(m.node("Tanh", [m.node("MaxPool", [m.conv(x, 2, 3, (3,), pads=[1, 1])], kernel_shape=[3], dilations=[2])]), 0.25, 3, signed=1)
    x = m.node("MaxPool", [x], kernel_shape=[5], strides=[1], pads=[2, 2])
    x = m.node("MaxPool", [m.node("Add", [x, x])], kernel_shape=[2], strides=[2])
    x = m.relu(m.conv(x, 3, 2, (2,)))
    return m.finish(m.dense(m.node("Flatten", [x]), 10, 3), 3)


def pairs(seed):
    """Of two encrypted values: the larger and the smaller, with constants too, products, squares, of channels and all."""
    m = Model(seed, (2, 3, 3))
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.conv(x, 2, 2, (2, 2)))
    b = m.quant(m.conv(x, 2, 2, (2, 2)), 0.5, 3, signed=1)
    largest = m.node("Max", [a, b, m.constant(0.5), m.node("Add", [a, b])])
    smallest = m.node("Min", [m.constant([[[1]], [[0.5]]]), b, a])
    of_channels = m.node("Mul", [b, m.node("GlobalMaxPool", [a])])
    square = m.quant(m.node("Pow", [m.conv(x, 2, 2, (2, 2)), m.constant(2)]), 0.5, 2)
    product = m.node("Mul", [m.node("Add", [a, m.constant(1)]), m.quant(largest, 0.25, 4)])
    above = m.quant(m.node("Max", [b, m.constant(0)]), 0.5, 3)
    both = m.node("Concat", [largest, smallest, of_channels, square, product, m.node("Mul", [b, b]), above], axis=1)
    return m.finish(m.dense(m.node("Flatten", [both]), 14 * 4, 3), 3)


def matrices(seed):
    """Products of encrypted matrices: of two, of one with itself, of several with one, of comparisons, sums and quantized values."""
    m = Model(seed, (2, 3, 4))
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.conv(x, 2, 2, (1, 2), channels=False), 0.5)  # (2,3,3)
    b = m.quant(m.conv(x, 2, 2, (1, 3), channels=False), 0.25, 3, signed=1)  # (2,3,2)
    c = m.quant(m.node("MatMul", [a, b]), 0.5, 4, signed=1)  # (2,3,2)
    d = m.quant(m.node("MatMul", [c, m.node("Transpose", [c], perm=[0, 1, 3, 2])]), 0.25, 4)  # (2,3,3)
    e = m.node("Cast", [m.node("Less", [x, m.constant(0.75)])], to=TensorProto.FLOAT)
    f = m.node("MatMul", [m.node("Transpose", [m.node("Sub", [m.constant(1), e])], perm=[0, 1, 3, 2]), m.node("ReduceSum", [b, m.constant([1], np.int64)])])  # (2,4,2)
    parts = [m.node("Flatten", [v]) for v in (d, f)]
    return m.finish(m.dense(m.node("Concat", parts, axis=1), 18 + 16, 3), 3)


def weights_in_front(seed):
    """Of the last axis but one, whose sums are over all but the last."""
    m = Model(seed, (2, 3, 4))
    x = m.quant("x", 0.5, 2)
    a = m.quant(m.node("MatMul", [m.weights(5, 3), x]), 0.125, 4, signed=1)  # (2,5,4)
    b = m.node("Add", [m.node("MatMul", [m.weights(2, 5), a]), m.constant(m.random.normal(0, 0.3, (2, 1)))])  # (2,2,4)
    c = m.node("MatMul", [m.quant(b, 0.125, 4, signed=1), m.weights(4, 3, channels=False)])  # (2,2,3)
    return m.finish(m.dense(m.node("Flatten", [m.relu(c, 0.125, 3)]), 12, 3), 3)


def choices(seed):
    """Comparisons of values on one grid and of sums, with constants on either side; choices of values and constants."""
    m = Model(seed, (2, 3, 3))
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.conv(x, 2, 2, (2, 2)))
    b = m.quant(m.conv(x, 2, 2, (2, 2)), 0.5, 3, signed=1)
    greater = m.node("Greater", [m.conv(x, 2, 2, (2, 2)), m.constant(0.3)])
    less = m.quant(m.node("Cast", [m.node("Less", [a, b])], to=TensorProto.FLOAT), 1, 1)
    parts = [m.node("Where", [m.node("GreaterOrEqual", [a, b]), a, b]),
             m.node("Where", [greater, b, m.constant(-0.5)]),
             m.node("Where", [m.node("LessOrEqual", [m.constant(0.5), a]), m.constant(-1), m.constant(2)]),
             m.node("Cast", [m.node("Equal", [a, b])], to=TensorProto.FLOAT),
             m.node("Mul", [b, less]),
             m.node("Cast", [m.node("Less", [b, m.constant(0)])], to=TensorProto.FLOAT)]
    return m.finish(m.dense(m.node("Flatten", [m.node("Concat", parts, axis=1)]), 12 * 4, 3), 3)


def dense_chain(seed):
    """What is read without tensors."""
    m = Model(seed, (6,))
    x = m.quant(m.node("Mul", ["x", m.constant(m.random.uniform(0.5, 2, 6))]), 0.5, 2)
    x = m.relu(m.normalise(m.dense(x, 6, 5), 5))
    return m.finish(m.dense(x, 5, 3), 3)


def slopes(seed):
    """Functions of each channel's own: slopes, normalisations behind activations, with padding behind them, whose values are not 0 then."""
    m = Model(seed, (2, 5, 5))
    numbers = lambda lo, hi, *shape: m.constant(m.random.uniform(lo, hi, shape))
    x = m.node("PRelu", [m.conv(m.quant("x", 0.5, 2), 2, 3, (3, 3), pads=[1, 1, 1, 1]), numbers(-0.5, 0.9, 3, 1, 1)])
    x = m.conv(m.quant(x, 0.25, 4, signed=1), 3, 4, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2])
    x = m.quant(m.normalise(m.node("Relu", [x]), 4), 0.25, 4, signed=1)
    x = m.node("PRelu", [m.conv(x, 4, 2, (3, 3), pads=[1, 1, 1, 1]), numbers(-0.5, 0.9, 1, 2, 1, 1)])
    x = m.node("Flatten", [m.quant(x, 0.5, 4, signed=1)])
    x = m.quant(m.node("PRelu", [m.dense(x, 18, 6), numbers(-0.5, 0.9, 6)]), 0.5, 4, signed=1)
    return m.finish(m.dense(x, 6, 3), 3)


def slopes_of_chains(seed):
    """The same of neurons of dense layers: slopes and normalisations behind activations, factors and terms on either side."""
    m = Model(seed, (6,))
    numbers = lambda lo, hi, *shape: m.constant(m.random.uniform(lo, hi, shape))
    x = m.node("PRelu", [m.dense(m.quant("x", 0.5, 2), 6, 7), numbers(-0.5, 0.9, 7)])
    x = m.quant(m.node("Mul", [x, numbers(0.5, 2, 1, 7)]), 0.25, 4, signed=1)
    x = m.quant(m.normalise(m.node("Relu", [m.normalise(m.dense(x, 7, 5), 5)]), 5), 0.25, 4, signed=1)
    x = m.node("Sub", [numbers(-1, 1, 8), m.node("Tanh", [m.dense(x, 5, 8)])])
    return m.finish(m.dense(m.quant(x, 0.25, 4, signed=1), 8, 3), 3)


def varied(seed):
    """A constant for each channel, row, column or value, in all kinds of functions; the same for all, which has a name."""
    m = Model(seed, (2, 4, 3))
    numbers = lambda lo, hi, *shape: m.constant(m.random.uniform(lo, hi, shape))
    x = m.quant("x", 0.5, 2)
    sums = lambda: m.conv(x, 2, 3, (2, 2))  # (3,3,2)
    parts = [m.node("Add", [m.node("Tanh", [sums()]), numbers(-1, 1, 3, 3, 2)]),
             m.node("Div", [m.node("Abs", [sums()]), numbers(0.5, 2, 1, 3, 1)]),
             m.node("Max", [m.node("Min", [sums(), numbers(0, 1, 3, 1, 2)]), numbers(-1, 0, 2)]),
             m.node("Clip", [sums(), numbers(-1, 0, 3, 1, 1), numbers(0, 1, 3, 1, 1)]),
             m.node("PRelu", [sums(), m.constant(np.full((3, 1, 1), 0.25))])]
    y = sums()
    parts.append(m.node("Where", [m.node("Greater", [y, numbers(-0.5, 0.5, 3, 1, 1)]), y, numbers(-1, 1, 3, 1, 1)]))
    flat = [m.node("Flatten", [m.quant(v, 0.25, 4, signed=1)]) for v in parts]
    y = m.node("Mul", [m.node("Flatten", [m.node("Relu", [sums()])]), numbers(-1, 1, 18)])
    flat.append(m.quant(m.normalise(y, 18), 0.25, 4, signed=1))
    return m.finish(m.dense(m.node("Concat", flat, axis=1), 126, 3), 3)


def factors(seed):
    """Of products and of what is added to them: in a chain."""
    m = Model(seed, (6,))
    x = m.relu(m.dense(m.quant("x", 0.5, 2), 6, 5, alpha=-0.5, beta=2.0))
    return m.finish(m.dense(x, 5, 3, alpha=2.0, beta=0.0), 3)


def factors_of_tensors(seed):
    """The same beside branches; one product is left out."""
    m = Model(seed, (6,))
    x = m.quant("x", 0.5, 2)
    a, b = m.relu(m.dense(x, 6, 5, alpha=-1.5)), m.relu(m.dense(x, 6, 5, alpha=0.0, beta=-3.0))
    return m.finish(m.dense(m.node("Concat", [a, b], axis=1), 10, 3, alpha=0.25, beta=4.0), 3)


def behind_quants(seed):
    """Without convolutions: functions and normalisations of values that are quantized already, shapes and matrices of them."""
    m = Model(seed, (6,))
    x = m.quant(m.quant("x", 0.5, 3), 0.5, 3)
    x = m.relu(m.normalise_to(x, [1, -0.5, 2, 0.5, 1, -1]), 0.25, 3)
    x = m.quant(m.node("Tanh", [x]), 0.25, 3, signed=1)
    x = m.quant(m.node("Abs", [x]), 0.25, 3)
    x = m.node("Reshape", [x, m.constant([0, 2, 3], np.int64)])
    x = m.node("MatMul", [x, m.quant(m.constant(m.random.integers(-3, 4, (3, 4)) / 4), 0.25, 3, signed=1)])
    x = m.relu(m.node("Flatten", [m.quant(x, 0.25, 4, signed=1)]), 0.25, 3)
    return m.finish(m.dense(x, 8, 3), 3)


def casts(seed):
    """Comparisons and whole numbers that become floats again on the way to a Quant."""
    m = Model(seed, (6,))
    floats = lambda v: m.node("Cast", [v], to=TensorProto.FLOAT)
    x = m.quant("x", 0.5, 2)
    a = floats(m.node("Greater", [m.node("Tanh", [m.dense(x, 6, 4)]), m.constant(0.2)]))
    b = floats(m.node("Cast", [m.node("Mul", [m.dense(x, 6, 4), m.constant(1.5)])], to=TensorProto.INT64))
    c = m.node("Abs", [floats(m.node("LessOrEqual", [m.dense(x, 6, 4), m.constant(0.3)]))])
    parts = [m.quant(m.node("Sub", [a, m.constant(0.75)]), 0.25, 3, signed=1), m.quant(b, 1, 4, signed=1), m.quant(c, 0.5, 2)]
    return m.finish(m.dense(m.node("Concat", parts, axis=1), 12, 3), 3)


def folded(seed):
    """Weights and other constants that nodes make of constants, of the input's shape and of that of sums."""
    m = Model(seed, (2, 3, 4))
    integers = lambda *values: m.constant(values, np.int64)
    x = m.quant("x", 0.5, 2)
    w = m.node("Unsqueeze", [m.weights(6, 2, channels=False), integers(2, -1)])  # (6,2,1,1)
    w = m.node("Concat", [w, m.node("Slice", [w, integers(-1), integers(-100), integers(0), integers(-1)])], axis=-1)  # (6,2,1,2)
    w = m.node("Gather", [w, integers(5, 0, -2)], axis=0)
    b = m.node("Div", [m.node("Sub", [m.constant(m.random.normal(0, 1, (3, 1))), m.constant(m.random.normal(0, 1, 2))]), m.constant(2)])
    b = m.node("Gather", [m.node("Transpose", [b], perm=[1, 0]), m.constant(1, np.int64)])  # (3)
    x = m.relu(m.node("Conv", [x, w, b]))  # (3,3,3)
    batch = m.node("Gather", [m.node("Shape", [x]), integers(0)])
    x = m.node("Reshape", [x, m.node("Concat", [batch, integers(-1)], axis=0)])
    ones = m.node("ConstantOfShape", [m.node("Slice", [m.node("Shape", ["x"]), integers(1), integers(3)])],
                  value=numpy_helper.from_array(np.array([1.5], np.float32)))  # (2,3)
    root = m.node("Sqrt", [m.node("Pow", [m.node("Neg", [ones]), m.constant(2)])])
    shift = m.node("Squeeze", [m.node("Slice", [root, integers(0, 0), integers(1, 1)])])  # 1.5
    x = m.node("Sub", [m.node("Add", [x, shift]), m.node("Cast", [integers(1), ], to=TensorProto.FLOAT)])
    W = m.quant(m.constant(m.random.integers(-3, 4, (3, 27)) / 4), 0.25, 3, signed=1)
    W = m.node("Flatten", [m.node("Transpose", [m.node("Reshape", [W, integers(3, 9, 3)])], perm=[1, 2, 0])], axis=2)
    return m.finish(m.node("MatMul", [x, W]), 3)


def flattened(m, x, of="x", to=(-1,)):
    """As exported: to a shape that begins as another."""
    batch = m.node("Gather", [m.node("Shape", [of]), m.constant([0], np.int64)])
    return m.node("Reshape", [x, m.node("Concat", [batch, m.constant(to, np.int64)], axis=0)])


def input_shapes(seed):
    """Activations reshaped as the input or their sums say; axes that are attributes, as before opset 13."""
    m = Model(seed, (2, 4, 4))
    x = m.quant("x", 0.5, 2)
    sums = m.conv(x, 2, 3, (3, 3))
    a = m.quant(flattened(m, m.node("Relu", [sums]), of=sums), 0.25, 3)  # (12)
    a = m.node("Squeeze", [m.conv(m.node("Unsqueeze", [a], axes=[1, 3]), 1, 2, (4, 1), channels=False)], axes=[-1])  # (2,9)
    b = m.quant(flattened(m, m.node("Tanh", [m.conv(x, 2, 3, (3, 3))]), to=(2, 6)), 0.25, 4, signed=1)
    b = m.quant(m.node("Unsqueeze", [m.node("MatMul", [b, m.weights(6, 2, channels=False)])], axes=[2]), 0.25, 4, signed=1)  # (2,1,2)
    c = m.quant(flattened(m, m.node("Abs", [m.conv(x, 2, 1, (3, 3))])), 0.25, 3)  # (4)
    both = m.node("Concat", [m.node("Flatten", [m.relu(a)]), m.node("Flatten", [b]), c], axis=1)
    return m.finish(m.dense(both, 18 + 4 + 4, 3), 3, opset=12)


def input_shapes_of_chains(seed):
    m = Model(seed, (2, 3))
    x = flattened(m, m.quant("x", 0.5, 2))
    x = m.quant(flattened(m, m.node("Abs", [m.dense(x, 6, 5)])), 0.125, 4)
    x = m.dense(x, 5, 4)
    if seed % 2:
        x = flattened(m, m.node("Tanh", [x]), of=x)
    return m.finish(m.dense(m.quant(x, 0.125, 4, signed=1), 4, 3), 3)


def zeros(seed):
    """Factors of 0 and of both signs, constants minus values; in graphs."""
    m = Model(seed, (3, 3, 3))
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.normalise_to(m.conv(x, 3, 3, (2, 2)), [1.5, 0, -0.5]))
    b = m.node("AveragePool", [m.node("Mul", [x, m.constant([[[1]], [[-1]], [[0]]])])], kernel_shape=[2, 2])
    b = m.relu(m.node("Mul", [b, m.constant(m.random.choice([-1, 0, 1], (2, 2)))]))
    c = m.node("Sub", [m.constant(1.25), m.conv(b, 3, 3, (1, 1), channels=False)])
    c = m.quant(m.node("Sub", [m.constant([[[0.5]], [[1]], [[0]]]), c]), 0.25, 4, signed=1)
    d = m.node("Where", [m.node("Less", [a, m.constant(0.5)]), m.constant([[[1]], [[0]], [[2]]]), m.constant([[[1]], [[2]], [[0]]])])
    scores = m.dense(m.node("Flatten", [m.node("Concat", [a, c, d], axis=1)]), 9 * 4, 3)
    return m.finish(m.node("Sub", [m.constant([1, 0.5, 0]), m.node("Mul", [scores, m.constant([1, 0, -2])])]), 3)


def zeros_in_chains(seed):
    m = Model(seed, (6,))
    x = m.quant(m.node("Sub", [m.constant(1.5), "x"]), 0.25, 4, signed=1)
    x = m.relu(m.normalise_to(m.dense(x, 6, 5), [1, 0, -0.5, 2, -2]))
    x = m.quant(m.node("Sub", [m.constant(0.75), m.node("Mul", [m.constant(0.5), m.dense(x, 5, 4)])]), 0.25, 4, signed=1)
    return m.finish(m.node("Add", [m.constant([1, 2, 3]), m.node("Mul", [m.dense(x, 4, 3), m.constant([-1, 0, 1])])]), 3)


def sums(seed):
    """Sums and averages over axes, of several values broadcast, averages of windows that are cut off, products of the last axis."""
    m = Model(seed, (2, 5, 6))
    integers = lambda *values: m.constant(values, np.int64)
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.conv(x, 2, 3, (2, 3), channels=False))  # (3,4,4)
    b = m.node("AveragePool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=1, count_include_pad=seed % 2)
    c = m.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    d = m.node("ReduceMean", [a], axes=[1, -1])  # (1,4,1)
    e = m.node("ReduceSum", [a, integers(2)], keepdims=0)  # (3,4)
    f = m.node("ReduceSum", [a, integers(-1, 1, 2)], keepdims=0)
    g = m.node("Sum", [a, m.constant(m.random.normal(0, 1, (3, 1, 1))), d, m.node("Unsqueeze", [e, integers(-2)]), a])  # (3,4,4)
    h = m.node("MatMul", [m.quant(g, 1, 4), m.quant(m.constant(m.random.integers(-3, 4, (4, 5)) / 4), 0.25, 3, signed=1)])
    h = m.relu(m.node("Add", [h, m.constant(m.random.normal(0, 1, 5))]), 1, 3)  # (3,4,5)
    h = m.node("Sub", [h, m.relu(m.node("Add", [d, m.node("ReduceMean", [a], axes=[1, 2, 3])]), 1, 3)])
    parts = [m.node("Flatten", [v]) for v in (m.relu(b), m.relu(c), e, m.node("Unsqueeze", [f, integers(1)]), h)]
    width = 2 * 9 + 2 * 9 + 12 + 1 + 60
    x = m.relu(m.dense(m.relu(m.node("Concat", parts, axis=-1), 0.5, 4), width, 6), 0.5, 3)
    return m.finish(m.dense(x, 6, 3), 3)


def wider_constants(seed):
    """Constants of more values than what they are added to, multiplied with or compared to."""
    m = Model(seed, (2, 3, 3))
    steps = lambda *shape: m.constant(m.random.integers(-1, 4, shape) / 2)
    values = lambda *shape: m.constant(m.random.integers(-2, 3, shape) / 2 + 0.25)
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.conv(x, 2, 2, (3, 3)))  # (2,1,1)
    one = m.relu(m.conv(x, 2, 1, (2, 3)))  # (1,2,1)
    parts = [m.node("Add", [a, values(2, 2, 2)]), m.node("Sub", [values(1, 2, 1, 4), a]), m.node("Mul", [one, values(2, 1, 2)]),
             m.node("Div", [one, values(1, 2)]), m.node("Sum", [values(1, 3), one, values(3, 1, 1), one]), m.node("Max", [a, steps(1, 2, 1)]),
             m.node("Min", [one, steps(3, 1, 1), m.relu(m.conv(x, 2, 1, (2, 3))), steps(1, 2)]),
             m.node("Where", [m.node("Less", [one, values(1, 2)]), steps(3, 1, 1), one]),
             m.node("Where", [m.node("Greater", [values(2, 1, 1), one]), values(1, 2), values(2, 1, 1)])]
    width = 8 + 8 + 8 + 4 + 18 + 4 + 12 + 12 + 8
    parts = [m.node("Flatten", [m.quant(p, 0.5, 4, signed=1)]) for p in parts]
    return m.finish(m.dense(m.node("Concat", parts, axis=1), width, 3), 3)


def dense_pairs(seed, argmax=False):
    """No convolution: what a chain of layers has no name for."""
    m = Model(seed, (6,))
    x = m.quant("x", 0.5, 2)
    a, b = m.relu(m.dense(x, 6, 5)), m.relu(m.dense(x, 6, 5))
    return m.finish(m.dense(m.relu(m.dense(m.node("Max", [a, b]), 5, 4)), 4, 3), 3, argmax)


def near(seed):
    """Scales in no ratio of small integers, of branches and of quantizers that a layer takes together. What is read is near."""
    m = Model(seed, (2, 4, 4))
    x = m.quant("x", 0.5, 2)
    a = m.relu(m.conv(x, 2, 3, (2, 2)), 0.2502, 3)
    b = m.quant(m.conv(x, 2, 3, (2, 2)), 0.5, 3, signed=1)
    c = m.node("Add", [m.node("Mul", [m.conv(x, 2, 3, (2, 2), channels=False), m.constant(4.003)]), m.node("Add", [a, b])])
    both = m.node("Concat", [m.quant(c, 0.25, 5, signed=1), a], axis=1)
    return m.finish(m.dense(m.node("Flatten", [both]), 54, 3), 3)


def cifar_size(seed):
    """20,544 look-ups on 32 x 32 x 3 values."""
    m = Model(seed, (3, 32, 32))
    x = m.quant("x", 0.25, 3)
    x = m.relu(m.conv(x, 3, 16, (3, 3), pads=[1, 1, 1, 1], scale=0.03125), 0.25)
    x = m.relu(m.conv(x, 16, 16, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2], scale=0.015625), 0.25)
    x = m.node("Flatten", [m.node("AveragePool", [x], kernel_shape=[4, 4], strides=[4, 4])])
    x = m.relu(m.dense(x, 256, 64))
    return m.finish(m.dense(x, 64, 10), 10)


ALL = [lenet, three_convolutions, residual, one_dimension, shapes, waves, own_waves, scaled_waves, padded_waves, scaled_chain, padded_chain, wave_offsets, uneven_offsets, clamps, pools, pools_of_one_dimension, pairs, matrices, weights_in_front, choices, dense_pairs, dense_chain, factors, factors_of_tensors, slopes, slopes_of_chains, varied, behind_quants, casts, folded, input_shapes, input_shapes_of_chains, zeros, zeros_in_chains, sums, borders, wider_constants]


# ---- meaning ----
