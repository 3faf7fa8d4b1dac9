/* SPDX-License-Identifier: Apache-2.0 */
/* bench_unrolled_sets [--json FILE]: 4-bit look-ups of one failure probability by rotations of 1, 2 and 3 key bits a
 * step, each with the parameters that are the cheapest for it, in turns in batches on one core: keyswitch and rotation.
 */
#include "lookups.h"
#include "table.h"

#define BITS 4u
#define COUNT 32u
#define ROUNDS 15u
#define GROUPS TFHE_MAX_GROUP

static const struct {
    const char *name;
    double log2_p, two_norm;
} requests[] = {{"2^-40, 1", -40, 1}, {"2^-128, 5", -128, 5}};

static const table_column columns[] = {
    {"request", "p_error, two-norm", 17, TABLE_TEXT},
    {"bits_a_step", "g", 2, 0},
    {"set", "n/g, k x N, l x log2 Bg, keyswitch", 35, TABLE_TEXT},
    {"log2_failure", "failure", 7, 1},
    {"key_mb", "key MB", 6, 0},
    {"model_ms", "model ms", 8, 3},
    {"ms", "ms", 6, 3},
    {"ratio", "ratio", 6, 3},
};

static void run_request(const bench_table *out, size_t request)
{
    lookups l[GROUPS];
    double ms[GROUPS][ROUNDS];
    char name[64];
    for (uint32_t g = 0; g < GROUPS; g++) {
        const optimizer_result chosen =
            lookups_search_group(BITS, requests[request].two_norm, requests[request].log2_p, g + 1);
        lookups_create(&chosen, BITS, COUNT, &l[g]);
        (void)lookups_seconds(&l[g], COUNT, 1);
    }
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t g = 0; g < GROUPS; g++) ms[g][round] = 1e3 * lookups_seconds(&l[g], COUNT, 1) / COUNT;
    const double single = bench_median(ms[0], ROUNDS);
    for (size_t g = 0; g < GROUPS; g++) {
        const optimizer_result *r = &l[g].chosen;
        const double median = bench_median(ms[g], ROUNDS);
        (void)lookups_check(&l[g], COUNT);
        bench_params_text(&r->families.of[0], name);
        table_row(out, requests[request].name, (double)r->families.of[0].pbs_group, name, r->layers[0].log2_failure,
                  1e-6 * (double)tfhe_bsk_memory_bytes(&r->families.of[0]), 1e3 * r->seconds, median, median / single);
        lookups_destroy(&l[g]);
    }
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    bench_table out;
    table_begin(&out, stdout, "4-bit look-ups of one failure probability", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) run_request(&out, i);
    table_end(&out, path);
    return 0;
}
