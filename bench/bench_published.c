/* SPDX-License-Identifier: Apache-2.0 */
/* bench_published CSV: prints the largest difference to the published log2 p_fail over the rows whose probability the
 * table defines; the others (see row_one_sided) are reported on stderr. */
#include "published.h"

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    char line[512];
    double worst = 0, beyond = -1e9;
    unsigned exact = 0, others = 0;
    if (f == NULL || fgets(line, sizeof line, f) == NULL) return 1;
    while (fgets(line, sizeof line, f) != NULL) {
        row r;
        if (row_parse(line, &r) != 16) return 1;
        const double difference = recomputed(&r) - r.published;
        if (row_one_sided(&r)) {
            others++;
            beyond = fmax(beyond, difference);
        } else {
            exact++;
            worst = fmax(worst, fabs(difference));
        }
    }
    (void)fclose(f);
    fprintf(stderr, "%u rows compared; %u of the drift technique and of hardware: ours is higher by at most %.3f\n",
            exact, others, beyond);
    printf("%.5f\n", worst);
    return 0;
}
