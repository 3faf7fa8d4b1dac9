/* SPDX-License-Identifier: Apache-2.0 */
/* bench_search: prints the seconds of the parameter search, two families allowed, on one core: of ten random requests
 * of 50 distinct layers, each with probabilities by look-up and with one of all layers together, the longest, each the
 * median of three. Without a set the search ends in remedies. */
#include "bench.h"
#include "optimizer/optimizer.h"
#include "testing_random.h"

#define REQUESTS 10u
#define LAYERS 50u
#define ROUNDS 3u

static double uniform(uint64_t *seed) /* [0, 1) */
{
    return (double)(test_random(seed) >> 11) * 0x1p-53;
}

/* bits 1..8, two-norms 1..2^6, p_error 2^-3..2^-60, every sixth layer a deviation instead; the last layer is decrypted.
 */
static void random_layers(uint64_t *seed, lookup_layer *layers)
{
    for (size_t i = 0; i < LAYERS; i++) {
        const double bits = 1 + (double)(test_random(seed) % 8), norm = exp2(6 * uniform(seed));
        layers[i] = (lookup_layer){.name = "layer",
                                   .half_window = exp2(-bits - 2),
                                   .two_norm = i == 0 ? 0 : norm,
                                   .fresh_two_norm = i == 0 ? norm : 0,
                                   .cells = exp2(bits),
                                   .count = 1 + test_random(seed) % 1000,
                                   .weights = (double)(1 + test_random(seed) % 100000)};
        if (test_random(seed) % 6 == 0) {
            layers[i].phase_std = exp2(-3 - 4 * uniform(seed));
            layers[i].output_std = exp2(-10 - 6 * uniform(seed));
            layers[i].cells = 0;
        } else
            layers[i].log2_error = -3 - 57 * uniform(seed);
    }
    layers[LAYERS - 1].is_output = 1;
    layers[LAYERS - 1].output_std = 0;
}

/* The median, printed. */
static double measure(const char *name, size_t number, const optimizer_request *q)
{
    optimizer_request one = *q;
    one.families_most = 1;
    optimizer_result found = {0}, single = {0};
    double seconds[ROUNDS];
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; i < ROUNDS; i++) {
        const double start = bench_cpu_seconds();
        st = optimizer_search(q, &found);
        seconds[i] = bench_cpu_seconds() - start;
    }
    if (st != ANNULUS_ERR_INFEASIBLE) must(st);
    const int has_one = optimizer_search(&one, &single) == ANNULUS_OK;
    const double median = bench_median(seconds, ROUNDS);
    fprintf(stderr, "request %zu, %s: %.3f s, %u families, %.4g s an inference by them, %.4g s by one\n", number, name,
            median, found.families.count, st == ANNULUS_OK ? found.seconds : NAN, has_one ? single.seconds : NAN);
    return median;
}

int main(void)
{
    uint64_t seed = 50;
    double worst = 0;
    for (size_t r = 1; r <= REQUESTS; r++) {
        lookup_layer layers[LAYERS];
        random_layers(&seed, layers);
        optimizer_request q = {
            .layers = layers, .layers_count = LAYERS, .log2_error = -40, .level = SECURITY_128, .families_most = 2};
        worst = fmax(worst, measure("by look-up", r, &q));
        for (size_t i = 0; i < LAYERS; i++) layers[i].log2_error = 0;
        q.target = ERROR_GLOBAL;
        q.log2_error = -20;
        worst = fmax(worst, measure("global", r, &q));
    }
    printf("%.3f\n", worst);
    return 0;
}
