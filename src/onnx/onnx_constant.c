/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_priv.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define CONSTANTS_FACTOR 16
#define CONSTANTS_EXTRA ((size_t)64 << 20)

annulus_status onnx_graph_init(onnx_graph *g, const Onnx__GraphProto *proto, size_t file_len)
{
    if (proto->n_node > ONNX_NODES_MAX || proto->n_initializer > ONNX_INITIALIZERS_MAX)
        return fail(ANNULUS_ERR_INPUT, "%zu nodes and %zu initializers, at most %u and %u are read", proto->n_node,
                    proto->n_initializer, ONNX_NODES_MAX, ONNX_INITIALIZERS_MAX);
    if (proto->n_sparse_initializer > 0)
        return fail(ANNULUS_ERR_INPUT, "sparse initializers are not supported: store the weights as dense tensors");
    const size_t capacity = proto->n_node + proto->n_initializer;
    void *p;
    TRY(mem_create(capacity, sizeof(onnx_constant), "the constants of the model", &p));
    *g = (onnx_graph){
        .g = proto, .constants = p, .capacity = capacity, .budget = CONSTANTS_FACTOR * file_len + CONSTANTS_EXTRA};
    return ANNULUS_OK;
}

void onnx_graph_clear(onnx_graph *g)
{
    for (size_t k = 0; k < g->count; k++) {
        mem_free(g->constants[k].f);
        mem_free(g->constants[k].i);
        mem_free(g->constants[k].q);
        mem_free(g->constants[k].q_scale);
    }
    mem_free(g->constants);
    *g = (onnx_graph){0};
}

static annulus_status graph_alloc(onnx_graph *g, size_t count, size_t size, void **out)
{
    if (count > g->budget / size)
        return fail(ANNULUS_ERR_INPUT, "the constants of the model take far more memory than its file");
    TRY(mem_create(count, size, "a constant of the model", out));
    g->budget -= count * size;
    return ANNULUS_OK;
}

annulus_status onnx_graph_add(onnx_graph *g, const char *name, const onnx_constant *like, onnx_constant **out)
{
    REQUIRE(g->count < g->capacity); /* one per initializer and one per node */
    onnx_constant *c = &g->constants[g->count];
    *c = (onnx_constant){.name = name, .rank = like->rank, .count = like->count};
    memcpy(c->dims, like->dims, sizeof c->dims);
    void *p;
    TRY(graph_alloc(g, c->count, sizeof(float), &p));
    c->f = p;
    g->count++;
    *out = c;
    return ANNULUS_OK;
}

annulus_status onnx_constant_integers(onnx_graph *g, onnx_constant *c)
{
    void *p;
    TRY(graph_alloc(g, c->count, sizeof(int64_t), &p));
    c->i = p;
    return ANNULUS_OK;
}

size_t onnx_constant_paired(const onnx_constant *x, const onnx_constant *s, size_t e)
{
    size_t index = 0, stride = 1;
    for (size_t d = 0; d < s->rank; d++) {
        const size_t x_dim = x->dims[x->rank - 1 - d], s_dim = s->dims[s->rank - 1 - d];
        if (s_dim != 1) index += e % x_dim * stride;
        e /= x_dim;
        stride *= s_dim;
    }
    return index;
}

annulus_status onnx_constant_quantized(onnx_graph *g, onnx_constant *c)
{
    void *p;
    TRY(graph_alloc(g, c->count, sizeof(int32_t), &p));
    c->q = p;
    TRY(graph_alloc(g, c->count, sizeof(float), &p));
    c->q_scale = p;
    return ANNULUS_OK;
}

annulus_status onnx_graph_add_scalar(onnx_graph *g, const char *name, float f, const int64_t *i)
{
    const onnx_constant like = {.count = 1};
    onnx_constant *c;
    if (!isfinite(f)) return fail(ANNULUS_ERR_INPUT, "constant \"%.60s\" is not a finite number", name);
    TRY(onnx_graph_add(g, name, &like, &c));
    c->f[0] = f;
    if (i == NULL) return ANNULUS_OK;
    TRY(onnx_constant_integers(g, c));
    c->i[0] = *i;
    return ANNULUS_OK;
}

annulus_status onnx_graph_repeat(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, const size_t *dims)
{
    onnx_constant *c = &g->constants[g->count - 1];
    size_t count = 1;
    if (c->count != 1) return onnx_node_fail(node, "its value must have one element, not %zu", c->count);
    for (size_t d = 0; d < rank; d++)
        if (__builtin_mul_overflow(count, c->dims[d] = dims[d], &count))
            return onnx_node_fail(node, "it makes more values than memory holds");
    const float f = c->f[0];
    const int64_t i = c->i == NULL ? 0 : c->i[0];
    const int whole = c->i != NULL;
    void *p;
    mem_free(c->f);
    mem_free(c->i);
    c->f = NULL, c->i = NULL;
    c->rank = rank;
    c->count = count;
    TRY(graph_alloc(g, count, sizeof(float), &p));
    c->f = p;
    if (whole) TRY(onnx_constant_integers(g, c));
    for (size_t o = 0; o < count; o++) c->f[o] = f;
    for (size_t o = 0; o < count && whole; o++) c->i[o] = i;
    return ANNULUS_OK;
}

static annulus_status tensor_shape(const char *name, const Onnx__TensorProto *t, onnx_constant *shape)
{
    if (t->n_dims > ONNX_RANK_MAX)
        return fail(ANNULUS_ERR_INPUT, "tensor \"%.60s\" has %zu dimensions, at most %d are supported", name, t->n_dims,
                    ONNX_RANK_MAX);
    shape->rank = t->n_dims;
    shape->count = 1;
    for (size_t d = 0; d < t->n_dims; d++) {
        if (t->dims[d] <= 0 || (uint64_t)t->dims[d] > SIZE_MAX ||
            __builtin_mul_overflow(shape->count, (size_t)t->dims[d], &shape->count))
            return fail(ANNULUS_ERR_INPUT, "tensor \"%.60s\" has the impossible dimension %lld", name,
                        (long long)t->dims[d]);
        shape->dims[d] = (size_t)t->dims[d];
    }
    return ANNULUS_OK;
}

/* The elements, `size` bytes each in raw_data, or an array of the tensor's own. */
static annulus_status tensor_data(const char *name, const Onnx__TensorProto *t, size_t count, size_t size,
                                  const void *own, size_t n_own, const void **out)
{
    const int raw = t->has_raw_data && t->raw_data.len > 0;
    if (raw ? n_own > 0 || t->raw_data.len % size != 0 || t->raw_data.len / size != count : n_own != count)
        return fail(ANNULUS_ERR_INPUT, "tensor \"%.60s\": its data do not fill its shape of %zu elements", name, count);
    *out = raw ? t->raw_data.data : own;
    return ANNULUS_OK;
}

static annulus_status tensor_floats(onnx_graph *g, const char *name, const Onnx__TensorProto *t,
                                    const onnx_constant *shape)
{
    const void *data = NULL;
    onnx_constant *c;
    TRY(tensor_data(name, t, shape->count, sizeof(float), t->float_data, t->n_float_data, &data));
    TRY(onnx_graph_add(g, name, shape, &c));
    memcpy(c->f, data, c->count * sizeof(float));
    for (size_t k = 0; k < c->count; k++)
        if (!isfinite(c->f[k]))
            return fail(ANNULUS_ERR_INPUT, "tensor \"%.60s\": element %zu is not a finite number", name, k);
    return ANNULUS_OK;
}

static annulus_status tensor_integers(onnx_graph *g, const char *name, const Onnx__TensorProto *t,
                                      const onnx_constant *shape, int wide)
{
    const void *data = NULL, *own = wide ? (const void *)t->int64_data : t->int32_data;
    const size_t size = wide ? sizeof(int64_t) : sizeof(int32_t);
    onnx_constant *c;
    TRY(tensor_data(name, t, shape->count, size, own, wide ? t->n_int64_data : t->n_int32_data, &data));
    TRY(onnx_graph_add(g, name, shape, &c));
    TRY(onnx_constant_integers(g, c));
    for (size_t k = 0; k < c->count; k++) {
        int32_t narrow = 0;
        if (wide)
            memcpy(&c->i[k], (const uint8_t *)data + k * size, size);
        else
            memcpy(&narrow, (const uint8_t *)data + k * size, size);
        if (!wide) c->i[k] = narrow;
        c->f[k] = (float)c->i[k];
    }
    return ANNULUS_OK;
}

annulus_status onnx_graph_add_tensor(onnx_graph *g, const char *name, const Onnx__TensorProto *t)
{
    onnx_constant shape = {0};
    if (t->n_external_data > 0 ||
        (t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL))
        return fail(ANNULUS_ERR_INPUT, "tensor \"%.60s\" lies in another file: save the model as one file", name);
    if (t->segment != NULL) return fail(ANNULUS_ERR_INPUT, "tensor \"%.60s\" is cut into segments", name);
    TRY(tensor_shape(name, t, &shape));
    switch (t->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        return tensor_floats(g, name, t, &shape);
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        return tensor_integers(g, name, t, &shape, 1);
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        return tensor_integers(g, name, t, &shape, 0);
    default:
        return fail(ANNULUS_ERR_INPUT,
                    "tensor \"%.60s\" has data type %d: only FLOAT (1), INT32 (6) and INT64 (7) are supported", name,
                    (int)t->data_type);
    }
}

static const Onnx__TensorProto *initializer(const onnx_graph *g, const char *name)
{
    for (size_t k = 0; k < g->g->n_initializer; k++)
        if (g->g->initializer[k]->name != NULL && strcmp(g->g->initializer[k]->name, name) == 0)
            return g->g->initializer[k];
    return NULL;
}

int onnx_graph_is_initializer(const onnx_graph *g, const char *name)
{
    return initializer(g, name) != NULL;
}

annulus_status onnx_graph_find(onnx_graph *g, const char *name, const onnx_constant **out)
{
    *out = NULL;
    for (size_t k = 0; k < g->count; k++)
        if (strcmp(g->constants[k].name, name) == 0) {
            *out = &g->constants[k];
            return ANNULUS_OK;
        }
    const Onnx__TensorProto *t = initializer(g, name);
    if (t == NULL) return ANNULUS_OK;
    TRY(onnx_graph_add_tensor(g, t->name, t));
    *out = &g->constants[g->count - 1];
    return ANNULUS_OK;
}
