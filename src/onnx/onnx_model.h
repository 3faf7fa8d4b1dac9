/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as ONNX files in the QONNX dialect. */
#ifndef ONNX_ONNX_MODEL_H
#define ONNX_ONNX_MODEL_H

#include "nn/network.h"

/* Serialized ModelProto; *out owned by the caller (mem_free). */
annulus_status onnx_model_encode(const network *n, uint8_t **out, size_t *len) __attribute__((warn_unused_result));
/* name: for messages. Refuses unknown operators by node name and operator, lists those known. */
annulus_status onnx_model_decode(const uint8_t *bytes, size_t len, const char *name, network **out)
    __attribute__((warn_unused_result));
annulus_status onnx_model_write(const char *path, const network *n) __attribute__((warn_unused_result));
annulus_status onnx_model_read(const char *path, network **out) __attribute__((warn_unused_result));
#endif
