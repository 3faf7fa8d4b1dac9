/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH_MAX 65536u

const onnx_tensor *onnx_tensor_find(const onnx_net *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->tensors[i].name, name) == 0) return &t->tensors[i];
    return NULL;
}

void onnx_tensor_clear(onnx_tensor *x)
{
    linear_clear(&x->linear);
    mem_free(x->scale);
    mem_free(x->bias);
    mem_free(x->lo);
    mem_free(x->hi);
    mem_free(x->vary);
}

void onnx_name_append(char *name, size_t size, const char *op)
{
    const size_t len = strlen(name);
    (void)snprintf(name + len, size - len, "%s%s", len == 0 || op[0] == 0 ? "" : " ", op);
}

void onnx_tensor_name(onnx_tensor *x, const char *op)
{
    onnx_name_append(x->op, sizeof x->op, op);
}

/* Memory of a tensor, in words of its lists. */
static annulus_status charge(onnx_net *t, const circuit_linear *l, size_t values)
{
    size_t listed = 4 * values;
    for (size_t k = 0; k < l->blocks_count; k++)
        listed += l->blocks[k].places * (l->blocks[k].taps + l->blocks[k].rows);
    if (listed > t->budget)
        return fail(ANNULUS_ERR_INPUT, "the operators of the model list far more values than its file");
    t->budget -= listed;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_create(onnx_tensor *y, size_t rank, const size_t *dims)
{
    void *p;
    y->count = 1;
    y->rank = rank;
    for (size_t d = 0; d < rank; d++) {
        y->dims[d] = dims[d];
        if (dims[d] == 0 || dims[d] > WIDTH_MAX || (y->count *= dims[d]) > WIDTH_MAX)
            return fail(ANNULUS_ERR_INPUT, "\"%.60s\" has more than %u values a sample, or none", y->name, WIDTH_MAX);
    }
    double **arrays[] = {&y->scale, &y->bias, &y->lo, &y->hi};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        TRY(mem_create(y->count, sizeof(double), "values of the model", &p));
        *arrays[i] = p;
    }
    for (size_t o = 0; o < y->count; o++) y->scale[o] = 1;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_input(const onnx_tensor *input, onnx_tensor *y)
{
    y->stage = ONNX_RAW;
    return onnx_tensor_create(y, input->rank, input->dims);
}

annulus_status onnx_tensor_copy(onnx_net *t, const onnx_tensor *x, onnx_tensor *y)
{
    const char *name = y->name;
    *y = *x;
    y->name = name;
    y->linear = (circuit_linear){0};
    y->scale = y->bias = y->lo = y->hi = y->vary = NULL;
    TRY(onnx_tensor_create(y, x->rank, x->dims));
    memcpy(y->scale, x->scale, x->count * sizeof *x->scale);
    memcpy(y->bias, x->bias, x->count * sizeof *x->bias);
    memcpy(y->lo, x->lo, x->count * sizeof *x->lo);
    memcpy(y->hi, x->hi, x->count * sizeof *x->hi);
    TRY(charge(t, &x->linear, x->count));
    if (x->vary != NULL) {
        void *p;
        TRY(charge(t, &(circuit_linear){0}, x->own.vary * x->count));
        TRY(mem_create(x->own.vary * x->count, sizeof(double), "constants of neurons", &p));
        y->vary = memcpy(p, x->vary, x->own.vary * x->count * sizeof *x->vary);
    }
    return linear_copy(&x->linear, &y->linear);
}

annulus_status onnx_tensor_vary(onnx_net *t, const onnx_chain *c, const onnx_function *f, onnx_tensor *y)
{
    TRY(charge(t, &(circuit_linear){0}, f->f.vary * y->count));
    y->own = f->f;
    return onnx_function_vary(c, f, &y->vary);
}

/* Scales, biases and bounds of outer(x). */
static annulus_status carry_scales(const Onnx__NodeProto *node, const onnx_tensor *x, const circuit_linear *outer,
                                   onnx_tensor *y)
{
    for (size_t o = 0; o < y->count; o++) y->scale[o] = 0;
    for (size_t k = 0; k < outer->blocks_count; k++) {
        const linear_block *b = &outer->blocks[k];
        for (size_t i = 0; i < b->places * b->rows; i++)
            for (size_t tap = 0; tap < b->taps; tap++) {
                const uint32_t from = b->from[i / b->rows * b->taps + tap], to = b->to[i];
                const int32_t w = b->W[i % b->rows * b->taps + tap];
                if (from == LINEAR_NOTHING || w == 0) continue;
                if (y->scale[to] == 0) y->scale[to] = x->scale[from];
                if (y->scale[to] != x->scale[from])
                    return onnx_node_fail(node, "it adds up values of different scales: put a Quant in front of it");
                y->bias[to] += w * x->bias[from];
                y->lo[to] += w * (w > 0 ? x->lo : x->hi)[from];
                y->hi[to] += w * (w > 0 ? x->hi : x->lo)[from];
            }
    }
    double any = 1; /* of one, for what takes nothing: it fits the others then */
    for (size_t o = y->count; o-- > 0;) any = y->scale[o] != 0 ? y->scale[o] : any;
    for (size_t o = 0; o < y->count; o++)
        if (y->scale[o] == 0) y->scale[o] = any;
    return ANNULUS_OK;
}

/* Whether an output of outer takes values of x that have different scales. */
static int mixes_scales(const onnx_tensor *x, const circuit_linear *outer)
{
    for (size_t k = 0; k < outer->blocks_count; k++) {
        const linear_block *b = &outer->blocks[k];
        for (size_t p = 0; p < b->places; p++) {
            double scale = 0;
            for (size_t tap = 0; tap < b->taps; tap++) {
                const uint32_t from = b->from[p * b->taps + tap];
                if (from == LINEAR_NOTHING) continue;
                if (scale != 0 && scale != x->scale[from]) return 1;
                scale = x->scale[from];
            }
        }
    }
    return 0;
}

annulus_status onnx_tensor_one_scale(const Onnx__NodeProto *node, onnx_tensor *x)
{
    double unit;
    int exact;
    void *p;
    TRY(mem_create(x->count, sizeof(int32_t), "factors", &p));
    annulus_status st = ANNULUS_OK;
    if (onnx_unit_find(x->scale, x->count, p, &unit, &exact)) {
        st = onnx_tensor_multiply(node, x, p);
        for (size_t o = 0; o < x->count; o++) x->scale[o] = unit;
        if (!exact) onnx_tensor_name(x, "~");
    }
    mem_free(p);
    return st;
}

static annulus_status expression_check(const Onnx__NodeProto *node, const onnx_tensor *x)
{
    if (x->stage == ONNX_RAW)
        return onnx_node_fail(node, "its input is not quantized: put a Quant node in front of it");
    if (x->stage == ONNX_ACTIVATED)
        return onnx_node_fail(node, "its input is an activation that is not quantized: put a Quant node in between");
    return ANNULUS_OK;
}

/* The dimensions of the source that y has from x, unless those before x was flattened say more. */
static void carry_shape(const onnx_tensor *x, const char *op, onnx_tensor *y)
{
    memcpy(y->from, x->from, sizeof y->from);
    if (op[0] != 0 && x->stage == ONNX_QUANTIZED && x->count == x->in &&
        (x->rank >= LINEAR_RANK_MAX || x->from[x->rank] == 0))
        linear_shape_set(x->dims, x->rank, y->from);
}

static annulus_status apply(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, circuit_linear *outer,
                            size_t rank, const size_t *dims, const char *op, onnx_tensor *y)
{
    y->stage = ONNX_LINEAR;
    y->sources_count = x->sources_count;
    y->in = x->in;
    y->bounded = x->bounded;
    memcpy(y->sources, x->sources, sizeof y->sources);
    memcpy(y->op, x->op, sizeof y->op);
    carry_shape(x, op, y);
    onnx_tensor_name(y, op);
    annulus_status st = onnx_tensor_create(y, rank, dims);
    if (st == ANNULUS_OK) st = charge(t, outer, y->count);
    if (st == ANNULUS_OK) st = carry_scales(node, x, outer, y);
    if (st == ANNULUS_OK) st = gather_compose(outer, &x->linear, x->count, &y->linear);
    if (st == ANNULUS_OK) st = charge(t, &y->linear, 0);
    linear_clear(outer);
    return st;
}

annulus_status onnx_tensor_apply(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, circuit_linear *outer,
                                 size_t rank, const size_t *dims, const char *op, onnx_tensor *y)
{
    onnx_tensor alike = {.name = x->name};
    annulus_status st = expression_check(node, x);
    const int mixed = st == ANNULUS_OK && mixes_scales(x, outer);
    if (mixed) st = onnx_tensor_copy(t, x, &alike);
    if (st == ANNULUS_OK && mixed) st = onnx_tensor_one_scale(node, &alike);
    if (st == ANNULUS_OK)
        st = apply(t, node, mixed ? &alike : x, outer, rank, dims, op, y);
    else
        linear_clear(outer);
    onnx_tensor_clear(&alike);
    return st;
}

annulus_status onnx_tensor_choose(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const uint32_t *from,
                                  size_t rank, const size_t *dims, onnx_tensor *y)
{
    circuit_linear choice = {0};
    size_t count = 1;
    for (size_t d = 0; d < rank; d++) count *= dims[d];
    TRY(gather_choice(from, count, 1, &choice));
    TRY(onnx_tensor_apply(t, node, x, &choice, rank, dims, "", y));
    y->stage = x->stage;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_join_sources(const onnx_net *t, onnx_tensor *y, onnx_tensor *x)
{
    void *p;
    TRY(mem_create(x->in, sizeof(uint32_t), "sources", &p));
    uint32_t *map = p;
    size_t at = 0;
    for (size_t k = 0; k < x->sources_count; k++) {
        size_t first = 0, m = 0;
        for (; m < y->sources_count && y->sources[m] != x->sources[k]; m++)
            first += network_source_values(t->n, y->sources[m]);
        const size_t count = network_source_values(t->n, x->sources[k]);
        if (m == y->sources_count) {
            y->sources[y->sources_count++] = x->sources[k];
            y->in += count;
        }
        for (size_t i = 0; i < count; i++) map[at++] = (uint32_t)(first + i);
    }
    gather_rename_inputs(&x->linear, map);
    mem_free(map);
    return ANNULUS_OK;
}

#define MOST_PARTS 4096u /* of a block; their weights together are at most four times what it lists */

/* part (places): which places have the same factors for all rows; *parts: how many there are. */
static annulus_status block_parts(const Onnx__NodeProto *node, const linear_block *b, const int32_t *by, uint32_t *part,
                                  size_t *parts)
{
    uint32_t first[MOST_PARTS];
    *parts = 0;
    for (size_t p = 0; p < b->places; p++) {
        size_t k = *parts;
        while (k-- > 0) {
            size_t r = 0;
            while (r < b->rows && by[b->to[p * b->rows + r]] == by[b->to[first[k] * b->rows + r]]) r++;
            if (r == b->rows) break;
        }
        part[p] = (uint32_t)(k < *parts ? k : *parts);
        if (k < *parts) continue;
        if (*parts == MOST_PARTS ||
            (*parts > 0 && (*parts + 1) * b->rows * b->taps > 4 * b->places * (b->rows + b->taps)))
            return onnx_node_fail(node, "too many different factors of values that are made alike: put a Quant in "
                                        "front");
        first[(*parts)++] = (uint32_t)p;
    }
    return ANNULUS_OK;
}

/* out <- the places of part k of b. */
static annulus_status block_part(const linear_block *b, const uint32_t *part, size_t k, linear_block *out)
{
    size_t places = 0;
    for (size_t p = 0; p < b->places; p++) places += part[p] == k;
    TRY(linear_block_create(b->rows, b->taps, places, out));
    memcpy(out->W, b->W, b->rows * b->taps * sizeof *b->W);
    places = 0;
    for (size_t p = 0; p < b->places; p++) {
        if (part[p] != k) continue;
        memcpy(out->from + places * b->taps, b->from + p * b->taps, b->taps * sizeof *b->from);
        memcpy(out->to + places * b->rows, b->to + p * b->rows, b->rows * sizeof *b->to);
        places++;
    }
    return ANNULUS_OK;
}

/* Blocks of l that have one factor for each row: those that have not are cut into parts. */
static annulus_status split_blocks(const Onnx__NodeProto *node, circuit_linear *l, const int32_t *by)
{
    size_t most = 0, all = 0, parts, at = 0;
    circuit_linear out = {0};
    void *part;
    for (size_t k = 0; k < l->blocks_count; k++) most = l->blocks[k].places > most ? l->blocks[k].places : most;
    TRY(mem_create(most, sizeof(uint32_t), "factors", &part));
    annulus_status st = ANNULUS_OK;
    for (size_t k = 0; st == ANNULUS_OK && k < l->blocks_count; k++, all += parts)
        st = block_parts(node, &l->blocks[k], by, part, &parts);
    const int split = st == ANNULUS_OK && all > l->blocks_count;
    if (split && all > LINEAR_MAX_BLOCKS)
        st = onnx_node_fail(node, "values that are made alike have too many factors: put a Quant in front");
    if (split && st == ANNULUS_OK) st = linear_create(all, &out);
    for (size_t k = 0; split && st == ANNULUS_OK && k < l->blocks_count; k++) {
        st = block_parts(node, &l->blocks[k], by, part, &parts);
        for (size_t i = 0; st == ANNULUS_OK && i < parts; i++)
            st = block_part(&l->blocks[k], part, i, &out.blocks[at++]);
    }
    if (split && st == ANNULUS_OK) linear_clear(l), *l = out;
    if (st != ANNULUS_OK) linear_clear(&out);
    mem_free(part);
    return st;
}

/* Values that are 0 now have the scale of the first that is not, so that no sum has two on their account. */
static void even_scales(onnx_tensor *x, const int32_t *by)
{
    size_t first = 0;
    while (first < x->count && by[first] == 0) first++;
    for (size_t o = 0; o < x->count && first < x->count; o++)
        if (by[o] == 0) x->scale[o] = x->scale[first];
}

annulus_status onnx_tensor_multiply(const Onnx__NodeProto *node, onnx_tensor *x, const int32_t *by)
{
    TRY(split_blocks(node, &x->linear, by));
    for (size_t o = 0; o < x->count; o++) {
        const double ends[] = {by[o] * x->lo[o], by[o] * x->hi[o]};
        x->lo[o] = ends[by[o] < 0];
        x->hi[o] = ends[by[o] >= 0];
    }
    for (size_t k = 0; k < x->linear.blocks_count; k++) {
        const linear_block *b = &x->linear.blocks[k];
        for (size_t i = 0; i < b->rows * b->taps; i++) {
            const int64_t w = (int64_t)b->W[i] * by[b->to[i / b->taps]];
            if (w < -LINEAR_MAX_WEIGHT || w > LINEAR_MAX_WEIGHT)
                return onnx_node_fail(node, "a weight becomes %lld, at most %d are possible: put a Quant in front",
                                      (long long)w, LINEAR_MAX_WEIGHT);
            b->W[i] = (int32_t)w;
        }
    }
    even_scales(x, by);
    return ANNULUS_OK;
}

int onnx_tensor_takes(const onnx_tensor *x, const onnx_constant *k)
{
    int fits = k->rank <= x->rank + 1;
    for (size_t d = 0; d < k->rank && fits; d++) { /* from the last dimension on */
        const size_t size = k->dims[k->rank - 1 - d];
        fits = size == 1 || (d < x->rank && size == x->dims[x->rank - 1 - d]);
    }
    return fits;
}

annulus_status onnx_tensor_broadcast(const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_constant *k)
{
    if (onnx_tensor_takes(x, k)) return ANNULUS_OK;
    return onnx_node_fail(node, "a constant of %zu values does not fit the shape of %zu values", k->count, x->count);
}

void onnx_tensor_widen(const onnx_constant *k, size_t rank, size_t *dims)
{
    for (size_t d = 0; d < rank && d < k->rank; d++) { /* from the last dimension on */
        const size_t own = k->dims[k->rank - 1 - d];
        if (dims[rank - 1 - d] == 1 && own > 0) dims[rank - 1 - d] = own;
    }
}

size_t onnx_tensor_index(const onnx_tensor *x, const onnx_constant *k, size_t o)
{
    size_t index = 0, stride = 1;
    for (size_t d = 0; d < k->rank && d < x->rank; d++) {
        const size_t size = x->dims[x->rank - 1 - d], own = k->dims[k->rank - 1 - d];
        if (own != 1) index += o % size * stride;
        o /= size;
        stride *= own;
    }
    return index;
}
