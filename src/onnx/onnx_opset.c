/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes of older operator sets say otherwise, and those of training. Axes of Squeeze, Unsqueeze and sums and
 * bounds of Clip are read as attributes too. */
#include "onnx/onnx_priv.h"

#include <string.h>

/* `axis` of arithmetic says where the smaller tensor stands in the larger; the others are inputs now. */
static const struct {
    const char *op, *attribute;
} old[] = {
    {"Add", "axis"}, {"Div", "axis"}, {"Equal", "axis"}, {"Greater", "axis"}, {"Less", "axis"},     {"Mul", "axis"},
    {"Pow", "axis"}, {"Sub", "axis"}, {"Pad", "pads"},   {"Pad", "paddings"}, {"Reshape", "shape"}, {"Slice", "starts"},
};

/* A BatchNormalization in training has training_mode since opset 14, more than one output before, no is_test before
 * opset 7. */
static annulus_status training_check(const Onnx__NodeProto *node)
{
    int64_t training, testing;
    if (strcmp(node->op_type, "BatchNormalization") != 0) return ANNULUS_OK;
    TRY(onnx_node_int(node, "training_mode", 0, &training));
    TRY(onnx_node_int(node, "is_test", 1, &testing));
    int trains = training != 0 || testing == 0;
    for (size_t i = 1; i < node->n_output; i++) trains |= node->output[i][0] != 0;
    if (!trains) return ANNULUS_OK;
    return onnx_node_fail(node, "it normalises by the batch at hand, as in training: export the model in evaluation "
                                "mode");
}

annulus_status onnx_opset_check(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strcmp(node->op_type, old[i].op) == 0 && onnx_node_attribute(node, old[i].attribute) != NULL)
            return onnx_node_fail(node,
                                  "its attribute %s is one of older operator sets: export the model with opset 13",
                                  old[i].attribute);
    return training_check(node);
}
