/* SPDX-License-Identifier: Apache-2.0 */
/* bench_steps [--json FILE]: a step of blind rotation in batches, one core, of rings and gadgets across those that the
 * search chooses: as measured, and what the cost model says of it by the shipped constants and by those fitted to these
 * rows, which stand below. */
#include "bench.h"
#include "optimizer/calibrate.h"
#include "table.h"
#include "tfhe/measure.h"

#define ROUNDS 5u
#define BITS 240u   /* n of the keys: a step does not depend on it */
#define SECONDS 0.3 /* of a measurement */

typedef struct set {
    uint32_t k, N, l, lb, bg, group;
} set;

/* Of words of 32 and of 64 bits: gadgets of up to 27 bits and of more. */
static const set sets[] = {
    {1, 1024, 1, 1, 20, 1}, {1, 1024, 2, 2, 12, 1}, {1, 2048, 1, 1, 23, 1}, {1, 2048, 1, 1, 28, 1},
    {1, 2048, 2, 2, 13, 1}, {1, 2048, 2, 2, 15, 1}, {1, 2048, 3, 3, 9, 1},  {1, 2048, 3, 2, 12, 1},
    {1, 4096, 1, 1, 22, 1}, {1, 4096, 2, 2, 13, 1}, {1, 4096, 2, 2, 15, 1}, {2, 1024, 1, 1, 23, 1},
    {2, 1024, 2, 1, 13, 1}, {2, 1024, 2, 1, 15, 1}, {2, 1024, 3, 3, 9, 1},  {2, 1024, 3, 3, 12, 1},
    {2, 512, 1, 1, 18, 1},  {3, 512, 1, 1, 18, 1},  {3, 512, 2, 2, 12, 1},  {3, 512, 2, 2, 15, 1},
    {3, 512, 3, 2, 9, 1},   {4, 512, 1, 1, 23, 1},  {4, 512, 2, 1, 15, 1},  {3, 1024, 1, 1, 23, 1},
    {4, 256, 1, 1, 18, 1},  {5, 256, 2, 2, 10, 1},  {6, 256, 1, 1, 18, 1},  {6, 256, 2, 2, 10, 1},
    {6, 256, 2, 2, 15, 1},  {1, 2048, 1, 1, 23, 2}, {1, 2048, 2, 2, 15, 2}, {2, 1024, 1, 1, 23, 2},
    {3, 512, 1, 1, 18, 2},  {6, 256, 1, 1, 18, 2},  {1, 2048, 1, 1, 23, 3}, {1, 2048, 2, 2, 15, 3},
    {2, 1024, 1, 1, 23, 3}, {3, 512, 1, 1, 18, 3},  {6, 256, 1, 1, 18, 3},
};
#define SETS (sizeof sets / sizeof *sets)

static const table_column columns[] = {
    {"k", "k", 1, 0},
    {"N", "N", 4, 0},
    {"l", "l", 1, 0},
    {"lb", "of body", 7, 0},
    {"bg", "log2 Bg", 7, 0},
    {"group", "key bits", 8, 0},
    {"word", "word", 4, 0},
    {"step_us", "step us", 7, 3},
    {"shipped", "shipped", 7, 3},
    {"fitted", "fitted", 6, 3},
};

/* Medians over rounds through all sets. */
static void measure(cost_sample samples[SETS])
{
    double seconds[SETS][ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < SETS; i++) {
            const set *s = &sets[i];
            samples[i].p = (tfhe_params){.n = BITS,
                                         .k = s->k,
                                         .N = s->N,
                                         .pbs_l = s->l,
                                         .pbs_lb = s->lb,
                                         .pbs_bg = s->bg,
                                         .pbs_group = s->group,
                                         .ks_l = 2,
                                         .ks_b = 4};
            must(measure_step(&samples[i].p, COST_BATCH, SECONDS, &seconds[i][round]));
        }
    for (size_t i = 0; i < SETS; i++) samples[i].seconds = bench_median(seconds[i], ROUNDS);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    cost_sample samples[SETS];
    cost_model fitted = cost_model_shipped;
    double worst;
    bench_table t;
    measure(samples);
    must(cost_model_fit(samples, SETS, &fitted, &worst));
    table_begin(&t, stdout, "A step of a batch: what the cost model says over what is measured, one core", columns,
                sizeof columns / sizeof *columns);
    for (size_t i = 0; i < SETS; i++) {
        const tfhe_params *p = &samples[i].p;
        const double seconds = samples[i].seconds;
        table_row(&t, (double)p->k, (double)p->N, (double)p->pbs_l, (double)p->pbs_lb, (double)p->pbs_bg,
                  (double)p->pbs_group, tfhe_narrow(p) ? 32.0 : 64.0, 1e6 * seconds,
                  cost_model_step(&cost_model_shipped, p) / seconds, cost_model_step(&fitted, p) / seconds);
    }
    table_end(&t, path);
    printf("fitted: fft %.4f, multiply %.4f, linear %.4f, wide %.4f, combine %.4f and %.4f ns, within %.1f %%\n",
           fitted.fft, fitted.multiply, fitted.linear, fitted.wide, fitted.combine[2], fitted.combine[3], 100 * worst);
    return 0;
}
