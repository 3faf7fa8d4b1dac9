/* SPDX-License-Identifier: Apache-2.0 */
/* bench_published CSV: prints the largest difference to the published log2 p_fail, of the drift technique to that of
 * its r_sigma, and how far sets that state a target reach it, at worst, on stderr. Fails unless the table is whole and
 * every set that states a target reaches it. */
#include "published.h"

#define COMPARED 206u
#define TARGETS 6u

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    char line[512];
    double worst = 0, beyond = -INFINITY;
    unsigned compared = 0, targets = 0;
    if (f == NULL || fgets(line, sizeof line, f) == NULL) {
        fprintf(stderr, "bench_published: give a table of published sets\n");
        return 1;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        row r;
        if (row_parse(line, &r) != 17) {
            fprintf(stderr, "bench_published: a line that is no set: %s", line);
            return 1;
        }
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
    if (compared != COMPARED || targets != TARGETS || !(beyond <= 0)) {
        fprintf(stderr, "bench_published: %u rows and %u targets are wanted, and no set beyond its target\n", COMPARED,
                TARGETS);
        return 1;
    }
    printf("%.5f\n", worst);
    return 0;
}
