/* SPDX-License-Identifier: Apache-2.0 */
/* bench_unrolling [--json FILE]: blind rotations of 1, 2 and 3 key bits a step, in turns on one core: time a key bit in
 * batches and alone, key, and noise of the outputs against the formula. */
#include "optimizer/noise.h"
#include "rotation.h"
#include "table.h"

#define ROUNDS 31u
#define SAMPLES 400u
#define GROUPS TFHE_MAX_GROUP

static const struct {
    uint32_t n, k, N, bg;
} sets[] = {{918, 1, 2048, 23}, {786, 2, 1024, 23}, {750, 3, 512, 18}};

static const table_column columns[] = {
    {"set", "n/g, k x N, l x log2 Bg, keyswitch", 35, TABLE_TEXT},
    {"bits_a_step", "g", 2, 0},
    {"us", "us a bit", 8, 3},
    {"ratio", "ratio", 6, 3},
    {"alone_us", "alone", 7, 3},
    {"key_mb", "key MB", 6, 0},
    {"noise_log2", "noise", 7, 2},
    {"noise_predicted_log2", "formula", 7, 2},
};

typedef struct side {
    rotations r;
    double us[ROUNDS], alone[ROUNDS];
} side;

/* Mean square of what outputs of SAMPLES look-ups of fresh encryptions are off by. */
static double mean_square(const rotations *r)
{
    bench_batch batch;
    double square = 0;
    bench_batch_create(&r->keys, r->table, NULL, SAMPLES, &batch);
    (void)bench_bootstrap(r->keys.eval, batch.jobs, SAMPLES, 0);
    for (size_t i = 0; i < SAMPLES; i++) square += pow(bench_error(&r->keys, &batch, i, BENCH_VALUE), 2) / SAMPLES;
    bench_batch_destroy(&batch);
    return square;
}

static double alone_seconds(side *s)
{
    const size_t count = s->r.count;
    s->r.count = 1;
    const double seconds = rotation_seconds(&s->r);
    s->r.count = count;
    return seconds;
}

static void run_set(const bench_table *out, size_t i)
{
    side *s = room(GROUPS, sizeof *s);
    char name[64];
    for (uint32_t g = 1; g <= GROUPS; g++) {
        const tfhe_params p = bench_secure((tfhe_params){.n = sets[i].n,
                                                         .k = sets[i].k,
                                                         .N = sets[i].N,
                                                         .pbs_l = 1,
                                                         .pbs_lb = 1,
                                                         .pbs_bg = sets[i].bg,
                                                         .pbs_group = g,
                                                         .ks_l = 5,
                                                         .ks_b = 3});
        rotation_create(&p, 1, rotation_batch(&p, 1), &s[g - 1].r);
    }
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t g = 0; g < GROUPS; g++) {
            s[g].alone[round] = 1e6 * alone_seconds(&s[g]) / sets[i].n;
            s[g].us[round] = 1e6 * rotation_seconds(&s[g].r) / sets[i].n;
        }
    const double single = bench_median(s[0].us, ROUNDS);
    for (size_t g = 0; g < GROUPS; g++) {
        const tfhe_params *p = &s[g].r.params;
        const double us = bench_median(s[g].us, ROUNDS);
        rotation_check(&s[g].r);
        bench_params_text(p, name);
        table_row(out, name, (double)p->pbs_group, us, us / single, bench_median(s[g].alone, ROUNDS),
                  1e-6 * (double)tfhe_bsk_memory_bytes(p), log2(mean_square(&s[g].r)) / 2,
                  log2(noise_blind_rotate(p)) / 2);
        rotation_destroy(&s[g].r);
    }
    free(s);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    bench_table out;
    table_begin(&out, stdout, "Rotation of g key bits a step", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) run_set(&out, i);
    table_end(&out, path);
    return 0;
}
