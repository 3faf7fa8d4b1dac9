/* SPDX-License-Identifier: Apache-2.0 */
/* The largest or smallest of values on one grid: max(a, b) = b + relu(a - b), a layer of look-ups for each level of the
 * trees (nn/pair_tree.h). */
#include "nn/pair_tree.h"
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Trees on the values of x, and what is known of their nodes. */
typedef struct extreme {
    onnx_net *t;
    const Onnx__NodeProto *node;
    const onnx_tensor *x;
    const pair_tree *tree;
    int32_t sign;                             /* 1: the largest, -1: the smallest */
    onnx_tensor look_ups[NETWORK_MAX_LAYERS]; /* of each level, until now */
    uint32_t *at;                             /* (steps) number of a step in its level */
    double *least, *most;                     /* (nodes) real */
} extreme;

static annulus_status bounds_find(extreme *e)
{
    const size_t values = e->tree->values, nodes = values + e->tree->steps_count;
    uint32_t count[NETWORK_MAX_LAYERS + 1] = {0};
    void *p;
    if (e->tree->levels >= NETWORK_MAX_LAYERS)
        return onnx_node_fail(e->node, "more than %u layers of look-ups are not supported", NETWORK_MAX_LAYERS - 1);
    TRY(mem_create(nodes, 2 * sizeof(double) + sizeof(uint32_t), "the largest of values", &p));
    e->least = p;
    e->most = e->least + nodes;
    e->at = (uint32_t *)(e->most + nodes);
    for (size_t o = 0; o < values; o++) {
        e->least[o] = onnx_tensor_least(e->x, o);
        e->most[o] = onnx_tensor_most(e->x, o);
    }
    for (size_t i = 0; i < e->tree->steps_count; i++) {
        const pair_step *s = &e->tree->steps[i];
        const double ends[] = {e->least[s->kept], e->least[s->other], e->most[s->kept], e->most[s->other]};
        e->least[values + i] = e->sign > 0 ? fmax(ends[0], ends[1]) : fmin(ends[0], ends[1]);
        e->most[values + i] = e->sign > 0 ? fmax(ends[2], ends[3]) : fmin(ends[2], ends[3]);
        e->at[i] = count[s->level]++;
    }
    return ANNULUS_OK;
}

/* The look-up that node has at a level, in its numbers there; LINEAR_NOTHING: none. */
static uint32_t look_up_of(const extreme *e, uint32_t node, uint32_t level)
{
    const pair_tree *t = e->tree;
    while (pair_tree_level(t, node) > level) node = t->steps[node - t->values].kept;
    return node >= t->values && pair_tree_level(t, node) == level ? e->at[node - t->values] : LINEAR_NOTHING;
}

/* y <- y + sign * the look-ups of one level that its nodes have; from: room (count). */
static annulus_status add_level(const extreme *e, const uint32_t *nodes, uint32_t level, uint32_t *from, onnx_tensor *y)
{
    onnx_tensor part = {.name = y->name};
    int any = 0;
    for (size_t o = 0; o < y->count; o++) {
        from[o] = look_up_of(e, nodes[o], level);
        any |= from[o] != LINEAR_NOTHING;
    }
    if (!any) return ANNULUS_OK;
    annulus_status st = onnx_tensor_choose(e->t, e->node, &e->look_ups[level - 1], from, 1, &y->count, &part);
    for (size_t o = 0; st == ANNULUS_OK && o < y->count; o++)
        if (from[o] == LINEAR_NOTHING) part.scale[o] = y->scale[o];
    if (st == ANNULUS_OK) st = onnx_tensor_add(e->t, e->node, e->sign, y, &part);
    onnx_tensor_clear(&part);
    return st;
}

/* y (count) <- the values of nodes whose levels are looked up. */
static annulus_status nodes_values(const extreme *e, const uint32_t *nodes, size_t count, onnx_tensor *y)
{
    void *p;
    uint32_t levels = 0;
    TRY(mem_create(count, sizeof(uint32_t), "values", &p));
    uint32_t *from = p;
    for (size_t o = 0; o < count; o++) {
        const uint32_t level = pair_tree_level(e->tree, nodes[o]);
        levels = level > levels ? level : levels;
        from[o] = pair_tree_leaf(e->tree, nodes[o]);
    }
    annulus_status st = onnx_tensor_choose(e->t, e->node, e->x, from, 1, &count, y);
    for (uint32_t l = 1; st == ANNULUS_OK && l <= levels; l++) st = add_level(e, nodes, l, from, y);
    for (size_t o = 0; st == ANNULUS_OK && o < count; o++)
        onnx_tensor_bound(y, o, e->least[nodes[o]], e->most[nodes[o]]);
    mem_free(p);
    return st;
}

/* The look-ups of the steps of one level: relu(other - kept), of the smallest relu(kept - other). */
static annulus_status level_look_ups(extreme *e, uint32_t level, const char *name)
{
    const pair_tree *t = e->tree;
    onnx_tensor first = {.name = name}, second = {.name = name};
    size_t count = 0;
    void *p;
    TRY(mem_create(t->steps_count, 2 * sizeof(uint32_t), "steps", &p));
    uint32_t *a = p, *b = a + t->steps_count;
    for (size_t i = 0; i < t->steps_count; i++) {
        if (t->steps[i].level != level) continue;
        a[count] = e->sign > 0 ? t->steps[i].other : t->steps[i].kept;
        b[count++] = e->sign > 0 ? t->steps[i].kept : t->steps[i].other;
    }
    annulus_status st = nodes_values(e, a, count, &first);
    if (st == ANNULUS_OK) st = nodes_values(e, b, count, &second);
    if (st == ANNULUS_OK) st = onnx_tensor_add(e->t, e->node, -1, &first, &second);
    e->look_ups[level - 1].name = name;
    if (st == ANNULUS_OK) st = onnx_tensor_positive(e->t, e->node, &first, "max", &e->look_ups[level - 1]);
    onnx_tensor_clear(&first);
    onnx_tensor_clear(&second);
    mem_free(p);
    return st;
}

/* y (rank, dims) <- the nodes of trees on the values of x. */
static annulus_status trees_apply(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const pair_tree *tree,
                                  const uint32_t *nodes, int32_t sign, size_t rank, const size_t *dims, onnx_tensor *y)
{
    extreme e = {.t = t, .node = node, .x = x, .tree = tree, .sign = sign};
    size_t count = 1;
    for (size_t d = 0; d < rank; d++) count *= dims[d];
    annulus_status st = bounds_find(&e);
    for (uint32_t l = 1; st == ANNULUS_OK && l <= tree->levels; l++) st = level_look_ups(&e, l, y->name);
    if (st == ANNULUS_OK) st = nodes_values(&e, nodes, count, y);
    for (uint32_t l = 0; l < NETWORK_MAX_LAYERS; l++) onnx_tensor_clear(&e.look_ups[l]);
    mem_free(e.least);
    if (st != ANNULUS_OK) return st;
    y->rank = rank;
    memcpy(y->dims, dims, rank * sizeof *dims);
    y->op[0] = 0;
    return ANNULUS_OK;
}

/* ---- windows ---------------------------------------------------------------------------------------------------- */

/* Where the windows of one dimension have their values. */
typedef struct span {
    size_t size, kernel, stride, dilation, pad, count;
} span;

static span span_of(const gather_windows *g, const size_t count[2], size_t d)
{
    return (span){g->size[d], g->kernel[d], g->stride[d], g->dilation[d], g->pad[d], count[d]};
}

/* Tap k of window w; s->size: in the padding. */
static size_t span_at(const span *s, size_t w, size_t k)
{
    const size_t at = w * s->stride + k * s->dilation;
    return at < s->pad || at - s->pad >= s->size ? s->size : at - s->pad;
}

/* Node of the largest value of window w of s; value i of that dimension is node of[i*step]. */
static annulus_status window_join(pair_tree *t, const Onnx__NodeProto *node, const span *s, size_t w,
                                  const uint32_t *of, size_t step, uint32_t *room, uint32_t *out)
{
    uint32_t *nodes = room, *at = room + s->kernel;
    size_t count = 0;
    for (size_t k = 0; k < s->kernel; k++) {
        const size_t i = span_at(s, w, k);
        if (i == s->size) continue;
        nodes[count] = of[i * step];
        at[count++] = (uint32_t)(i / s->dilation);
    }
    if (count == 0) return onnx_node_fail(node, "a window lies in the padding alone");
    return pair_tree_join(t, nodes, at, count, out);
}

/* The windows of one channel, whose values are nodes of[0 ...]: first along dimension d, where the other needs it, then
 * along the other. middle: room (size of the other dimension, count of d); out (count[0], count[1]). */
static annulus_status channel_join(pair_tree *t, const Onnx__NodeProto *node, const gather_windows *g,
                                   const size_t count[2], size_t d, const uint32_t *of, uint32_t *middle,
                                   uint32_t *room, uint32_t *out)
{
    const span along = span_of(g, count, d), across = span_of(g, count, 1 - d);
    const size_t step = d == 1 ? 1 : g->size[1], next = d == 1 ? g->size[1] : 1;
    for (size_t i = 0; i < across.size; i++) {
        int used = 0;
        for (size_t w = 0; w < across.count && !used; w++)
            for (size_t k = 0; k < across.kernel && !used; k++) used = span_at(&across, w, k) == i;
        for (size_t w = 0; used && w < along.count; w++)
            TRY(window_join(t, node, &along, w, of + i * next, step, room, &middle[i * along.count + w]));
    }
    for (size_t w = 0; w < along.count; w++)
        for (size_t v = 0; v < across.count; v++) {
            uint32_t *o = d == 1 ? &out[v * count[1] + w] : &out[w * count[1] + v];
            TRY(window_join(t, node, &across, v, middle + w, along.count, room, o));
        }
    return ANNULUS_OK;
}

/* All windows, along dimension d first; nodes (channels, count[0], count[1]). */
static annulus_status windows_join(pair_tree *t, const Onnx__NodeProto *node, const gather_windows *g,
                                   const size_t count[2], size_t d, uint32_t *nodes)
{
    const size_t each = g->size[0] * g->size[1], most = g->kernel[0] > g->kernel[1] ? g->kernel[0] : g->kernel[1];
    void *p;
    TRY(mem_create(each + g->size[1 - d] * count[d] + 2 * most, sizeof(uint32_t), "windows", &p));
    uint32_t *of = p, *middle = of + each, *room = middle + g->size[1 - d] * count[d];
    annulus_status st = ANNULUS_OK;
    for (size_t c = 0; st == ANNULUS_OK && c < g->channels; c++) {
        for (size_t i = 0; i < each; i++) of[i] = (uint32_t)(c * each + i);
        st = channel_join(t, node, g, count, d, of, middle, room, nodes + c * count[0] * count[1]);
    }
    mem_free(p);
    return st;
}

annulus_status onnx_tensor_pool(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_tensor *pool,
                                onnx_tensor *y)
{
    const gather_windows *g = &pool->pool;
    pair_tree rows = {.values = x->count}, columns = {.values = x->count};
    size_t count[2];
    void *p;
    TRY(gather_count(g, count));
    const size_t outputs = g->channels * count[0] * count[1];
    TRY(onnx_node_at(node, gather_listed_check(outputs, g->kernel[0] + g->kernel[1], 1)));
    for (size_t d = 0; d < 2; d++)
        TRY(onnx_node_at(node, gather_listed_check(g->channels * g->size[1 - d] * count[d], g->kernel[d], 1)));
    TRY(mem_create(2 * outputs, sizeof(uint32_t), "windows", &p));
    uint32_t *by_rows = p, *by_columns = by_rows + outputs;
    annulus_status st = windows_join(&rows, node, g, count, 1, by_rows);
    if (st == ANNULUS_OK) st = windows_join(&columns, node, g, count, 0, by_columns);
    const int other = columns.steps_count < rows.steps_count;
    if (st == ANNULUS_OK)
        st = trees_apply(t, node, x, other ? &columns : &rows, other ? by_columns : by_rows, 1, pool->pool_rank,
                         pool->pool_dims, y);
    pair_tree_clear(&rows);
    pair_tree_clear(&columns);
    mem_free(p);
    return st;
}

#define DIRECT_CELLS 64 /* sums of at most so many values are compared as they are, others are quantized first */

/* Whether x has few enough values, on one grid, to be compared as it is. */
static int is_narrow(const onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x)
{
    double grid;
    if (x->stage == ONNX_QUANTIZED) return 1;
    if (x->stage != ONNX_LINEAR || onnx_tensor_grid(t, node, x, &grid) != ANNULUS_OK) return 0;
    for (size_t o = 0; o < x->count; o++)
        if (onnx_tensor_most(x, o) - onnx_tensor_least(x, o) > DIRECT_CELLS * grid) return 0;
    return 1;
}

annulus_status onnx_tensor_max_pool(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    onnx_tensor windows = {.pool_rank = x->rank};
    int flat = 0;
    size_t more[2];
    if (node->n_output > 1 && node->output[1][0] != 0)
        return onnx_node_fail(node, "indices are not supported: drop its second output");
    if (x->stage == ONNX_RAW)
        return onnx_node_fail(node, "its input is not quantized: put a Quant node in front of it");
    if (!onnx_tensor_rises(x))
        return onnx_node_fail(node, "its input is no rising function: put a Quant node in front of it");
    TRY(onnx_tensor_windows(t, node, x, &windows.pool, windows.pool_dims, &flat, more));
    if (flat) windows.pool_rank = 1;
    if (is_narrow(t, node, x)) return onnx_tensor_pool(t, node, x, &windows, y);
    TRY(onnx_tensor_copy(t, x, y));
    y->pool = windows.pool;
    y->pool_rank = windows.pool_rank;
    memcpy(y->pool_dims, windows.pool_dims, sizeof windows.pool_dims);
    return ANNULUS_OK;
}

/* ---- Max and Min ------------------------------------------------------------------------------------------------ */

/* Max or Min of all constants among the inputs, broadcast to y: k (y->count); *any 0: there is none. */
static annulus_status constants_read(const Onnx__NodeProto *node, const onnx_input *in, const onnx_tensor *y,
                                     int32_t sign, double *k, int *any)
{
    *any = 0;
    for (size_t i = 0; i < node->n_input; i++) {
        if (in[i].k == NULL) continue;
        TRY(onnx_tensor_broadcast(node, y, in[i].k));
        for (size_t o = 0; o < y->count; o++) {
            const double v = (double)in[i].k->f[onnx_tensor_index(y, in[i].k, o)];
            k[o] = !*any || sign * v > sign * k[o] ? v : k[o];
        }
        *any = 1;
    }
    return ANNULUS_OK;
}

/* y <- the larger (sign -1: smaller) of y and constants k: k + sign*relu(sign*(y - k)). */
static annulus_status with_constants(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, const double *k,
                                     onnx_tensor *y)
{
    onnx_tensor above = {.name = y->name};
    const size_t rank = y->rank;
    size_t dims[ONNX_RANK_MAX];
    void *p;
    memcpy(dims, y->dims, sizeof dims);
    TRY(mem_create(y->count, sizeof(int32_t), "signs", &p));
    for (size_t o = 0; o < y->count; o++) {
        y->bias[o] = sign * (y->bias[o] - k[o]);
        ((int32_t *)p)[o] = sign;
    }
    annulus_status st = onnx_tensor_multiply(node, y, p);
    if (st == ANNULUS_OK) st = onnx_tensor_positive(t, node, y, sign > 0 ? "max" : "min", &above);
    if (st == ANNULUS_OK) st = onnx_tensor_multiply(node, &above, p);
    for (size_t o = 0; st == ANNULUS_OK && o < above.count; o++) above.bias[o] = k[o];
    mem_free(p);
    onnx_tensor_clear(y);
    above.stage = ONNX_LINEAR;
    above.rank = rank;
    memcpy(above.dims, dims, sizeof dims);
    *y = above;
    return st;
}

#define INPUTS_MAX 8u

/* The largest (sign -1: smallest) of count parts of one shape, which are used up. */
static annulus_status parts_join(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *parts, size_t count,
                                 int32_t sign, size_t rank, const size_t *dims, onnx_tensor *y)
{
    const size_t each = parts[0].count;
    onnx_tensor all = {.name = y->name};
    pair_tree tree = {.values = count * each};
    void *p = NULL;
    annulus_status st = onnx_tensor_stack(t, parts, count, &all);
    if (st == ANNULUS_OK) st = mem_create(each, sizeof(uint32_t), "values", &p);
    for (size_t o = 0; st == ANNULUS_OK && o < each; o++) {
        uint32_t nodes[INPUTS_MAX], at[INPUTS_MAX];
        for (size_t k = 0; k < count; k++) nodes[k] = (uint32_t)(k * each + o), at[k] = (uint32_t)k;
        st = pair_tree_join(&tree, nodes, at, count, (uint32_t *)p + o);
    }
    if (st == ANNULUS_OK) st = trees_apply(t, node, &all, &tree, p, sign, rank, dims, y);
    onnx_tensor_clear(&all);
    pair_tree_clear(&tree);
    mem_free(p);
    return st;
}

/* y (dims) <- the largest (sign -1: smallest) of the tensors among the inputs. */
static annulus_status of_tensors(onnx_net *t, const Onnx__NodeProto *node, const onnx_input *in, int32_t sign,
                                 size_t rank, const size_t *dims, onnx_tensor *y)
{
    onnx_tensor parts[INPUTS_MAX] = {{0}};
    size_t count = 0;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < node->n_input; i++) {
        if (in[i].k != NULL) continue;
        parts[count].name = y->name;
        st = onnx_tensor_expand(t, node, in[i].x, rank, dims, &parts[count++]);
    }
    if (st == ANNULUS_OK) st = parts_join(t, node, parts, count, sign, rank, dims, y);
    for (size_t k = 0; k < count; k++) onnx_tensor_clear(&parts[k]);
    return st;
}

/* y <- relu(y), for a Quant to come, or the larger of y and k. */
static annulus_status above_constants(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, const double *k,
                                      onnx_tensor *y)
{
    int zero = sign > 0 && onnx_tensor_feeds_quants(t, node);
    for (size_t o = 0; o < y->count; o++) zero &= k[o] == 0;
    if (!zero) return with_constants(t, node, sign, k, y);
    y->stage = ONNX_ACTIVATED;
    y->act = ACTIVATION_RELU;
    y->amplitude = 1;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_max(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    const int32_t sign = node->op_type[1] == 'a' ? 1 : -1; /* Max or Min */
    onnx_input in[INPUTS_MAX] = {{0}};
    size_t tensors = 0, rank = 0, dims[ONNX_RANK_MAX];
    int any = 0;
    void *p;
    for (size_t i = 0; i < node->n_input; i++) {
        TRY(onnx_tensor_operand(t, node, i, &in[i]));
        tensors += in[i].k == NULL;
    }
    TRY(onnx_tensor_shape_of(node, in, node->n_input, &rank, dims));
    TRY(tensors == 1 ? onnx_tensor_expand(t, node, x, rank, dims, y) : of_tensors(t, node, in, sign, rank, dims, y));
    TRY(mem_create(y->count, sizeof(double), "constants", &p));
    annulus_status st = constants_read(node, in, y, sign, p, &any);
    if (st == ANNULUS_OK && any) st = above_constants(t, node, sign, p, y);
    mem_free(p);
    return st;
}
