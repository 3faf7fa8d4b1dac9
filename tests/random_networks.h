/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of random shapes and operations: convolutions, sums of windows, dense layers, residual additions,
 * concatenations, two linear operations in a row, and of pairs of values the larger, products and comparisons; and toy
 * keys, whose noise no look-up of their circuits can notice (below 2^-60 each). */
#ifndef TESTS_RANDOM_NETWORKS_H
#define TESTS_RANDOM_NETWORKS_H

#include "nn_fixture.h"

#include "base/memory.h"
#include "circuit/circuit_text.h"
#include "nn/gather.h"
#include "roles.h"
#include <math.h>
#include <string.h>

#define GRAPH_TENSORS 8u
#define GRAPH_SAMPLES 4u
#define GRAPH_WAVE 1
#define GRAPH_OTHER 2

/* Values of a source as (channels, height, width). */
typedef struct graph_tensor {
    size_t c, size[2];
    int used;
} graph_tensor;

typedef struct graph {
    uint64_t *seed;
    network *n;
    graph_tensor of[GRAPH_TENSORS]; /* of each source */
    size_t layers, hidden;
    unsigned char taken[GRAPH_TENSORS]; /* of each source, GRAPH_WAVE: by waves, GRAPH_OTHER: by others */
} graph;

static inline size_t graph_below(graph *g, size_t most) /* 0 to most - 1 */
{
    return (size_t)(test_random(g->seed) % most);
}

static inline size_t graph_values(const graph_tensor *t)
{
    return t->c * t->size[0] * t->size[1];
}

static inline void graph_weights(graph *g, int32_t *W, size_t count)
{
    const int32_t most = 1 + (int32_t)graph_below(g, 2);
    for (size_t i = 0; i < count; i++) W[i] = (int32_t)graph_below(g, (size_t)(2 * most + 1)) - most;
}

/* Windows over a tensor; `same`: as many as it has values in a channel. */
static inline gather_windows graph_windows(graph *g, const graph_tensor *t, int same)
{
    for (;;) {
        gather_windows w = {.channels = t->c, .size = {t->size[0], t->size[1]}};
        size_t count[2];
        for (size_t d = 0; d < 2; d++) {
            w.kernel[d] = t->size[d] == 1 ? 1 : same ? 1 + 2 * graph_below(g, 2) : 1 + graph_below(g, 3);
            w.stride[d] = same ? 1 : 1 + graph_below(g, 2);
            w.dilation[d] = same ? 1 : 1 + graph_below(g, 2);
            w.pad[d] = same ? w.kernel[d] / 2 : t->size[d] == 1 ? 0 : graph_below(g, 2);
            w.pad[d + 2] = same ? w.kernel[d] / 2 : t->size[d] == 1 ? 0 : graph_below(g, 2);
        }
        if (gather_count(&w, count) == ANNULUS_OK) return w;
    }
}

/* A convolution of t into `rows` channels (0: some); out is its shape. */
static inline circuit_linear graph_convolution(graph *g, const graph_tensor *t, size_t rows, int same,
                                               graph_tensor *out)
{
    const gather_windows w = graph_windows(g, t, same);
    const size_t groups = t->c > 1 && rows == 0 && graph_below(g, 3) == 0 ? t->c : 1;
    const size_t R = rows != 0 ? rows : groups * (1 + graph_below(g, 2));
    const size_t taps = t->c / groups * w.kernel[0] * w.kernel[1];
    int32_t *W = malloc(R * taps * sizeof *W);
    circuit_linear l = {0};
    *out = (graph_tensor){.c = R};
    graph_weights(g, W, R * taps);
    assert_ok(gather_count(&w, out->size));
    assert_ok(gather_convolution(&w, W, R, groups, &l));
    free(W);
    return l;
}

static inline circuit_linear graph_sums(graph *g, const graph_tensor *t, graph_tensor *out)
{
    const gather_windows w = graph_windows(g, t, 0);
    circuit_linear l = {0};
    *out = (graph_tensor){.c = t->c};
    assert_ok(gather_count(&w, out->size));
    assert_ok(gather_sums(&w, &l));
    return l;
}

/* All values of a tensor from input `first` on, times a weight. */
static inline circuit_linear graph_copy(const graph_tensor *t, size_t first, int32_t weight)
{
    const size_t count = graph_values(t);
    uint32_t *from = malloc(count * sizeof *from);
    circuit_linear l = {0};
    for (size_t i = 0; i < count; i++) from[i] = (uint32_t)(first + i);
    assert_ok(gather_choice(from, count, weight, &l));
    free(from);
    return l;
}

/* The next layer: sources, linear part (taken over), shape of its values. */
static inline void graph_layer(graph *g, const uint32_t *sources, size_t count, circuit_linear *l, graph_tensor shape,
                               int last)
{
    dense_layer *d = &g->n->layers[g->layers++];
    size_t in = 0, taps = 0;
    for (size_t k = 0; k < count; k++) in += graph_values(&g->of[sources[k]]), g->of[sources[k]].used = 1;
    for (size_t k = 0; k < l->blocks_count; k++) taps += l->blocks[k].taps;
    const size_t out = graph_values(&shape), positions = out / shape.c;
    assert_ok(gathered_layer_create(in, out, l, d));
    d->sources_count = count;
    memcpy(d->sources, sources, count * sizeof *sources);
    d->act = last ? ACTIVATION_IDENTITY : (activation)graph_below(g, 4);
    if (!last)
        d->out_q = (quantizer){.scale = graph_below(g, 2) ? 0.5 : 0.25,
                               .bits = 2,
                               .is_signed = d->act == ACTIVATION_IDENTITY || d->act == ACTIVATION_TANH};
    for (size_t o = 0; o < out; o++) {
        const size_t k = o / positions;
        d->channel[o] = (uint32_t)k;
        d->w_scale[o] = o % positions > 0 ? d->w_scale[o - 1] : (0.3 + test_unit(g->seed)) / sqrt((double)taps);
        d->bias[o] = o % positions > 0 ? d->bias[o - 1] : test_unit(g->seed) - 0.4;
    }
    shape.used = 0;
    if (!last) g->of[g->layers] = shape;
}

static inline const quantizer *graph_quantizer(const graph *g, uint32_t source)
{
    return source == 0 ? &g->n->input : &g->n->layers[source - 1].out_q;
}

/* Values of t from input `first` on, number `turn` further on, around its end. */
static inline circuit_linear graph_turned(const graph_tensor *t, size_t turn, int32_t weight)
{
    const size_t count = graph_values(t);
    uint32_t *from = malloc(count * sizeof *from);
    circuit_linear l = {0};
    for (size_t i = 0; i < count; i++) from[i] = (uint32_t)((i + turn) % count);
    assert_ok(gather_choice(from, count, weight, &l));
    free(from);
    return l;
}

static inline circuit_linear graph_both(circuit_linear a, circuit_linear b)
{
    circuit_linear both = {0};
    assert_ok(gather_join(&a, &b, &both));
    return both;
}

/* The layer just made looks up act(u + bias) of one channel, u its plain sums, quantized exactly by q. */
static inline void graph_exact(graph *g, activation act, double bias, quantizer q)
{
    dense_layer *d = &g->n->layers[g->layers - 1];
    d->act = act;
    d->out_q = q;
    d->proven = act != ACTIVATION_STEP;
    for (size_t o = 0; o < d->out; o++) d->channel[o] = 0, d->w_scale[o] = 1, d->bias[o] = bias;
}

/* Of each value of source a and another one: 0: which is larger, 1: whether they are equal, 2: the larger one,
 * 3: their product. The last two take a second layer, which quantizes them anew. */
static inline void graph_pairs(graph *g, uint32_t a, size_t kind)
{
    const graph_tensor t = g->of[a];
    const quantizer q = *graph_quantizer(g, a);
    const size_t count = graph_values(&t), turn = 1 + graph_below(g, count - 1);
    const quantizer flag = {.scale = q.bits == 1 ? 0.5 : 1, .bits = 1};
    int32_t lo, hi;
    quantizer_range(&q, &lo, &hi);
    circuit_linear l = graph_both(graph_turned(&t, 0, 1), graph_turned(&t, turn, -1));
    if (kind == 3) { /* sums, and behind them differences */
        circuit_linear sums = graph_both(graph_turned(&t, 0, 1), graph_turned(&t, turn, 1));
        uint32_t *behind = malloc(count * sizeof *behind);
        for (size_t i = 0; i < count; i++) behind[i] = (uint32_t)(count + i);
        gather_rename_outputs(&l, behind);
        free(behind);
        l = graph_both(sums, l);
    }
    const graph_tensor pairs = {.c = t.c * (kind == 3 ? 2 : 1), .size = {t.size[0], t.size[1]}};
    graph_layer(g, &a, 1, &l, pairs, 0);
    const uint32_t made = (uint32_t)g->layers, sources[] = {a, made};
    if (kind == 0) graph_exact(g, ACTIVATION_STEP, graph_below(g, 2) ? q.scale / 2 : -q.scale / 2, flag);
    if (kind == 1) {
        graph_exact(g, ACTIVATION_NEAR_ZERO, 0, flag);
        for (size_t o = 0; o < count; o++) g->n->layers[made - 1].w_scale[o] = 1 / q.scale;
    }
    if (kind == 2) graph_exact(g, ACTIVATION_RELU, 0, (quantizer){.scale = q.scale, .bits = q.bits});
    if (kind == 3) graph_exact(g, ACTIVATION_QUADRATIC, 0, (quantizer){.scale = 4 * q.scale * q.scale, .bits = 5});
    if (kind < 2) return;
    l = kind == 2 ? graph_both(graph_turned(&t, turn, 1), graph_copy(&t, count, 1))
                  : graph_both(graph_copy(&t, 0, 1), graph_copy(&t, count, -1));
    graph_layer(g, kind == 2 ? sources : sources + 1, kind == 2 ? 2 : 1, &l, t, 0);
    if (kind == 3) return;
    void *bound;
    assert_ok(mem_create(2 * count, sizeof(double), "bounds", &bound));
    for (size_t o = 0; o < count; o++) ((double *)bound)[o] = lo * q.scale, ((double *)bound)[count + o] = hi * q.scale;
    g->n->layers[g->layers - 1].bound = bound;
}

static inline void graph_step(graph *g)
{
    const uint32_t newest = (uint32_t)g->layers, a = graph_below(g, 3) ? newest : (uint32_t)graph_below(g, newest + 1u);
    const graph_tensor *t = &g->of[a];
    graph_tensor shape = {0}, middle;
    circuit_linear l = {0}, m = {0}, both = {0};
    uint32_t b = (uint32_t)graph_below(g, newest + 1u);
    for (uint32_t k = 0; k <= newest; k++) /* another of the same shape, if there is */
        if (k != a && memcmp(g->of[k].size, t->size, sizeof t->size) == 0) b = k;
    const int alike = b != a && memcmp(g->of[b].size, t->size, sizeof t->size) == 0;
    const uint32_t sources[] = {a, b};
    if (graph_below(g, 3) == 0 && graph_values(t) > 1) {
        graph_pairs(g, a, graph_below(g, g->layers + 2 <= g->hidden ? 4 : 2));
        return;
    }
    switch (graph_below(g, 6)) {
    case 0:
        l = graph_sums(g, t, &shape);
        break;
    case 1: /* a convolution of sums */
        l = graph_sums(g, t, &middle);
        m = graph_convolution(g, &middle, 0, 0, &shape);
        assert_ok(gather_compose(&m, &l, graph_values(&middle), &both));
        linear_clear(&l), linear_clear(&m);
        l = both;
        break;
    case 2: /* residual: of another tensor or of the same */
        if (alike) {
            l = graph_convolution(g, t, g->of[b].c, 1, &shape);
            m = graph_copy(&g->of[b], graph_values(t), 1 + (int32_t)graph_below(g, 2));
        } else {
            l = graph_convolution(g, t, t->c, 1, &shape);
            m = graph_copy(t, 0, -1);
        }
        assert_ok(gather_join(&l, &m, &both));
        graph_layer(g, sources, alike ? 2 : 1, &both, shape, 0);
        return;
    case 3: /* concatenation of channels */
        if (alike) {
            const graph_tensor wide = {.c = t->c + g->of[b].c, .size = {t->size[0], t->size[1]}};
            l = graph_convolution(g, &wide, 0, 0, &shape);
            graph_layer(g, sources, 2, &l, shape, 0);
            return;
        }
        l = graph_convolution(g, t, 0, 0, &shape);
        break;
    default:
        l = graph_convolution(g, t, 0, 0, &shape);
    }
    graph_layer(g, &a, 1, &l, shape, 0);
}

/* Inputs and room for `hidden` layers and the scores. */
static inline graph graph_begin(uint64_t *seed, size_t hidden)
{
    graph g = {.seed = seed, .hidden = hidden};
    g.of[0] = (graph_tensor){.c = 1 + graph_below(&g, 2), .size = {1 + graph_below(&g, 4), 2 + graph_below(&g, 3)}};
    assert_ok(network_create(graph_values(&g.of[0]), hidden + 1, &g.n));
    g.n->input = (quantizer){.scale = 0.5, .bits = 2};
    return g;
}

/* The last layer is dense over all values that no other layer takes. */
static inline network *graph_end(graph *g)
{
    uint32_t sources[GRAPH_TENSORS];
    size_t count = 0, in = 0;
    for (uint32_t k = 1; k <= g->hidden; k++)
        if (!g->of[k].used) sources[count++] = k, in += graph_values(&g->of[k]);
    int32_t *W = malloc(3 * in * sizeof *W);
    circuit_linear l = {0};
    graph_weights(g, W, 3 * in);
    assert_ok(linear_dense(W, 3, in, &l));
    free(W);
    graph_layer(g, sources, count, &l, (graph_tensor){.c = 3, .size = {1, 1}}, 1);
    assert_ok(network_set_labels(g->n, NULL, 3));
    assert_ok(network_check(g->n));
    return g->n;
}

/* 2 to 6 layers. */
static inline network *random_graph(uint64_t *seed)
{
    graph first = {.seed = seed};
    graph g = graph_begin(seed, 1 + graph_below(&first, 5));
    while (g.layers < g.hidden) graph_step(&g);
    return graph_end(&g);
}

/* Plain activations of hidden layers become functions with constants of each channel's own, a slope below 0 and a term.
 * Returns of how many. */
static inline size_t network_vary(uint64_t *seed, network *n)
{
    size_t varied = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++) {
        dense_layer *d = &n->layers[i];
        void *p;
        if (d->act > ACTIVATION_TANH || d->proven) continue;
        assert_ok(mem_create(2 * d->out, sizeof(double), "constants", &p));
        d->vary = p;
        d->act = ACTIVATION_FUNCTION;
        d->own = (function){.vary = 2};
        const function_operand slope = {.varies = 1, .value = 1}, term = {.varies = 1};
        (void)function_append(&d->own, FUNCTION_PRELU, function_value(0), slope, function_constant(0));
        (void)function_append(&d->own, FUNCTION_ADD, function_value(1), term, function_constant(0));
        for (size_t o = 0; o < d->out; o++) {
            size_t first = 0;
            while (d->channel == NULL ? first < o : d->channel[first] != d->channel[o]) first++;
            d->vary[o] = first < o ? d->vary[first] : test_unit(seed) - 0.3;
            d->vary[d->out + o] = first < o ? d->vary[d->out + first] : 1.5 * test_unit(seed) - 0.5;
        }
        varied++;
    }
    return varied;
}

/* Keys that are fast and secure nothing: 16 key bits, steps of which there are 16 a unit of every accumulator; N: of
 * the ring. */
static inline void toy_parameters_of(circuit *c, uint32_t N)
{
    c->choice.families = (tfhe_families){.count = 1,
                                         .of = {{.n = 16,
                                                 .k = 1,
                                                 .N = N,
                                                 .pbs_l = 3,
                                                 .pbs_lb = 3,
                                                 .pbs_bg = 15,
                                                 .ks_l = 6,
                                                 .ks_b = 5,
                                                 .lwe_noise = 0,
                                                 .glwe_noise = 8,
                                                 .pbs_group = 1}}};
    for (size_t i = 0; i < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        l->family = l->price = l->EF = 0;
        if (l->cells == 0) continue;
        l->EF = 1;
        while (l->EF * N >> l->slot_bits < 8 * circuit_window(l)) l->EF *= 2;
        assert_true(l->EF <= TFHE_MAX_EF);
    }
}

static inline void toy_parameters(circuit *c)
{
    toy_parameters_of(c, 1024);
}

static inline void toy_encrypted(const circuit *c, const int32_t *q, size_t count, double *out)
{
    roles r;
    roles_create(&r, c);
    for (size_t i = 0; i < count; i++) run_encrypted(&r, c, q + i * c->input.features, out + i * circuit_last(c)->out);
    roles_destroy(&r);
}

/* The circuit as its file says, which is checked on reading. */
static inline circuit *graph_reread(circuit *c)
{
    circuit *back = NULL;
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "random circuit"};
    assert_ok(circuit_read(&r, &back));
    assert_ok(read_end(&r));
    assert_memory_equal(c->digest, back->digest, sizeof c->digest);
    writer_clear(&w);
    circuit_destroy(c);
    return back;
}

/* The circuit as text; free() it. */
static inline char *printed(const circuit *c)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    circuit_print(f, c);
    assert_int_equal(fclose(f), 0);
    return text;
}
#endif
