/* SPDX-License-Identifier: Apache-2.0 */
/* bench_ratio BITS LOG2_ERROR BITS LOG2_ERROR [TWO_NORM]: a look-up of the first kind against one of the second, both
 * at that two-norm (1 unless told) and at the parameters that the search finds, in batches on one core, interleaved;
 * prints the ratio of the medians. */
#include "lookups.h"

#define ROUNDS 11u
#define MOST 1.0 /* seconds of one round */

int main(int argc, char **argv)
{
    lookups side[2];
    size_t count[2];
    double time[2][ROUNDS], median[2];
    if (argc != 5 && argc != 6) return 2;
    const double two_norm = argc == 6 ? strtod(argv[5], NULL) : 1;
    for (unsigned s = 0; s < 2; s++) {
        const unsigned bits = (unsigned)strtoul(argv[1 + 2 * s], NULL, 10);
        const optimizer_result chosen = lookups_search(bits, two_norm, strtod(argv[2 + 2 * s], NULL));
        lookups_create(&chosen, bits, KEYSWITCH_GROUP, &side[s]);
        lookups_print(&chosen, s == 0 ? "first" : "second");
        count[s] = lookups_batch(&side[s], MOST);
    }
    for (size_t i = 0; i < ROUNDS; i++)
        for (unsigned s = 0; s < 2; s++) time[s][i] = lookups_seconds(&side[s], count[s], 1) / (double)count[s];
    for (unsigned s = 0; s < 2; s++) {
        median[s] = bench_median(time[s], ROUNDS);
        (void)lookups_check(&side[s], count[s]);
        fprintf(stderr, "%s: %.2f ms in batches of %zu (median of %u)\n", s == 0 ? "first" : "second", 1e3 * median[s],
                count[s], ROUNDS);
        lookups_destroy(&side[s]);
    }
    printf("%.3f\n", median[0] / median[1]);
    return 0;
}
