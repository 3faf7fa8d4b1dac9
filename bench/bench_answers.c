/* SPDX-License-Identifier: Apache-2.0 */
/* bench_answers CIRCUIT IMAGES LABELS COUNT: encrypted scores against the noise model. Every score has a mean and a
 * deviation from MOMENTS simulated runs; t is a score's distance from its mean in deviations. REPLICATES more simulated
 * runs of all images give as many draws of the largest t. Under the model the encrypted run is one draw more of the
 * same law, so that it exceeds them all with probability 1/(REPLICATES+1): that is the false alarm of the whole figure.
 * An image with a score beyond is an outlier. Prints: outliers, seconds per image, accuracy. */
#include "evaluated.h"

#define MOMENTS 400u
#define REPLICATES 2000u
#define LEAST_DEVIATION 1e-12 /* scores whose simulation never varies */

static double largest(const double *value, const double *mean, const double *deviation, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, fabs(value[i] - mean[i]) / deviation[i]);
    return most;
}

int main(int argc, char **argv)
{
    annulus_circuit *c;
    annulus_dataset *all;
    annulus_evaluation e;
    if (argc != 5) return 2;
    must(annulus_circuit_read(argv[1], &c));
    must(annulus_dataset_read_idx(argv[2], argv[3], &all));
    annulus_dataset *d = first_samples(all, strtoull(argv[4], NULL, 10));
    const size_t outputs = annulus_circuit_outputs(c), count = annulus_dataset_count(d) * outputs;
    double *value = room(count, 8), *mean = room(count, 8), *deviation = room(count, 8), bound = 0;
    for (unsigned r = 0; r < MOMENTS; r++) {
        must(annulus_evaluate(c, d, ANNULUS_SIMULATE, 1 + r, 0, NULL, value, &e));
        for (size_t i = 0; i < count; i++) mean[i] += value[i], deviation[i] += value[i] * value[i];
    }
    for (size_t i = 0; i < count; i++) {
        mean[i] /= MOMENTS;
        deviation[i] = fmax(LEAST_DEVIATION, sqrt(fmax(0, deviation[i] / MOMENTS - mean[i] * mean[i])));
    }
    for (unsigned r = 0; r < REPLICATES; r++) {
        must(annulus_evaluate(c, d, ANNULUS_SIMULATE, 1000000 + r, 0, NULL, value, &e));
        bound = fmax(bound, largest(value, mean, deviation, count));
    }
    must(annulus_evaluate(c, d, ANNULUS_ENCRYPTED, 1, 0, NULL, value, &e));
    size_t outliers = 0;
    for (size_t i = 0; i < e.count; i++)
        outliers += largest(value + i * outputs, mean + i * outputs, deviation + i * outputs, outputs) > bound;
    fprintf(stderr, "largest distance %.2f deviations, allowed %.2f; %zu answers differ from the clear ones\n",
            largest(value, mean, deviation, count), bound, e.mismatches);
    printf("%zu %.4f %.4f\n", outliers, e.seconds, e.score);
    free(value), free(mean), free(deviation);
    annulus_dataset_destroy(all);
    annulus_dataset_destroy(d);
    annulus_circuit_destroy(c);
    return 0;
}
