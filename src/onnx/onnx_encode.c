/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_builder.h"
#include "onnx/onnx_model.h"

#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define OPSET 13
#define IR_VERSION 7

static annulus_status encode_input(onnx_builder *b, const network *n)
{
    const double *side[2] = {n->shift, n->gain};
    static const char *const op[2] = {"Sub", "Mul"}, *const what[2] = {"shift", "gain"};
    for (size_t s = 0; s < 2; s++) {
        char *name = builder_name(b, what[s], 0);
        float *x = builder_floats(b, name, 1, &n->inputs);
        for (size_t i = 0; i < n->inputs; i++) TRY(onnx_narrow(side[s][i], what[s], i, &x[i]));
        char *const inputs[2] = {b->value, name};
        b->value = builder_node(b, op[s], 0, 2, inputs)->output[0];
    }
    float scale;
    TRY(onnx_narrow(n->input.scale, "input scale", 0, &scale));
    b->values[0] = builder_quant(b, 0, b->value, builder_scalar(b, "scale", 0, (double)scale), &n->input);
    return ANNULUS_OK;
}

/* Float tensor ("batch", width). */
static Onnx__ValueInfoProto *value_info(onnx_builder *b, const char *name, size_t width)
{
    Onnx__ValueInfoProto *v = builder_take(b, sizeof *v);
    Onnx__TypeProto *type = builder_take(b, sizeof *type);
    Onnx__TypeProto__Tensor *t = builder_take(b, sizeof *t);
    Onnx__TensorShapeProto *shape = builder_take(b, sizeof *shape);
    Onnx__TensorShapeProto__Dimension *dim = builder_take(b, 2 * sizeof *dim);
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(shape);
    onnx__tensor_shape_proto__dimension__init(&dim[0]);
    onnx__tensor_shape_proto__dimension__init(&dim[1]);
    dim[0].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    dim[0].dim_param = (char *)(uintptr_t) "batch";
    dim[1].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dim[1].dim_value = (int64_t)width;
    shape->n_dim = 2;
    shape->dim = builder_take(b, 2 * sizeof *shape->dim);
    shape->dim[0] = &dim[0];
    shape->dim[1] = &dim[1];
    t->has_elem_type = 1;
    t->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    v->name = (char *)(uintptr_t)name;
    v->type = type;
    return v;
}

static Onnx__OperatorSetIdProto *opset(onnx_builder *b, const char *domain, int64_t version)
{
    Onnx__OperatorSetIdProto *o = builder_take(b, sizeof *o);
    onnx__operator_set_id_proto__init(o);
    o->domain = (char *)(uintptr_t)domain;
    o->has_version = 1;
    o->version = version;
    return o;
}

static Onnx__StringStringEntryProto *entry(onnx_builder *b, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *e = builder_take(b, sizeof *e);
    onnx__string_string_entry_proto__init(e);
    e->key = (char *)(uintptr_t)key;
    e->value = (char *)(uintptr_t)value;
    return e;
}

static annulus_status encode_graph(onnx_builder *b, const network *n)
{
    onnx__graph_proto__init(&b->graph);
    b->graph.name = (char *)(uintptr_t) "annulus";
    b->graph.node = builder_take(b, b->room.nodes * sizeof *b->graph.node);
    b->graph.initializer = builder_take(b, b->room.tensors * sizeof *b->graph.initializer);
    b->value = (char *)(uintptr_t) "x";
    TRY(encode_input(b, n));
    for (size_t i = 1; i <= n->layers_count; i++) TRY(onnx_layer_encode(b, n, i));
    if (n->argmax) {
        Onnx__NodeProto *largest = builder_node(b, "ArgMax", 0, 1, &b->value);
        builder_int(b, largest, "axis", 1);
        builder_int(b, largest, "keepdims", 0);
        b->value = largest->output[0];
    }
    b->graph.n_input = b->graph.n_output = 1;
    b->graph.input = builder_take(b, sizeof *b->graph.input);
    b->graph.output = builder_take(b, sizeof *b->graph.output);
    b->graph.input[0] = value_info(b, "x", n->inputs);
    b->graph.output[0] = value_info(b, b->value, n->layers[n->layers_count - 1].out);
    if (n->argmax) { /* integers, one a sample */
        b->graph.output[0]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        b->graph.output[0]->type->tensor_type->shape->n_dim = 1;
    }
    return ANNULUS_OK;
}

/* What metadata_props hold, as JSON. */
typedef struct metadata {
    char *labels;
    char *noise;       /* NULL: not known of any layer */
    char *weight_bits; /* NULL: those that the file shows */
} metadata;

static annulus_status pack(onnx_builder *b, const network *n, const metadata *text, uint8_t **out, size_t *len)
{
    Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto *sets[2] = {opset(b, "", OPSET), opset(b, ONNX_QUANT_DOMAIN, 1)};
    const char *const texts[] = {network_task_name(n->task), text->labels, text->noise, text->weight_bits};
    static const char *const keys[] = {"annulus.task", "annulus.labels", "annulus.noise", "annulus.weight_bits"};
    Onnx__StringStringEntryProto *meta[4];
    for (size_t i = 0; i < 4; i++)
        if (texts[i] != NULL) meta[m.n_metadata_props++] = entry(b, keys[i], texts[i]);
    m.has_ir_version = 1;
    m.ir_version = IR_VERSION;
    m.producer_name = (char *)(uintptr_t) "annulus";
    m.graph = &b->graph;
    m.n_opset_import = 2;
    m.opset_import = sets;
    m.metadata_props = meta;
    void *p;
    *len = onnx__model_proto__get_packed_size(&m);
    TRY(mem_create(*len, 1, "ONNX file", &p));
    (void)onnx__model_proto__pack(&m, p);
    *out = p;
    return ANNULUS_OK;
}

static annulus_status labels_json(const network *n, char **out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n->layers[n->layers_count - 1].out; i++) {
        json_t *name = json_string(n->labels[i]); /* NULL when it is not UTF-8 */
        if (name == NULL || json_array_append_new(list, name) != 0) {
            json_decref(list);
            return fail(ANNULUS_ERR_INPUT, "label %zu is not valid UTF-8: an ONNX file cannot hold it", i);
        }
    }
    *out = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return *out != NULL ? ANNULUS_OK : fail(ANNULUS_ERR_MEMORY, "no memory for the labels");
}

static annulus_status noise_json(const network *n, char **out)
{
    int known = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < n->layers_count; i++) {
        known |= n->layers[i].noise > 0;
        (void)json_array_append_new(list, json_real(n->layers[i].noise));
    }
    if (known) *out = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return !known || *out != NULL ? ANNULUS_OK : fail(ANNULUS_ERR_MEMORY, "no memory for the noise of the layers");
}

/* 0: as the Quant says, which is not read where layers are not all dense, and has no weights of one bit. */
static annulus_status weight_bits_json(const network *n, char **out)
{
    const int dense = network_is_dense(n);
    int other = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < n->layers_count; i++) {
        const unsigned bits = n->layers[i].weight_bits;
        const int said = bits <= ONNX_TRAINED_BITS && (!dense || bits != onnx_layer_weight_bits(&n->layers[i]));
        other |= said;
        (void)json_array_append_new(list, json_integer(said ? (json_int_t)bits : 0));
    }
    if (other) *out = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return !other || *out != NULL ? ANNULUS_OK : fail(ANNULUS_ERR_MEMORY, "no memory for the bits of the weights");
}

static onnx_room room_of(const network *n)
{
    onnx_room room = {.nodes = 4, .tensors = 5, .bytes = 5 * ONNX_NODE_BYTES + 4 * n->inputs * sizeof(float)};
    for (size_t i = 0; i < n->layers_count; i++) {
        const onnx_room r = onnx_layer_room(&n->layers[i]);
        room.nodes += r.nodes, room.tensors += r.tensors, room.bytes += r.bytes;
    }
    return room;
}

/* Dense layers of one source and layers as training makes them. */
static annulus_status writable(const network *n)
{
    for (size_t i = 0; i < n->layers_count; i++) {
        const dense_layer *l = &n->layers[i];
        uint32_t sources[NETWORK_MAX_LAYERS];
        const int chained = network_sources(n, i, sources) == 1 && sources[0] == i;
        if (l->known || (chained && (l->W != NULL || l->windows.channels > 0))) continue;
        return fail(ANNULUS_ERR_INPUT,
                    "layer %zu is neither dense nor a convolution that was trained here, or has branches: the network "
                    "cannot be written",
                    i + 1);
    }
    return ANNULUS_OK;
}

annulus_status onnx_model_encode(const network *n, uint8_t **out, size_t *len)
{
    TRY(writable(n));
    TRY(network_check(n));
    onnx_builder b = {.room = room_of(n)};
    metadata text = {NULL, NULL, NULL};
    annulus_status st = labels_json(n, &text.labels);
    if (st == ANNULUS_OK) st = noise_json(n, &text.noise);
    if (st == ANNULUS_OK) st = weight_bits_json(n, &text.weight_bits);
    if (st == ANNULUS_OK) st = scratch_create(b.room.bytes, &b.mem);
    if (st == ANNULUS_OK) st = encode_graph(&b, n);
    if (st == ANNULUS_OK) st = pack(&b, n, &text, out, len);
    scratch_destroy(&b.mem);
    free(text.labels), free(text.noise), free(text.weight_bits);
    return st;
}

annulus_status onnx_model_write(const char *path, const network *n)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    TRY(onnx_model_encode(n, &bytes, &len));
    const annulus_status st = file_write(path, bytes, len, 0644);
    mem_free(bytes);
    return st;
}
