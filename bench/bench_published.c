/* SPDX-License-Identifier: Apache-2.0 */
/* bench_published CSV: prints the largest difference to the published log2 p_fail, of the drift technique to that of
 * its r_sigma, and how far sets that state a target reach it, at worst, on stderr. */
#include "published.h"

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    char line[512];
    double worst = 0, beyond = -1e9;
    unsigned compared = 0, targets = 0;
    if (f == NULL || fgets(line, sizeof line, f) == NULL) return 1;
    while (fgets(line, sizeof line, f) != NULL) {
        row r;
        if (row_parse(line, &r) != 17) return 1;
        const double difference = recomputed(&r) - row_expected(&r);
        if (row_is_target(&r)) {
            targets++;
            beyond = fmax(beyond, difference);
        } else {
            compared++;
            worst = fmax(worst, fabs(difference));
        }
    }
    (void)fclose(f);
    fprintf(stderr, "%u rows compared; %u that state a target are %.3f below it or more\n", compared, targets, -beyond);
    printf("%.5f\n", worst);
    return 0;
}
