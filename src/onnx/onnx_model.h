/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as ONNX files in the QONNX dialect: opset 13 plus the domain qonnx.custom_op.general. Waves are written in
 * standard operators, several offsets of one layer along an axis of their own between two Reshapes; metadata_props hold
 * the task, the labels, the noise of each layer (annulus.noise, a JSON list) where it is known, and the bits of the
 * weights of each (annulus.weight_bits, a JSON list, 1 to ONNX_TRAINED_BITS, 0: as its Quant says) in networks with
 * layers of one bit, whose integers are -1 and 1, or that are not all dense; bits that the weights do not fit are not
 * taken.
 *
 * ONNX carries single-precision numbers: shifts, gains, scales and biases are rounded to float on writing. A network
 * whose numbers are floats already comes back equal.
 *
 * Reading accepts one chain Sub/Mul/Div/Add* Quant (Gemm|MatMul (Add|Sub|Mul|Div|BatchNormalization)* [Relu|Sigmoid|
 * Tanh] Quant)* that ends with a Gemm or MatMul; Identity, Flatten and a flattening Reshape anywhere; weights behind a
 * constant Quant (per tensor or per output), and whatever moves them (onnx_fold_shape.c). Quant is known in the domains
 * qonnx.custom_op.general, onnx.brevitas and finn.custom_op.general, also as IntQuant, and of one bit that is -1 or 1
 * as BipolarQuant. Rounding of activations is HALF_UP; ROUND (half to even) is accepted and differs from it at exact
 * ties only.
 *
 * Models with other linear operators or with branches are read as graphs of tensors (onnx_tensor.h): Conv in one and
 * two dimensions, AveragePool, GlobalAveragePool, ReduceMean, ReduceSum, Add, Sub and Sum of tensors, Concat, Pad,
 * Slice, Squeeze, Unsqueeze, Transpose and Reshape besides the above; waves at one offset. Two linear operators in a
 * row become one; a Quant makes a layer. Scales of values that one sum takes become integers times one number, exact or
 * near (onnx_scale.c). They are not written.
 *
 * In place of Relu, Sigmoid or Tanh may stand any elementwise operators with scalar constants (onnx_wave.c)
 * that make a wave of period 1, 2, 4, 1/2 or 2 pi about 0, found by its values: its period and shift go into weights
 * and bias, its amplitude into the scales around the Quant. A constant of J numbers along an axis of its own (Reshape
 * or Unsqueeze before, Reshape or Flatten behind) that shifts it by j/(2J) periods, j < J, makes J offsets. */
#ifndef ONNX_ONNX_MODEL_H
#define ONNX_ONNX_MODEL_H

#include "nn/network.h"

#define ONNX_TRAINED_BITS 15u /* 16 are those of a layer of which nothing is known */

/* Serialized ModelProto; *out owned by the caller (mem_free). Refuses what float cannot hold (overflow, a scale that
 * becomes 0) and labels that are not UTF-8. */
annulus_status onnx_model_encode(const network *n, uint8_t **out, size_t *len) __attribute__((warn_unused_result));
/* name: for messages. Refuses unknown operators by node name and operator, lists those known. */
annulus_status onnx_model_decode(const uint8_t *bytes, size_t len, const char *name, network **out)
    __attribute__((warn_unused_result));
annulus_status onnx_model_write(const char *path, const network *n) __attribute__((warn_unused_result));
annulus_status onnx_model_read(const char *path, network **out) __attribute__((warn_unused_result));
#endif
