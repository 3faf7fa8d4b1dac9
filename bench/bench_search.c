/* SPDX-License-Identifier: Apache-2.0 */
/* bench_search: prints the seconds of the parameter search, two families allowed, on one core: the longest of random
 * requests of 50 distinct layers, each the median of three. Ten of 1 to 8 bits and ten of 1 to 3 bits and larger norms,
 * each with probabilities by look-up and with one of all layers together, and without and with look-ups that may be
 * split. Without a set the search ends in remedies. */
#include "bench.h"
#include "optimizer/optimizer.h"
#include "tfhe/split.h"
#include "testing_random.h"
#include <string.h>

#define REQUESTS 10u
#define LAYERS 50u
#define ROUNDS 3u

static double uniform(uint64_t *seed) /* [0, 1) */
{
    return (double)(test_random(seed) >> 11) * 0x1p-53;
}

/* bits from 1, log2 of two-norms from 0, p_error 2^-3..2^-60, every sixth layer a deviation instead; the last layer is
 * decrypted. */
static void random_layers(uint64_t *seed, uint64_t most_bits, double most_norm, lookup_layer *layers)
{
    for (size_t i = 0; i < LAYERS; i++) {
        const double bits = 1 + (double)(test_random(seed) % most_bits), norm = exp2(most_norm * uniform(seed));
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

/* Every layer of cells may split off all but one of its bits, at the most that tables of entries as wide amplify. */
static void allow_split(lookup_layer *layers)
{
    for (size_t i = 0; i + 1 < LAYERS; i++) {
        lookup_layer *l = &layers[i];
        if (l->cells < 4) continue;
        const uint32_t bits = (uint32_t)ilogb(l->cells);
        l->split_most = bits - 1 < SPLIT_MAX_LOW ? bits - 1 : SPLIT_MAX_LOW;
        for (uint32_t s = 1; s <= l->split_most; s++) l->amplified[s - 1] = split_amplified_most(s, bits);
    }
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
    fprintf(stderr, "request %zu, %s: %.3f s, %u families%s, %.4g s an inference by them, %.4g s by one\n", number,
            name, median, found.families.count, found.families.merge.l > 0 ? " of split look-ups" : "",
            st == ANNULUS_OK ? found.seconds : NAN, has_one ? single.seconds : NAN);
    return median;
}

/* The longest of the four kinds. */
static double measure_layers(const char *name, size_t number, lookup_layer *layers)
{
    lookup_layer global[LAYERS];
    char text[64];
    double worst = 0;
    memcpy(global, layers, sizeof global);
    for (size_t i = 0; i < LAYERS; i++) global[i].log2_error = 0;
    optimizer_request q[2] = {{.layers = layers,
                               .layers_count = LAYERS,
                               .log2_error = -40,
                               .level = SECURITY_128,
                               .families_most = 2,
                               .threads = 1}};
    q[1] = q[0];
    q[1].layers = global, q[1].target = ERROR_GLOBAL, q[1].log2_error = -20;
    for (size_t split = 0; split < 2; split++) {
        if (split) allow_split(layers), allow_split(global);
        for (size_t g = 0; g < 2; g++) {
            (void)snprintf(text, sizeof text, "%s, %s%s", name, g ? "global" : "by look-up",
                           split ? ", may be split" : "");
            worst = fmax(worst, measure(text, number, &q[g]));
        }
    }
    return worst;
}

int main(void)
{
    uint64_t seeds[2] = {50, 51};
    double worst = 0;
    for (size_t r = 1; r <= REQUESTS; r++) {
        lookup_layer layers[LAYERS];
        random_layers(&seeds[0], 8, 6, layers);
        worst = fmax(worst, measure_layers("wide", r, layers));
        random_layers(&seeds[1], 3, 12, layers);
        worst = fmax(worst, measure_layers("narrow", r, layers));
    }
    printf("%.3f\n", worst);
    return 0;
}
