/* SPDX-License-Identifier: Apache-2.0 */
/* find_multiples PARTS LENGTH [TRIES]: of sets of so many multiples of |m| from LENGTH to 1.3 LENGTH that whose lattice
 * has the longest shortest vector for its |m| (optimizer/multiples.h), found by climbing from TRIES random ones: a line
 * of the table of src/optimizer/multiples.c, behind |m|, the vector's length, and that over |m|^(-1/(PARTS - 1)). The
 * same on every machine. */
#include "testing_random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 8
#define WIDER 1.3

static double length(const int *m, int parts)
{
    double sum = 0;
    for (int t = 0; t < parts; t++) sum += (double)m[t] * m[t];
    return sqrt(sum);
}

/* Of z less its part along m; INFINITY for a multiple of m. */
static double beside(const double *z, const int *m, int parts, double norm)
{
    double square = 0, along = 0;
    for (int t = 0; t < parts; t++) square += z[t] * z[t], along += z[t] * m[t];
    const double turns = along / (norm * norm);
    int same = turns == round(turns);
    for (int t = 0; t < parts; t++) same &= z[t] == turns * m[t];
    return same ? INFINITY : sqrt(fmax(square - along * turns, 0));
}

/* Vectors of which no coordinate is half or more are those nearest to points of the line, which are a unit vector apart
 * where two of them are as near; below `enough` nobody asks for more. */
static double shortest(const int *m, int parts, double enough)
{
    const double norm = length(m, parts);
    double least = INFINITY;
    for (int t = 0; t < parts; t++) least = fmin(least, sqrt(1 - m[t] * (double)m[t] / (norm * norm)));
    for (int t = 0; t < parts; t++)
        for (int i = 0; i < m[t] && least > enough; i++) { /* the other half is the first one's mirror image */
            const double x = ((i / 2) + 0.5) / m[t] + (i % 2 == 0 ? -1e-7 : 1e-7);
            double z[MOST];
            for (int u = 0; u < parts; u++) z[u] = floor(m[u] * x + 0.5);
            least = fmin(least, beside(z, m, parts, norm));
        }
    return least;
}

/* A coordinate of *m moved by a sixth of the length at most; returns 0 if a multiple is no longer positive. */
static int move(const int *m, int parts, double wanted, uint64_t *seed, int *to)
{
    memcpy(to, m, (size_t)parts * sizeof *to);
    const int step = 1 + (int)(test_random(seed) % (1 + (uint64_t)(wanted / 6)));
    to[test_random(seed) % (uint64_t)parts] += test_random(seed) % 2 ? step : -step;
    if (test_random(seed) % 3 == 0) to[test_random(seed) % (uint64_t)parts] += test_random(seed) % 2 ? 1 : -1;
    int positive = 1;
    for (int t = 0; t < parts; t++) positive &= to[t] > 0;
    return positive;
}

/* What is climbed: less where the length is not as wanted. */
static double worth(const int *m, int parts, double wanted, double enough)
{
    const double norm = length(m, parts), root = pow(norm, 1.0 / (parts - 1));
    const double off = norm < wanted ? norm / wanted : fmin(1, WIDER * wanted / norm);
    const double each = root * off * off;
    return each * shortest(m, parts, enough / each);
}

static double climb(int *m, int parts, double wanted, uint64_t *seed)
{
    int next[MOST];
    for (int t = 0; t < parts; t++) m[t] = 1 + (int)(test_random(seed) % (uint64_t)wanted);
    double best = worth(m, parts, wanted, 0);
    for (int failures = 0; failures < 60 * parts; failures++) {
        if (!move(m, parts, wanted, seed, next)) continue;
        const double now = worth(next, parts, wanted, best);
        if (now <= best * (1 + 1e-9)) continue;
        memcpy(m, next, (size_t)parts * sizeof *m);
        best = now;
        failures = 0;
    }
    return best;
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
    const int parts = argc > 2 ? atoi(argv[1]) : 0, tries = argc > 3 ? atoi(argv[3]) : 1000;
    const double wanted = argc > 2 ? atof(argv[2]) : 0;
    uint64_t seed = 1;
    int m[MOST], best[MOST] = {0};
    double most = 0;
    if (parts < 2 || parts > MOST || !(wanted >= 1 && wanted < 1 << 14) || tries < 1)
        return fprintf(stderr, "usage: find_multiples PARTS LENGTH [TRIES]: 2 to 8, 1 to 16383\n"), 1;
    for (int i = 0; i < tries; i++) {
        const double now = climb(m, parts, wanted, &seed), norm = length(m, parts);
        if (now <= most || norm < wanted || norm > WIDER * wanted) continue;
        most = now;
        memcpy(best, m, sizeof m);
    }
    if (most == 0) return fprintf(stderr, "find_multiples: none of this length; try more\n"), 1;
    qsort(best, (size_t)parts, sizeof *best, by_size);
    printf("%.2f  %.4f  %.4f  {", length(best, parts), shortest(best, parts, 0), most);
    for (int t = 0; t < parts; t++) printf("%s%d", t == 0 ? "" : ", ", best[t]);
    printf("}\n");
    return 0;
}
