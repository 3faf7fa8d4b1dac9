/* SPDX-License-Identifier: Apache-2.0 */
/* bench_native_law CIRCUIT TEST-IMAGES: are encrypted errors of a torus-native circuit distributed as simulated ones?
 * Of each of IMAGES images the rank of every encrypted score among SIMULATED simulated ones of the same image: if so,
 * ranks are independent from image to image and uniform. Two tests of a score, each given half of its part of
 * FALSE_ALARM, which bounds the probability that any of all scores is rejected by chance: the distribution function of
 * the ranks, by the bound of Dvoretzky, Kiefer and Wolfowitz in Massart's form, P(distance > e) <= 2 exp(-2 IMAGES
 * e^2); and the sum of squares of the normal numbers that have these ranks, by that of Laurent and Massart (audit.h).
 * The second sees a deviation that is wrong by a third. Prints how many scores are rejected. */
#include "bench.h"
#include "deploy/deploy_priv.h"

#define IMAGES 200u
#define SIMULATED 999u
#define FALSE_ALARM 1e-3

/* Largest distance of the distribution function of ranks (IMAGES), in (0, 1), from that of a uniform number; sorts. */
static double distance(double *rank)
{
    double most = 0;
    qsort(rank, IMAGES, sizeof *rank, bench_ascending);
    for (size_t i = 0; i < IMAGES; i++)
        most = fmax(most, fmax((double)(i + 1) / IMAGES - rank[i], rank[i] - (double)i / IMAGES));
    return most;
}

/* The normal number that this share of normal numbers is below. */
static double normal_of(double share)
{
    double lo = -10, hi = 10;
    for (size_t i = 0; i < 60; i++) {
        const double middle = (lo + hi) / 2;
        *(0.5 * erfc(-middle / M_SQRT2) < share ? &lo : &hi) = middle;
    }
    return lo;
}

/* Whether the ranks are no sample of uniform numbers; t: minus the logarithm of a quarter of its alarm. */
static int rejects(size_t score, double *rank, double t)
{
    double square = 0;
    const double away = distance(rank), most = sqrt(t / (2 * IMAGES)) + 0.5 / (SIMULATED + 1);
    for (size_t i = 0; i < IMAGES; i++) square += pow(normal_of(rank[i]), 2);
    const double least = IMAGES - 2 * sqrt(IMAGES * t), largest = IMAGES + 2 * sqrt(IMAGES * t) + 2 * t;
    fprintf(stderr, "  score %zu: distance %.4f, at most %.4f; squares %.1f, %.1f to %.1f\n", score, away, most, square,
            least, largest);
    return away > most || square < least || square > largest;
}

int main(int argc, char **argv)
{
    annulus_circuit *c;
    annulus_dataset *all, *d;
    annulus_evaluation e;
    if (argc != 3) {
        fprintf(stderr, "usage: %s CIRCUIT TEST-IMAGES\n", argv[0]);
        return 2;
    }
    must(annulus_circuit_read(argv[1], &c));
    must(annulus_dataset_read_idx(argv[2], NULL, &all));
    must(annulus_dataset_slice(all, 0, IMAGES, &d));
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
        rejected += (size_t)rejects(o, rank, log(4 * (double)outputs / FALSE_ALARM));
    }
    printf("%zu\n", rejected);
    free(encrypted);
    annulus_dataset_destroy(d);
    annulus_dataset_destroy(all);
    annulus_circuit_destroy(c);
    return 0;
}
