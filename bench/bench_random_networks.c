/* SPDX-License-Identifier: Apache-2.0 */
/* bench_random_networks [COUNT [FIRST]]: of COUNT random networks (1,000), those of which the network in real numbers,
 * the clear circuit, its simulation and an encrypted run with toy keys do not all agree (tests/random_runs.h).
 * Their seeds and what the networks were on stderr. */
#include "random_runs.h"

int main(int argc, char **argv)
{
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000,
                   first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    size_t differ = 0, layers = 0, look_ups = 0, blocks = 0, shared = 0, pairs = 0, waves = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        const graph_result r = graph_run(seed);
        layers += r.layers, look_ups += r.look_ups, blocks += r.blocks, shared += r.shared, pairs += r.pairs;
        waves += r.waves;
        if (r.network && r.simulated && r.encrypted) continue;
        differ++;
        fprintf(stderr, "seed %llu: differs%s%s%s\n", (unsigned long long)seed, r.network ? "" : " from the network",
                r.simulated ? "" : " simulated", r.encrypted ? "" : " encrypted");
    }
    fprintf(stderr,
            "%zu layers of %zu matrices, %zu look-ups; values that several layers take: %zu times; products and "
            "comparisons: %zu layers, waves: %zu\n",
            layers, blocks, look_ups, shared, pairs, waves);
    printf("%zu\n", differ);
    return 0;
}
