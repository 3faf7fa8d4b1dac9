/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that the output depends on; the others are left out. */
#include "onnx/onnx_priv.h"

#include "base/memory.h"

#include <string.h>

static int takes(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_input && i < ONNX_INPUTS_MAX; i++)
        if (strcmp(node->input[i], name) == 0) return 1;
    return 0;
}

int onnx_graph_takes(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_node; i++)
        if (takes(g->node[i], name)) return 1;
    return 0;
}

/* Whether node i makes the output, or what a node behind it takes that counts. */
static int counts(const Onnx__GraphProto *g, size_t i, const unsigned char *kept)
{
    const char *name = g->node[i]->output[0];
    int found = strcmp(g->output[0]->name, name) == 0;
    for (size_t n = i + 1; n < g->n_node && !found; n++) found = kept[n] && takes(g->node[n], name);
    return found;
}

annulus_status onnx_live_graph(const Onnx__GraphProto *g, Onnx__GraphProto *out)
{
    void *p, *q = NULL;
    if (g->n_node > ONNX_NODES_MAX || g->n_input > ONNX_INITIALIZERS_MAX)
        return fail(ANNULUS_ERR_INPUT, "%zu nodes and %zu inputs, at most %u and %u are read", g->n_node, g->n_input,
                    ONNX_NODES_MAX, ONNX_INITIALIZERS_MAX);
    for (size_t i = 0; i < g->n_node; i++)
        if (g->node[i]->op_type == NULL || g->node[i]->n_output == 0)
            return fail(ANNULUS_ERR_INPUT, "node %zu has no operator or no output: the model is damaged", i);
    if (g->n_output != 1 || g->output[0]->name == NULL)
        return fail(ANNULUS_ERR_INPUT, "the model has %zu outputs, or one without a name: one output is possible",
                    g->n_output);
    TRY(mem_create(g->n_node, sizeof(Onnx__NodeProto *), "the nodes of the model", &p));
    const annulus_status st = mem_create(g->n_node, 1, "the nodes of the model", &q);
    *out = *g;
    out->node = p;
    out->n_node = 0;
    unsigned char *kept = q;
    for (size_t i = g->n_node; st == ANNULUS_OK && i-- > 0;) kept[i] = (unsigned char)counts(g, i, kept);
    for (size_t i = 0; st == ANNULUS_OK && i < g->n_node; i++)
        if (kept[i]) out->node[out->n_node++] = g->node[i];
    mem_free(q);
    return st;
}
