/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_model.h"
#include "onnx/onnx_priv.h"
#include "onnx/onnx_tensor.h"

#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <string.h>

static const char *metadata(const Onnx__ModelProto *m, const char *key)
{
    for (size_t i = 0; i < m->n_metadata_props; i++)
        if (m->metadata_props[i]->key != NULL && strcmp(m->metadata_props[i]->key, key) == 0)
            return m->metadata_props[i]->value;
    return NULL;
}

static annulus_status set_labels_json(network *n, const json_t *list, size_t outputs)
{
    void *p;
    if (!json_is_array(list) || json_array_size(list) != outputs)
        return fail(ANNULUS_ERR_INPUT, "metadata annulus.labels is not a JSON list of %zu names", outputs);
    TRY(mem_create(outputs, sizeof(char *), "labels", &p));
    const char **names = p;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; i < outputs && st == ANNULUS_OK; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (names[i] == NULL) st = fail(ANNULUS_ERR_INPUT, "metadata annulus.labels: name %zu is not a string", i + 1);
    }
    if (st == ANNULUS_OK) st = network_labels_check(names, outputs);
    if (st == ANNULUS_OK) st = network_set_labels(n, names, outputs);
    mem_free(p);
    return st;
}

/* A JSON list of a number a layer; network_check judges them. */
static annulus_status read_noise(const char *text, network *n)
{
    json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int whole = json_is_array(list) && json_array_size(list) == n->layers_count;
    for (size_t i = 0; whole && i < n->layers_count; i++) {
        whole = json_is_number(json_array_get(list, i));
        n->layers[i].noise = json_number_value(json_array_get(list, i));
    }
    json_decref(list);
    if (whole) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "metadata annulus.noise is not a JSON list of %zu numbers, one a layer",
                n->layers_count);
}

/* Whether the integers are narrow ones of so many bits, of one bit -1, 0 and 1. */
static int weights_are(const dense_layer *l, unsigned bits)
{
    const int32_t most = bits == 1 ? 1 : ((int32_t)1 << (bits - 1)) - 1;
    for (size_t b = 0; b < (l->W != NULL ? 1 : l->linear.blocks_count); b++) {
        const linear_block *k = l->W != NULL ? NULL : &l->linear.blocks[b];
        const int32_t *W = k == NULL ? l->W : k->W;
        for (size_t i = 0; i < (k == NULL ? l->in * l->out : k->rows * k->taps); i++)
            if (W[i] < -most || W[i] > most) return 0;
    }
    return 1;
}

/* A JSON list of a number a layer, 0: as it is. Bits that the weights do not fit are not taken: another tool changed
 * them. */
static annulus_status read_weight_bits(const char *text, network *n)
{
    json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int whole = json_is_array(list) && json_array_size(list) == n->layers_count;
    for (size_t i = 0; whole && i < n->layers_count; i++) {
        const json_int_t bits = json_integer_value(json_array_get(list, i));
        whole = json_is_integer(json_array_get(list, i)) && bits >= 0 && bits <= (json_int_t)ONNX_TRAINED_BITS;
        if (whole && bits > 0 && weights_are(&n->layers[i], (unsigned)bits)) n->layers[i].weight_bits = (unsigned)bits;
    }
    json_decref(list);
    if (whole) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "metadata annulus.weight_bits is not a JSON list of %zu whole numbers from 0 to %u, one a layer",
                n->layers_count, ONNX_TRAINED_BITS);
}

static annulus_status read_metadata(const Onnx__ModelProto *m, network *n)
{
    const size_t outputs = n->layers[n->layers_count - 1].out;
    const char *noise = metadata(m, "annulus.noise"), *bits = metadata(m, "annulus.weight_bits");
    if (bits != NULL) TRY(read_weight_bits(bits, n));
    if (noise != NULL) TRY(read_noise(noise, n));
    const char *task = metadata(m, "annulus.task"), *labels = metadata(m, "annulus.labels");
    n->task = NETWORK_CLASSIFICATION;
    while (task != NULL && n->task <= NETWORK_MULTI_LABEL && strcmp(task, network_task_name(n->task)) != 0) n->task++;
    if (n->task > NETWORK_MULTI_LABEL)
        return fail(ANNULUS_ERR_INPUT,
                    "metadata annulus.task is \"%.40s\": classification, regression or multi-label is needed", task);
    if (labels == NULL) return network_set_labels(n, NULL, outputs);
    json_t *list = json_loads(labels, JSON_REJECT_DUPLICATES, NULL);
    const annulus_status st = set_labels_json(n, list, outputs);
    json_decref(list);
    return st;
}

static annulus_status nodes_check(const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *node = g->node[i];
        const onnx_operator *op = onnx_operator_find(node);
        if (op == NULL) return onnx_operator_unknown(node);
        TRY(onnx_opset_check(node));
        if (node->n_input < op->inputs_min || node->n_input > op->inputs_max)
            return onnx_node_fail(node, "%zu inputs, %zu to %zu are possible", node->n_input, op->inputs_min,
                                  op->inputs_max);
    }
    return ANNULUS_OK;
}

static annulus_status input_shape(onnx_chain *c, const Onnx__ValueInfoProto *v)
{
    const Onnx__TypeProto__Tensor *t =
        v->type != NULL && v->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? v->type->tensor_type : NULL;
    if (t == NULL || t->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        return fail(ANNULUS_ERR_INPUT, "input \"%.60s\" is not a tensor of floats", v->name);
    const size_t rank = t->shape == NULL ? 0 : t->shape->n_dim;
    if (rank < 2 || rank > ONNX_RANK_MAX)
        return fail(ANNULUS_ERR_INPUT, "input \"%.60s\" has %zu dimensions: the batch and at least one more are needed",
                    v->name, rank);
    c->features = 1;
    for (size_t d = 1; d < rank; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = t->shape->dim[d];
        const int64_t size =
            dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ? dim->dim_value : 0;
        if (size <= 0 || size > 65536 || c->features * (size_t)size > 65536)
            return fail(ANNULUS_ERR_INPUT,
                        "input \"%.60s\": dimension %zu is %lld: the sizes must be known, 65536 features at most",
                        v->name, d, (long long)size);
        c->features *= (size_t)size;
        c->dims[d - 1] = (size_t)size;
    }
    c->rank = rank - 1;
    c->value = v->name;
    return ANNULUS_OK;
}

static annulus_status find_input(onnx_chain *c)
{
    const Onnx__ValueInfoProto *found = NULL;
    for (size_t i = 0; i < c->g->g->n_input; i++) {
        const Onnx__ValueInfoProto *v = c->g->g->input[i];
        if (v->name == NULL) return fail(ANNULUS_ERR_INPUT, "input %zu has no name: the model is damaged", i);
        if (onnx_graph_is_initializer(c->g, v->name) || !onnx_graph_takes(c->g->g, v->name)) continue;
        if (found != NULL)
            return fail(ANNULUS_ERR_INPUT, "two inputs, \"%.60s\" and \"%.60s\": one is possible", found->name,
                        v->name);
        found = v;
    }
    if (found == NULL) return fail(ANNULUS_ERR_INPUT, "the model has no input that its output depends on");
    return input_shape(c, found);
}

/* The shape of the current value, of one sample. */
static annulus_status shape_known(onnx_chain *c, const Onnx__NodeProto *node)
{
    size_t dims[ONNX_RANK_MAX + 1] = {1, c->features};
    if (c->rank > 1) memcpy(dims + 1, c->dims, c->rank * sizeof *dims);
    return onnx_fold_shape_of(c->g, node, c->rank + 1, dims);
}

static annulus_status visit(onnx_chain *c, const Onnx__NodeProto *node)
{
    const onnx_operator *op = onnx_operator_find(node);
    int on_chain = 0;
    for (size_t i = 0; i < node->n_input; i++) on_chain += strcmp(node->input[i], c->value) == 0;
    if (on_chain > 0 && strcmp(op->name, "Shape") == 0) return shape_known(c, node);
    c->graph = (op->tensor != NULL || strcmp(op->name, "Shape") == 0) && on_chain != 1;
    if (on_chain > 1) return onnx_node_fail(node, "the same value twice: only a constant can be the other input");
    if (on_chain == 0) {
        if (op->fold == NULL)
            return onnx_node_fail(
                node, "its inputs are not the current value \"%.60s\": only plain chains of layers are read", c->value);
        return op->fold(c->g, node);
    }
    if (op->chain == NULL) return onnx_node_fail(node, "it is supported for constants only");
    TRY(op->chain(c, node));
    c->value = node->output[0];
    return ANNULUS_OK;
}

/* To weights whose scales are multiples of one. */
static annulus_status give_one_scale(dense_layer *l)
{
    double unit;
    int exact;
    void *p;
    TRY(mem_create(l->out, sizeof(int32_t), "factors", &p));
    const int32_t *by = p;
    int32_t most = 1;
    const int has = onnx_unit_find(l->w_scale, l->out, p, &unit, &exact) && exact;
    for (size_t o = 0; has && o < l->out; o++) {
        for (size_t i = 0; i < l->in; i++) l->W[o * l->in + i] *= by[o];
        l->w_scale[o] = unit;
        most = by[o] > most ? by[o] : most;
    }
    while (has && most > 1) l->weight_bits++, most = (most + 1) / 2;
    mem_free(p);
    return ANNULUS_OK;
}

/* What comes of the sums of the last layer, from node i on, if it is one function of them: *found. */
static annulus_status visit_sums(onnx_chain *c, size_t i, int *found)
{
    const Onnx__NodeProto *node = c->g->g->node[i];
    int on_chain = 0;
    onnx_function f;
    *found = 0;
    for (size_t k = 0; k < node->n_input; k++) on_chain |= strcmp(node->input[k], c->value) == 0;
    if (c->stage != ONNX_LINEAR || !on_chain) return ANNULUS_OK;
    dense_layer *l = &c->n->layers[c->layers - 1];
    const int one_scale = onnx_wave_scales(l->w_scale, l->out, (int64_t)1 << (l->weight_bits - 1));
    TRY(onnx_function_find(c, i, one_scale, &f, found));
    if (!*found) return ANNULUS_OK;
    if (one_scale && activation_is_wave(f.act)) TRY(give_one_scale(l));
    for (size_t o = 0; o < l->out; o++) {
        l->w_scale[o] /= f.period;
        l->bias[o] = l->bias[o] / f.period + f.shift;
    }
    l->act = f.act;
    l->rise = f.rise;
    l->offsets = f.offsets;
    if (activation_is_own(f.act)) {
        TRY(onnx_function_vary(c, &f, &l->vary));
        l->own = f.f;
    }
    c->amplitude = f.amplitude;
    c->features = dense_layer_values(l);
    c->stage = ONNX_ACTIVATED;
    c->value = f.value;
    return ANNULUS_OK;
}

static annulus_status walk(onnx_chain *c)
{
    const Onnx__GraphProto *g = c->g->g;
    for (size_t i = 0; i < g->n_node; i++) {
        int seen = 0;
        if (!c->taken[i]) TRY(visit_sums(c, i, &seen));
        if (!c->taken[i] && !seen) TRY(visit(c, g->node[i]));
    }
    if (strcmp(g->output[0]->name, c->value) != 0)
        return fail(ANNULUS_ERR_INPUT, "the model's output is not its last value \"%.60s\"", c->value);
    if (c->stage != ONNX_LINEAR)
        return fail(ANNULUS_ERR_INPUT,
                    "the network does not end with Gemm or MatMul: its sums are the scores, so drop what "
                    "follows the last layer");
    return ANNULUS_OK;
}

/* The shape of the input is known before all else. */
static annulus_status shapes_of_input(onnx_chain *c)
{
    for (size_t i = 0; i < c->g->g->n_node; i++) {
        const Onnx__NodeProto *node = c->g->g->node[i];
        if (strcmp(node->op_type, "Shape") != 0 || strcmp(node->input[0], c->value) != 0) continue;
        TRY(shape_known(c, node));
        c->taken[i] = 1;
    }
    return ANNULUS_OK;
}

static annulus_status net_read(onnx_chain *c)
{
    onnx_tensor input = {.name = c->value, .rank = c->rank};
    memcpy(input.dims, c->dims, sizeof input.dims);
    return onnx_net_read(c->g, &input, c->taken, c->n);
}

/* *net 1: as a graph of tensors, else as a chain of layers, but if that finds nodes that only graphs have it becomes 1.
 */
static annulus_status decode(const Onnx__ModelProto *m, onnx_graph *g, unsigned char *taken, int *as_net, network **out)
{
    size_t layers = 0;
    onnx_chain c = {.g = g, .amplitude = 1, .taken = taken};
    TRY(nodes_check(g->g));
    TRY(find_input(&c));
    TRY(shapes_of_input(&c));
    int net = *as_net;
    if (!net) TRY(onnx_net_needed(g, c.value, &net));
    for (size_t i = 0; i < g->g->n_node; i++)
        layers += strcmp(g->g->node[i]->op_type, "Gemm") == 0 || strcmp(g->g->node[i]->op_type, "MatMul") == 0;
    if (layers == 0 && !net) return fail(ANNULUS_ERR_INPUT, "the model has no layer (Gemm or MatMul)");
    network *n = NULL;
    TRY(network_create(c.features, net ? NETWORK_MAX_LAYERS : layers, &n));
    c.n = n;
    annulus_status st = net ? net_read(&c) : walk(&c);
    *as_net = net || (st != ANNULUS_OK && c.graph);
    if (st == ANNULUS_OK) st = read_metadata(m, n);
    if (st == ANNULUS_OK) st = network_check(n);
    if (st == ANNULUS_OK)
        *out = n;
    else
        network_destroy(n);
    return st;
}

annulus_status onnx_model_decode(const uint8_t *bytes, size_t len, const char *name, network **out)
{
    Onnx__ModelProto *m = NULL;
    Onnx__GraphProto live = {0};
    int net = 0, tried;
    annulus_status st = onnx_scan(bytes, len, &m);
    if (st == ANNULUS_OK && m->graph == NULL) st = fail(ANNULUS_ERR_INPUT, "not an ONNX model: it has no graph");
    if (st == ANNULUS_OK) st = onnx_live_graph(m->graph, &live);
    for (int more = st == ANNULUS_OK; more; more = st != ANNULUS_OK && net && !tried) {
        onnx_graph g = {0};
        void *taken = NULL;
        tried = net;
        st = onnx_graph_init(&g, &live, len);
        if (st == ANNULUS_OK) st = mem_create(live.n_node, 1, "the nodes of the model", &taken);
        if (st == ANNULUS_OK) st = decode(m, &g, taken, &net, out);
        mem_free(taken);
        onnx_graph_clear(&g);
    }
    mem_free(live.node);
    onnx_scan_destroy(m);
    return st == ANNULUS_OK ? st : fail_prefix(st, "%s", name);
}

annulus_status onnx_model_read(const char *path, network **out)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    TRY(file_read(path, ONNX_FILE_MAX, &bytes, &len));
    const annulus_status st = onnx_model_decode(bytes, len, path, out);
    mem_wipe_free(bytes, st == ANNULUS_OK ? 0 : len); /* what is no model may be a client key, named by mistake */
    return st;
}
