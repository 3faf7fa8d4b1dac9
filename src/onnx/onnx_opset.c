/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes of older operator sets say otherwise. Axes of Squeeze, Unsqueeze and sums and bounds of Clip are read as
 * attributes too. */
#include "onnx/onnx_priv.h"

#include <string.h>

/* `axis` of arithmetic says where the smaller tensor stands in the larger; the others are inputs now. */
static const struct {
    const char *op, *attribute;
} old[] = {
    {"Add", "axis"}, {"Div", "axis"}, {"Equal", "axis"}, {"Greater", "axis"}, {"Less", "axis"},     {"Mul", "axis"},
    {"Pow", "axis"}, {"Sub", "axis"}, {"Pad", "pads"},   {"Pad", "paddings"}, {"Reshape", "shape"}, {"Slice", "starts"},
};

annulus_status onnx_opset_check(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strcmp(node->op_type, old[i].op) == 0 && onnx_node_attribute(node, old[i].attribute) != NULL)
            return onnx_node_fail(node,
                                  "its attribute %s is one of older operator sets: export the model with opset 13",
                                  old[i].attribute);
    return ANNULUS_OK;
}
