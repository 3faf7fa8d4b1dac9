/* SPDX-License-Identifier: Apache-2.0 */
/* Whether ranks, in (0, 1), are a sample of uniform numbers. */
#ifndef TESTS_RANKS_H
#define TESTS_RANKS_H

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static inline int ranks_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance of the distribution function of the ranks from that of a uniform number; sorts. */
static inline double ranks_distance(double *rank, size_t count)
{
    double most = 0;
    const double n = (double)count;
    qsort(rank, count, sizeof *rank, ranks_ascending);
    for (size_t i = 0; i < count; i++) most = fmax(most, fmax((double)(i + 1) / n - rank[i], rank[i] - (double)i / n));
    return most;
}

/* The normal number that this share of normal numbers is below. */
static inline double ranks_normal(double share)
{
    double lo = -10, hi = 10;
    for (size_t i = 0; i < 60; i++) {
        const double middle = (lo + hi) / 2;
        *(0.5 * erfc(-middle / M_SQRT2) < share ? &lo : &hi) = middle;
    }
    return lo;
}

typedef struct ranks_verdict {
    double distance, distance_most; /* of the distribution functions */
    double square, square_least, square_most;
    int rejected;
} ranks_verdict;

/* Two tests, which reject uniform ranks, known to 1/resolution, with probability `alarm` together at most: the
 * distance, by the bound of Dvoretzky, Kiefer and Wolfowitz in Massart's form, P(distance > e) <= 2 exp(-2 count e^2);
 * and the sum of squares of the normal numbers that have these ranks, by that of Laurent and Massart (circuit/audit.h).
 */
static inline ranks_verdict ranks_judge(double *rank, size_t count, double resolution, double alarm)
{
    const double n = (double)count, t = log(4 / alarm); /* half of it for each test, a quarter for each side */
    ranks_verdict v = {.distance = ranks_distance(rank, count),
                       .distance_most = sqrt(t / (2 * n)) + 0.5 / resolution,
                       .square_least = n - 2 * sqrt(n * t),
                       .square_most = n + 2 * sqrt(n * t) + 2 * t};
    for (size_t i = 0; i < count; i++) v.square += pow(ranks_normal(rank[i]), 2);
    v.rejected = v.distance > v.distance_most || v.square < v.square_least || v.square > v.square_most;
    return v;
}
#endif
