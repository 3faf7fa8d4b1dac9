/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks of several kinds, each run four ways: as a network in real numbers, as a clear circuit, simulated,
 * and encrypted with toy keys. */
#ifndef TESTS_RANDOM_RUNS_H
#define TESTS_RANDOM_RUNS_H

#include "random_networks.h"

#include "nn/pair_tree.h"
#include "nn/top_1.h"
#include "wave_fixture.h"

/* Of three eighths of the seeds layers as random_graph has them; of an eighth each some or all waves, measured ranges,
 * answers that are the label alone, the largest of 3 or 4 values, and functions of each channel's own. */
typedef enum graph_kind {
    GRAPH_PLAIN,
    GRAPH_WAVES,
    GRAPH_MEASURED,
    GRAPH_LABEL,
    GRAPH_LARGEST,
    GRAPH_VARIED,
    GRAPH_KINDS
} graph_kind;

static inline graph_kind graph_kind_of(uint64_t seed)
{
    return seed % 8 < GRAPH_KINDS ? (graph_kind)(seed % 8) : GRAPH_PLAIN;
}

/* The layer just made is one of waves at J offsets, whose phases are in the middle of sixteenths of a period, where the
 * wave is even: all scales are 1/2, of weights multiples of 1/8. */
static inline void graph_wave(graph *g, size_t J)
{
    dense_layer *d = &g->n->layers[g->layers - 1];
    const double w_scale = (1 + 2 * (double)graph_below(g, 3)) / 8;
    const int is_signed = (int)graph_below(g, 2);
    d->act = ACTIVATION_WAVE;
    d->own = stairs();
    d->offsets = J;
    d->out_q = (quantizer){.scale = 0.5, .bits = is_signed ? 3 : 2, .is_signed = is_signed, .narrow = is_signed};
    d->own.steps[d->own.count] =
        (function_step){FUNCTION_MUL, {fixture_value(d->own.count), fixture_constant(is_signed ? 1.5 : 0.75)}};
    d->own.steps[5].in[1].constant = is_signed ? 0 : 1;
    d->own.count++;
    for (size_t o = 0; o < d->out; o++) {
        const uint32_t k = d->channel[o];
        d->w_scale[o] = w_scale;
        d->bias[o] = o > 0 && d->channel[o - 1] == k ? d->bias[o - 1] : (2 * (double)graph_below(g, 16) + 1) / 32;
    }
    g->of[g->layers].size[1] *= J;
}

/* Layers that take the same values are of waves, all or none. */
static inline void graph_wave_step(graph *g)
{
    const uint32_t newest = (uint32_t)g->layers, a = graph_below(g, 3) ? newest : (uint32_t)graph_below(g, newest + 1u);
    const graph_tensor *t = &g->of[a];
    graph_tensor shape = {0};
    uint32_t sources[] = {a, a};
    for (uint32_t k = 0; k <= newest && graph_below(g, 2); k++) /* another of the same shape, if there is */
        if (k != a && memcmp(g->of[k].size, t->size, sizeof t->size) == 0 && (g->taken[k] | g->taken[a]) != 3)
            sources[1] = k;
    const uint32_t b = sources[1];
    circuit_linear l = graph_convolution(g, t, b != a ? g->of[b].c : 0, b != a, &shape);
    if (b != a) l = graph_both(l, graph_copy(&g->of[b], graph_values(t), 1 + (int32_t)graph_below(g, 2)));
    const int taken = g->taken[a] | g->taken[b];
    const int wave = taken == 0 ? graph_below(g, 3) > 0 : taken == GRAPH_WAVE;
    g->taken[a] = g->taken[b] = wave ? GRAPH_WAVE : GRAPH_OTHER;
    graph_layer(g, sources, b != a ? 2 : 1, &l, shape, 0);
    g->n->layers[g->layers - 1].out_q.scale = 0.5;
    if (wave) graph_wave(g, graph_values(&shape) < 40 ? (size_t)1 << graph_below(g, 3) : 1);
}

/* W (in) += by * what a node of the tree over values is: one of them, and look-ups, which follow from `step` on. */
static inline void graph_node(const pair_tree *t, uint32_t node, size_t step, int32_t by, int32_t *W)
{
    for (; node >= t->values; node = t->steps[node - t->values].kept) W[step + node - t->values] += by;
    W[node] += by;
}

/* The largest of each `width` values of tensor a next to one another, in a layer for each level of a tree and one that
 * adds up what they give: `width` layers, of 3 or 4 values. */
static inline void graph_largest(graph *g, uint32_t a, size_t width)
{
    const graph_tensor of = g->of[a];
    const quantizer q = *graph_quantizer(g, a);
    const size_t count = graph_values(&of), windows = count - width + 1;
    pair_tree t = {.values = count};
    uint32_t out[64], sources[] = {a, (uint32_t)g->layers + 1, (uint32_t)g->layers + 2, (uint32_t)g->layers + 3};
    size_t place[64], made = 0, in = count;
    for (size_t w = 0; w < windows; w++) {
        uint32_t nodes[4], at[4];
        for (size_t k = 0; k < width; k++) nodes[k] = at[k] = (uint32_t)(w + k);
        assert_ok(pair_tree_join(&t, nodes, at, width, &out[w]));
    }
    const uint32_t last = t.levels + 1;
    assert_true(last == width && t.steps_count <= 64);
    /* look-ups stand level by level: place of each step's */
    for (uint32_t level = 1; level < last; level++)
        for (size_t i = 0; i < t.steps_count; i++)
            if (t.steps[i].level == level) place[i] = made++;
    const size_t room = count + t.steps_count;
    int32_t *W = calloc(room * room, sizeof *W), *row = calloc(room, sizeof *row);
    circuit_linear l = {0};
    for (uint32_t level = 1; level <= last; level++) {
        size_t rows = 0;
        for (size_t i = 0; i < (level < last ? t.steps_count : windows); i++) {
            if (level < last && t.steps[i].level != level) continue;
            memset(row, 0, room * sizeof *row);
            if (level < last) graph_node(&t, t.steps[i].other, count, 1, row);
            graph_node(&t, level < last ? t.steps[i].kept : out[i], count, level < last ? -1 : 1, row);
            for (size_t k = 0; k < in; k++) W[rows * in + k] = k < count ? row[k] : 0;
            for (size_t k = 0; k < t.steps_count; k++)
                if (row[count + k] != 0) W[rows * in + count + place[k]] = row[count + k];
            rows++;
        }
        assert_ok(linear_dense(W, rows, in, &l));
        graph_layer(g, sources, level, &l, (graph_tensor){.c = 1, .size = {1, rows}}, 0);
        if (level < last) graph_exact(g, ACTIVATION_RELU, 0, (quantizer){.scale = q.scale, .bits = q.bits});
        in += rows;
    }
    free(W), free(row);
    pair_tree_clear(&t);
}

static inline network *random_kind(uint64_t *seed, graph_kind kind)
{
    if (kind != GRAPH_WAVES && kind != GRAPH_LARGEST) return random_graph(seed);
    graph first = {.seed = seed};
    graph g = graph_begin(seed, kind == GRAPH_WAVES ? 2 + graph_below(&first, 3) : 4 + graph_below(&first, 2));
    while (kind == GRAPH_WAVES && g.layers < g.hidden) graph_wave_step(&g);
    while (g.layers < g.hidden) {
        const uint32_t a = (uint32_t)g.layers;
        const size_t count = graph_values(&g.of[a]), width = 3 + graph_below(&g, 2);
        if (g.layers + width <= g.hidden && count > width && count < 24 && (a > 0 || graph_below(&g, 2)))
            graph_largest(&g, a, width);
        else
            graph_step(&g);
    }
    return graph_end(&g);
}

typedef struct graph_result {
    int network, simulated, encrypted;       /* 1: as the clear circuit */
    size_t layers, look_ups, blocks, shared; /* shared: layers whose values several layers take */
    size_t pairs;                            /* layers of comparisons, products and tests for equal values */
    size_t slotted;                          /* layers of tables side by side */
    size_t largest;                          /* layers, but the last, of at least three sources, as trees have */
    size_t waves, rotations;                 /* torus-native layers of waves; of all look-ups */
    size_t varied;                           /* layers of functions of each channel's own */
    int measured, labels;                    /* 1: ranges are; answers are the label alone */
} graph_result;

static inline void graph_measure(const circuit *c, graph_result *r)
{
    r->layers = c->layers_count;
    r->look_ups = circuit_look_ups(c);
    r->rotations = circuit_rotations_before(c, c->layers_count);
    r->measured = c->ranges_measured;
    r->labels = c->task == CIRCUIT_TOP_1;
    for (size_t i = 0; i < c->layers_count; i++) {
        r->blocks += c->layers[i].linear.blocks_count;
        r->shared += circuit_first_use(c, i) != circuit_last_use(c, i);
        r->slotted += c->layers[i].slot_bits > 0;
        r->largest += i + 1 < c->layers_count && c->layers[i].sources_count > 2;
        r->waves += circuit_is_wave(&c->layers[i]) != 0;
        for (activation a = ACTIVATION_STEP; a <= ACTIVATION_NEAR_ZERO; a++)
            r->pairs += strcmp(c->layers[i].activation, activation_name(a)) == 0;
    }
}

/* As o says; ranges are proven where a layer is constant on the samples, scores of many values rounded. */
static inline circuit *graph_lowered(const network *n, const float *x, size_t count, lower_options *o)
{
    circuit *c = NULL;
    if (network_lower(n, x, count, o, &c) == ANNULUS_OK) return c;
    o->ranges_measured = 0;
    if (network_lower(n, x, count, o, &c) == ANNULUS_OK) return c;
    o->rounding_bits = 10;
    assert_ok(network_lower(n, x, count, o, &c));
    return c;
}

/* Without rounding the circuit must be the network; with it the three runs of the circuit agree. Of a third of the
 * seeds look-ups share rotations side by side alone. */
static inline graph_result graph_run(uint64_t seed)
{
    const graph_kind kind = graph_kind_of(seed);
    const unsigned ways = seed % 3 == 0 ? 1u << SHARE_SLOTS : LOWER_SHARE_ANY;
    network *n = random_kind(&seed, kind), *labels = NULL;
    const size_t all = 40;
    const size_t varied = kind == GRAPH_VARIED ? network_vary(&seed, n) : 0;
    float *x = random_inputs(&seed, all, n->inputs);
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = kind == GRAPH_MEASURED, o.log2_error = -1, o.families_most = 1, o.share_ways = ways;
    if (kind == GRAPH_VARIED) o.wrap_clamps = 1, o.phase_noise = 0x1p-5; /* none of them becomes a wave */
    o.rounding_bits = test_random(&seed) % 3 == 0 ? 4 : 0;
    o.method = test_random(&seed) % 2 == 0 ? ROUNDING_EXACT : ROUNDING_APPROXIMATE;
    if (kind == GRAPH_LABEL && network_top_1(n, x, all, 3, o.margin, &labels) == ANNULUS_OK) /* scores that vary */
        o.top_1_bits = 3;
    circuit *c = graph_reread(graph_lowered(n, x, all, &o));
    toy_parameters(c);
    int32_t *q = quantize_all(c, x, GRAPH_SAMPLES);
    double clear[GRAPH_SAMPLES * 3], other[GRAPH_SAMPLES * 3], want[3], got[3];
    const seed256 noise = {{1}};
    exec_stats stats = {0};
    graph_result r = {.network = 1, .simulated = 1, .encrypted = 1, .varied = varied};
    graph_measure(c, &r);
    assert_ok(exec_clear(c, q, GRAPH_SAMPLES, 1, clear, NULL));
    for (size_t i = 0; i < GRAPH_SAMPLES && o.rounding_bits == 0; i++) {
        assert_ok(network_apply(labels != NULL ? labels : n, x + i * n->inputs, want));
        exec_values(c, clear + 3 * i, got);
        for (size_t k = 0; k < 3; k++) r.network &= fabs(want[k] - got[k]) < 1e-9;
    }
    assert_ok(exec_simulate(c, q, GRAPH_SAMPLES, &noise, 1, other, &stats));
    for (size_t i = 0; i < GRAPH_SAMPLES * 3; i++) r.simulated &= rint(other[i]) == clear[i];
    r.simulated &= stats.samples_erred == 0;
    toy_encrypted(c, q, GRAPH_SAMPLES, other);
    for (size_t i = 0; i < GRAPH_SAMPLES * 3; i++) r.encrypted &= rint(other[i]) == clear[i];
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
    network_destroy(labels);
    return r;
}

#endif
