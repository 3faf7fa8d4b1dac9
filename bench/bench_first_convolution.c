/* SPDX-License-Identifier: Apache-2.0 */
/* First layers of convolutions on packed inputs: milliseconds of one core beside those of inputs taken one by one,
 * which are expanded first; 8 filters of 5x5 on 28x28 inputs, the same in steps of 2, and 32 of 3x3, padded, on
 * 3x32x32, of 4-bit weights, on two rings. The results are the same words. Measured in turns. */
#include "bench.h"

#include "base/memory.h"
#include "circuit/exec_priv.h"
#include "nn/gather.h"
#include "testing_random.h"

#define ROUNDS 5u

typedef struct layer {
    const char *name;
    gather_windows windows;
    size_t filters;
} layer;

static const layer layers[] = {
    {"8 of 5x5, 28x28", {.channels = 1, .size = {28, 28}, .kernel = {5, 5}, .stride = {1, 1}, .dilation = {1, 1}}, 8},
    {"8 of 5x5 by 2, 28x28",
     {.channels = 1, .size = {28, 28}, .kernel = {5, 5}, .stride = {2, 2}, .dilation = {1, 1}, .pad = {2, 2, 2, 2}},
     8},
    {"32 of 3x3, 3x32x32",
     {.channels = 3, .size = {32, 32}, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .pad = {1, 1, 1, 1}},
     32}};

typedef struct task {
    tfhe_params p;
    circuit_linear linear;
    packed_weights *packed;
    size_t in, out, words;
    seed256 masks;
    uint64_t *body, *each, *sums[2];
    void *room;
} task;

static packed_rows *rows_of(const task *t)
{
    packed_rows *rows;
    linear_view *view;
    must(linear_view_create(&t->linear, t->in, t->out, &view));
    must(packed_rows_create(&t->p, t->out, t->in, &rows));
    for (size_t o = 0; o < t->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        must(packed_rows_add(rows, input, weight, count, 0));
    }
    linear_view_destroy(view);
    return rows;
}

static double packed_seconds(const task *t)
{
    const double start = bench_cpu_seconds();
    must(packed_sums(t->packed, &t->masks, t->body, 1, t->sums[0]));
    return bench_cpu_seconds() - start;
}

/* As the executor takes them. */
static double single_seconds(const task *t)
{
    const linear_rows inputs = {t->each, t->in};
    const double start = bench_cpu_seconds();
    must(packed_expand(&t->p, &t->masks, t->body, t->in, 1, t->each));
    memset(t->sums[1], 0, t->out * t->words * sizeof *t->sums[1]);
    for (size_t at = 0; at < t->words; at += BATCHES_COLUMNS)
        linear_add(&t->linear, &inputs, 1, t->words, t->sums[1], t->words, at,
                   t->words - at < BATCHES_COLUMNS ? t->words - at : BATCHES_COLUMNS, t->room);
    return bench_cpu_seconds() - start;
}

static void run(const layer *l, const tfhe_params *p)
{
    const gather_windows *g = &l->windows;
    size_t places[2];
    uint64_t seed = 1;
    int32_t *W = room(l->filters * g->channels * g->kernel[0] * g->kernel[1], sizeof *W);
    for (size_t i = 0; i < l->filters * g->channels * g->kernel[0] * g->kernel[1]; i++)
        W[i] = (int32_t)(test_random(&seed) % 15) - 7;
    must(gather_count(g, places));
    task t = {.p = *p,
              .in = g->channels * g->size[0] * g->size[1],
              .out = l->filters * places[0] * places[1],
              .words = lwe_words(p),
              .masks = {{1}}};
    must(gather_convolution(g, W, l->filters, 1, &t.linear));
    const double start = bench_cpu_seconds();
    packed_rows *rows = rows_of(&t);
    const double grouping = bench_cpu_seconds() - start;
    const packed_size size = packed_rows_size(rows);
    must(packed_weights_create(rows, 1, &t.packed));
    t.body = room(t.in, sizeof *t.body);
    t.each = room(t.in * t.words, sizeof *t.each);
    for (size_t i = 0; i < 2; i++) t.sums[i] = room(t.out * t.words, sizeof *t.sums[i]);
    t.room = room(1, linear_room(&t.linear));
    double packed[ROUNDS], single[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) packed[i] = packed_seconds(&t), single[i] = single_seconds(&t);
    const int same = memcmp(t.sums[0], t.sums[1], t.out * t.words * sizeof *t.sums[0]) == 0;
    const double ours = bench_median(packed, ROUNDS), theirs = bench_median(single, ROUNDS);
    printf("%-22s %ux%-5u %6zu %6zu %6zu %9.2f %9.2f %6.1f %9.2f%s\n", l->name, p->k, p->N, t.out, size.groups,
           size.polys, 1e3 * ours, 1e3 * theirs, theirs / ours, 1e3 * grouping, same ? "" : " DIFFER");
    packed_weights_destroy(t.packed);
    linear_clear(&t.linear);
    free(t.body), free(t.each), free(t.sums[0]), free(t.sums[1]), free(t.room), free(W);
    if (!same) exit(1);
}

int main(void)
{
    const tfhe_params rings[] = {{.k = 3, .N = 512}, {.k = 1, .N = 2048}};
    printf("%-22s %-7s %6s %6s %6s %9s %9s %6s %9s\n", "layer", "k x N", "sums", "groups", "polys", "packed ms",
           "single ms", "ratio", "groups ms");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (size_t r = 0; r < sizeof rings / sizeof *rings; r++) run(&layers[i], &rings[r]);
    return 0;
}
