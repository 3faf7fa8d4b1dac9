/* SPDX-License-Identifier: Apache-2.0 */
/* Keyswitch and bootstrap of a batch of 64 on two threads against one, interleaved, by the clock; prints the ratio of
 * the medians, and beside it those of batches of 12 at sets of one to three key bits a step, whose keys two threads
 * read at the same time. Where two processors of the system are one core's, a loop of multiply-adds gains little by the
 * second as well: its gain is printed beside. */
#include "peak.h"

#include "bench.h"

#define ROUNDS 15u

typedef struct subject {
    tfhe_params p;
    size_t count;
    bench_keys keys;
    bench_batch batch;
    lut *table;
    double time[2][ROUNDS]; /* on one thread and on two */
} subject;

static void subject_create(subject *s)
{
    bench_keys_create(&s->p, &s->keys);
    s->table = bench_lut(s->p.N, 1);
    bench_batch_create(&s->keys, s->table, NULL, s->count, &s->batch);
}

static void subject_run(subject *s, unsigned threads, size_t round)
{
    const double start = bench_seconds();
    (void)bench_bootstrap(s->keys.eval, s->batch.jobs, s->count, threads);
    s->time[threads - 1][round] = bench_seconds() - start;
    bench_check(&s->keys, &s->batch);
}

/* Returns by what the second thread is faster. */
static double subject_end(subject *s)
{
    char set[64];
    const double one = bench_median(s->time[0], ROUNDS), two = bench_median(s->time[1], ROUNDS);
    bench_params_text(&s->p, set);
    fprintf(stderr, "%-40s batch of %2zu: one thread %6.1f ms, two %6.1f ms, %.3f\n", set, s->count, 1e3 * one,
            1e3 * two, one / two);
    bench_batch_destroy(&s->batch);
    lut_destroy(s->table);
    bench_keys_destroy(&s->keys);
    return one / two;
}

int main(void)
{
    static subject subjects[] = {
        {.count = 64},
        {.p =
             {.n = 840, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .ks_l = 5, .ks_b = 3, .pbs_group = 1},
         .count = 12},
        {.p =
             {.n = 836, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .ks_l = 5, .ks_b = 3, .pbs_group = 2},
         .count = 12},
        {.p =
             {.n = 798, .k = 2, .N = 1024, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .ks_l = 5, .ks_b = 3, .pbs_group = 3},
         .count = 12},
        {.p = {.n = 602, .k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 18, .ks_l = 5, .ks_b = 2, .pbs_group = 2},
         .count = 12},
    };
    enum { SUBJECTS = sizeof subjects / sizeof *subjects };
    const cpu_level level = cpu_level_get();
    double peak[2][ROUNDS], gain = 0;
    subjects[0].p = bench_standard();
    for (size_t i = 0; i < SUBJECTS; i++) subject_create(&subjects[i]);
    for (size_t round = 0; round < ROUNDS; round++)
        for (unsigned threads = 1; threads <= 2; threads++) {
            for (size_t i = 0; i < SUBJECTS; i++) subject_run(&subjects[i], threads, round);
            peak[threads - 1][round] = peak_flops(level, threads, CLOCK_MONOTONIC, 0.03);
        }
    for (size_t i = 0; i < SUBJECTS; i++) {
        const double ratio = subject_end(&subjects[i]);
        if (i == 0) gain = ratio;
    }
    fprintf(stderr, "multiply-adds alone gain %.3f (medians of %u)\n",
            bench_median(peak[1], ROUNDS) / bench_median(peak[0], ROUNDS), ROUNDS);
    printf("%.3f\n", gain);
    return 0;
}
