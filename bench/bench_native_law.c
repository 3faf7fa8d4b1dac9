/* SPDX-License-Identifier: Apache-2.0 */
/* bench_native_law CIRCUIT TEST-IMAGES: are encrypted errors of a torus-native circuit distributed as simulated ones?
 * Of each of IMAGES images the rank of every encrypted score among SIMULATED simulated ones of the same image: if so,
 * ranks are independent from image to image and uniform, which is tested for each score (tests/ranks.h); FALSE_ALARM
 * bounds the probability that any of them is rejected by chance. A deviation that is wrong by a third is seen. Prints
 * how many scores are rejected. */
#include "deploy/deploy_priv.h"
#include "evaluated.h"
#include "ranks.h"

#define IMAGES 200u
#define SIMULATED 999u
#define FALSE_ALARM 1e-3

int main(int argc, char **argv)
{
    annulus_circuit *c;
    annulus_dataset *all;
    annulus_evaluation e;
    if (argc != 3) {
        fprintf(stderr, "usage: %s CIRCUIT TEST-IMAGES\n", argv[0]);
        return 2;
    }
    must(annulus_circuit_read(argv[1], &c));
    must(annulus_dataset_read_idx(argv[2], NULL, &all));
    annulus_dataset *d = first_samples(all, IMAGES);
    const size_t outputs = annulus_circuit_outputs(c), values = IMAGES * outputs;
    double *encrypted = room(3 * values, sizeof *encrypted), *simulated = encrypted + values,
           *below = simulated + values;
    must(annulus_evaluate(c, d, ANNULUS_ENCRYPTED, 1, 0, NULL, encrypted, &e));
    for (uint64_t seed = 1; seed <= SIMULATED; seed++) {
        must(annulus_evaluate(c, d, ANNULUS_SIMULATE, seed, 0, NULL, simulated, &e));
        for (size_t i = 0; i < values; i++) below[i] += simulated[i] < encrypted[i];
    }
    size_t rejected = 0;
    for (size_t o = 0; o < outputs; o++) {
        double rank[IMAGES];
        for (size_t i = 0; i < IMAGES; i++) rank[i] = (below[i * outputs + o] + 0.5) / (SIMULATED + 1);
        const ranks_verdict v = ranks_judge(rank, IMAGES, SIMULATED + 1, FALSE_ALARM / (double)outputs);
        fprintf(stderr, "  score %zu: distance %.4f, at most %.4f; squares %.1f, %.1f to %.1f\n", o, v.distance,
                v.distance_most, v.square, v.square_least, v.square_most);
        rejected += v.rejected != 0;
    }
    printf("%zu\n", rejected);
    free(encrypted);
    annulus_dataset_destroy(d);
    annulus_dataset_destroy(all);
    annulus_circuit_destroy(c);
    return 0;
}
