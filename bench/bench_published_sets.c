/* SPDX-License-Identifier: Apache-2.0 */
/* bench_published_sets PARAMETERS COSTS: prints how many of the published Gaussian sets at 2^-128 the search finds
 * exactly; the others on stderr. */
#include "published_search.h"

int main(int argc, char **argv)
{
    unsigned sets, found;
    if (argc != 3 || !published_count(argv[1], argv[2], &sets, &found) || sets != PUBLISHED_SETS) return 1;
    printf("%u\n", found);
    return 0;
}
