/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <string.h>

/* Whether a node takes the input, or what a node before it makes of it; a Shape is a constant. */
static int moves(const onnx_graph *g, size_t i, const char *input, const unsigned char *moving)
{
    const Onnx__NodeProto *node = g->g->node[i];
    if (strcmp(node->op_type, "Shape") == 0) return 0;
    for (size_t k = 0; k < node->n_input; k++) {
        if (strcmp(node->input[k], input) == 0) return 1;
        for (size_t m = 0; m < i; m++)
            if (moving[m] && strcmp(g->g->node[m]->output[0], node->input[k]) == 0) return 1;
    }
    return 0;
}

/* Whether a value is what a layer of a chain gives, rather than a constant or a part of a function of sums. */
static int ends_layer(const onnx_graph *g, const char *name, const unsigned char *moving)
{
    static const char *const known[] = {"Gemm", "MatMul", "BatchNormalization", "Quant", "IntQuant", "BipolarQuant"};
    for (size_t m = 0; m < g->g->n_node; m++)
        for (size_t i = 0; moving[m] && i < sizeof known / sizeof *known; i++)
            if (strcmp(g->g->node[m]->output[0], name) == 0 && strcmp(g->g->node[m]->op_type, known[i]) == 0) return 1;
    return 0;
}

annulus_status onnx_net_needed(const onnx_graph *g, const char *input, int *needed)
{
    void *p;
    *needed = 0;
    TRY(mem_create(g->g->n_node, 1, "the nodes of the model", &p));
    unsigned char *moving = p;
    for (size_t i = 0; i < g->g->n_node; i++) moving[i] = (unsigned char)moves(g, i, input, moving);
    for (size_t i = 0; i < g->g->n_node && !*needed; i++) {
        const Onnx__NodeProto *node = g->g->node[i];
        const onnx_operator *op = onnx_operator_find(node);
        const int adds = strcmp(op->name, "Add") == 0 || strcmp(op->name, "Sub") == 0;
        *needed = (moving[i] && op->tensor != NULL && op->chain == NULL) ||
                  (adds && ends_layer(g, node->input[0], moving) && ends_layer(g, node->input[1], moving));
    }
    mem_free(moving);
    return ANNULUS_OK;
}

/* The first tensor among a node's inputs. */
static const onnx_tensor *first_tensor(const onnx_net *t, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_input; i++) {
        const onnx_tensor *x = onnx_tensor_find(t, node->input[i]);
        if (x != NULL) return x;
    }
    return NULL;
}

/* The largest of sums is known behind their Quant only, with a rising activation in between. */
static annulus_status pools_check(const onnx_net *t, const Onnx__NodeProto *node, const onnx_operator *op)
{
    if (op->tensor == onnx_tensor_activation || op->tensor == onnx_tensor_quant) return ANNULUS_OK;
    for (size_t i = 0; i < node->n_input; i++) {
        const onnx_tensor *x = onnx_tensor_find(t, node->input[i]);
        if (x != NULL && x->pool.channels != 0)
            return onnx_node_fail(node,
                                  "it takes the largest of sums that are not quantized: put a Quant node in front of "
                                  "it");
    }
    return ANNULUS_OK;
}

/* Cleared at the end, whatever it becomes. */
static onnx_tensor *tensor_new(onnx_net *t, const char *name)
{
    onnx_tensor *y = &t->tensors[t->count++];
    *y = (onnx_tensor){.name = name};
    return y;
}

/* The shape of x, of one sample. */
static annulus_status shape_known(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x)
{
    size_t dims[ONNX_RANK_MAX + 1] = {1};
    if (x->stage == ONNX_ACTIVATED || x->pool.channels != 0)
        return onnx_node_fail(node, "it is supported of quantized values and sums: put a Quant node in front of it");
    memcpy(dims + 1, x->dims, x->rank * sizeof *dims);
    return onnx_fold_shape_of(t->g, node, x->rank + 1, dims);
}

static annulus_status visit(onnx_net *t, const Onnx__NodeProto *node)
{
    const onnx_operator *op = onnx_operator_find(node);
    const onnx_tensor *x = first_tensor(t, node);
    if (onnx_tensor_find(t, node->output[0]) != NULL)
        return onnx_node_fail(node, "its output \"%.60s\" is made twice: the model is damaged", node->output[0]);
    if (x == NULL) {
        if (op->fold == NULL) return onnx_node_fail(node, "its inputs are no values of the model so far");
        return op->fold(t->g, node);
    }
    if (strcmp(op->name, "Shape") == 0) return shape_known(t, node, x);
    if (op->tensor == NULL)
        return onnx_node_fail(node, "it is read as a part of a function of \"%.60s\" only: " ONNX_FUNCTION, x->name);
    TRY(pools_check(t, node, op));
    if (x->stage == ONNX_RAW && x != t->raw)
        return onnx_node_fail(node, "the input takes several ways before it is quantized: one is possible");
    onnx_tensor *y = tensor_new(t, node->output[0]);
    TRY(op->tensor(t, node, x, y));
    if (y->stage == ONNX_RAW || x->stage == ONNX_RAW) t->raw = y;
    return ANNULUS_OK;
}

/* What the function makes of sums x, which are c, from a node on. one_scale: they could have (onnx_wave_scales). */
static annulus_status activate(onnx_net *t, const Onnx__NodeProto *node, const onnx_chain *c, const onnx_tensor *x,
                               const onnx_function *f, int one_scale)
{
    if (onnx_tensor_find(t, f->value) != NULL)
        return onnx_node_fail(node, "what it makes up to \"%.60s\" is made twice: the model is damaged", f->value);
    if (x->pool.channels != 0 && !activation_is_monotone(f->act))
        return onnx_node_fail(node, "the largest of sums is no longer known behind a function that does not rise: put "
                                    "a Quant node in between");
    onnx_tensor *y = tensor_new(t, f->value);
    TRY(onnx_tensor_copy(t, x, y));
    if (one_scale && activation_is_wave(f->act)) TRY(onnx_tensor_one_scale(node, y));
    for (size_t o = 0; o < y->count; o++) {
        y->scale[o] /= f->period;
        y->bias[o] = y->bias[o] / f->period + f->shift;
    }
    if (f->flat && x->pool.channels != 0) {
        for (size_t d = 1; d < y->pool_rank; d++) y->pool_dims[0] *= y->pool_dims[d];
        y->pool_rank = 1;
    } else if (activation_is_wave(f->act)) {
        y->flat = f->flat;
    } else if (f->flat) {
        y->rank = 1, y->dims[0] = y->count;
    }
    y->stage = ONNX_ACTIVATED;
    y->act = f->act;
    y->rise = f->rise;
    y->offsets = f->offsets;
    y->amplitude = f->amplitude;
    return activation_is_own(f->act) ? onnx_tensor_vary(t, c, f, y) : ANNULUS_OK;
}

/* What comes of sums from node i on, if it is one function of them: *found. */
static annulus_status visit_sums(onnx_net *t, size_t i, int *found)
{
    const Onnx__NodeProto *node = t->g->g->node[i];
    const onnx_tensor *x = first_tensor(t, node);
    onnx_function f;
    *found = 0;
    if (x == NULL || (x->stage != ONNX_LINEAR && x->stage != ONNX_QUANTIZED)) return ANNULUS_OK;
    onnx_chain c = {.g = t->g, .value = x->name, .rank = x->rank, .features = x->count, .taken = t->taken};
    memcpy(c.dims, x->dims, sizeof c.dims);
    if (x->pool.channels != 0) {
        c.features = 1, c.rank = x->pool_rank;
        for (size_t d = 0; d < c.rank; d++) c.features *= c.dims[d] = x->pool_dims[d];
    }
    const int one_scale =
        x->pool.channels == 0 && onnx_wave_scales(x->scale, x->count, linear_largest_weight(&x->linear));
    TRY(onnx_function_find(&c, i, one_scale, &f, found));
    return *found ? activate(t, node, &c, x, &f, one_scale) : ANNULUS_OK;
}

static annulus_status last_layer(onnx_net *t)
{
    const Onnx__GraphProto *g = t->g->g;
    onnx_tensor *x = (onnx_tensor *)(uintptr_t)onnx_tensor_find(t, g->output[0]->name);
    if (x == NULL) return fail(ANNULUS_ERR_INPUT, "the model's one output must be a value that its nodes make");
    if (x->stage != ONNX_LINEAR || x->pool.channels != 0)
        return fail(ANNULUS_ERR_INPUT,
                    "the network does not end with a linear operator: its sums are the scores, so drop what follows "
                    "the last layer");
    TRY(onnx_tensor_layer(t, x, &t->n->layers[t->layers]));
    t->n->layers_count = t->layers;
    onnx_scales_meet(t->n);
    return ANNULUS_OK;
}

static annulus_status walk(onnx_net *t, const onnx_tensor *input)
{
    t->tensors[0].name = input->name;
    t->count = 1;
    TRY(onnx_tensor_input(input, &t->tensors[0]));
    t->raw = &t->tensors[0];
    for (size_t i = 0; i < t->g->g->n_node; i++) {
        int seen = 0;
        if (!t->taken[i]) TRY(visit_sums(t, i, &seen));
        if (!t->taken[i] && !seen) TRY(visit(t, t->g->g->node[i]));
    }
    return last_layer(t);
}

annulus_status onnx_net_read(onnx_graph *g, const onnx_tensor *input, unsigned char *taken, network *n)
{
    onnx_net t = {.g = g, .n = n, .taken = taken, .budget = g->budget};
    void *p;
    TRY(mem_create(g->g->n_node + 1, sizeof(onnx_tensor), "values of the model", &p));
    t.tensors = p;
    const annulus_status st = walk(&t, input);
    for (size_t i = 0; i < t.count; i++) onnx_tensor_clear(&t.tensors[i]);
    mem_free(p);
    return st;
}
