/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/multiples.h"

#include "base/divisor.h"
#include "optimizer/noise.h"

#include <math.h>
#include <string.h>

/* Of each number of parts sets with |m| growing by some sqrt(2), whose lattices have long shortest vectors: the best
 * that bench/find_multiples.c found. Zeros are no parts. */
static const uint16_t sets[][TFHE_ANSWERS_PARTS] = {
    {1},
    {1, 2},
    {1, 3},
    {1, 4},
    {1, 6},
    {1, 8},
    {1, 11},
    {1, 16},
    {1, 23},
    {1, 32},
    {1, 45},
    {1, 64},
    {1, 91},
    {1, 128},
    {1, 181},
    {1, 256},
    {1, 362},
    {1, 512},
    {1, 724},
    {1, 1024},
    {1, 1448},
    {1, 2, 4},
    {2, 5, 6},
    {4, 6, 9},
    {8, 9, 14},
    {12, 17, 20},
    {17, 24, 26},
    {26, 34, 37},
    {41, 44, 54},
    {57, 70, 72},
    {86, 92, 105},
    {121, 140, 142},
    {180, 185, 206},
    {250, 261, 282},
    {118, 322, 555},
    {433, 444, 474},
    {729, 756, 784},
    {247, 836, 1604},
    {1329, 1443, 1471},
    {1, 1, 2, 2},
    {1, 1, 2, 4},
    {1, 2, 4, 7},
    {2, 6, 7, 10},
    {7, 8, 11, 13},
    {1, 11, 14, 19},
    {11, 18, 21, 27},
    {3, 12, 26, 48},
    {9, 23, 48, 58},
    {12, 17, 60, 76},
    {41, 45, 101, 102},
    {26, 92, 119, 175},
    {4, 31, 137, 233},
    {13, 186, 231, 313},
    {13, 254, 371, 422},
    {251, 413, 428, 626},
    {530, 611, 617, 685},
    {131, 888, 966, 1008},
    {217, 289, 1286, 1732},
    {1, 1, 1, 2, 2},
    {1, 1, 2, 2, 3},
    {1, 2, 3, 4, 5},
    {2, 3, 4, 5, 6},
    {1, 2, 4, 6, 9},
    {1, 6, 9, 11, 13},
    {2, 7, 11, 12, 15},
    {6, 15, 16, 18, 29},
    {12, 16, 22, 33, 36},
    {1, 11, 17, 50, 53},
    {14, 35, 39, 41, 79},
    {2, 50, 59, 73, 81},
    {23, 41, 51, 90, 163},
    {64, 70, 101, 194, 207},
    {48, 49, 104, 260, 344},
    {52, 194, 229, 245, 521},
    {25, 65, 172, 452, 555},
    {270, 274, 367, 501, 755},
    {15, 655, 690, 777, 1170},
    {14, 272, 334, 967, 2245},
    {1, 1, 1, 1, 2, 2},
    {1, 1, 1, 2, 2, 3},
    {1, 2, 3, 4, 5, 6},
    {2, 3, 4, 5, 6, 10},
    {1, 2, 4, 7, 10, 15},
    {1, 5, 7, 9, 11, 24},
    {1, 6, 10, 12, 14, 33},
    {1, 11, 20, 26, 29, 33},
    {16, 20, 28, 35, 38, 49},
    {6, 20, 41, 42, 52, 70},
    {22, 28, 39, 47, 98, 113},
    {43, 52, 59, 72, 78, 142},
    {13, 23, 25, 31, 101, 272},
    {48, 74, 116, 118, 248, 297},
    {102, 169, 180, 195, 222, 423},
    {110, 139, 150, 462, 515, 564},
    {134, 225, 255, 476, 799, 870},
    {7, 8, 604, 854, 918, 1085},
    {400, 429, 878, 1124, 1340, 1518},
    {1, 1, 1, 1, 2, 2, 2},
    {1, 1, 2, 2, 3, 4, 5},
    {1, 2, 3, 4, 5, 6, 7},
    {1, 2, 4, 5, 8, 11, 14},
    {1, 2, 5, 8, 12, 16, 19},
    {2, 3, 7, 11, 17, 22, 23},
    {3, 4, 5, 10, 16, 27, 45},
    {8, 9, 15, 21, 26, 31, 59},
    {1, 4, 15, 31, 55, 57, 64},
    {11, 14, 33, 67, 73, 83, 85},
    {15, 20, 28, 60, 64, 106, 160},
    {17, 50, 95, 102, 141, 161, 192},
    {64, 112, 122, 126, 134, 215, 280},
    {132, 138, 166, 170, 214, 316, 339},
    {29, 40, 89, 284, 435, 440, 481},
    {81, 191, 282, 338, 563, 694, 833},
    {89, 607, 650, 682, 829, 839, 869},
    {170, 250, 630, 734, 867, 1362, 1438},
    {1, 1, 1, 1, 2, 2, 2, 2},
    {1, 1, 1, 2, 2, 3, 4, 4},
    {1, 1, 2, 2, 3, 4, 5, 6},
    {1, 2, 3, 4, 5, 6, 7, 8},
    {1, 2, 3, 4, 6, 7, 8, 12},
    {1, 3, 5, 6, 7, 10, 12, 14},
    {1, 7, 10, 12, 14, 16, 18, 20},
    {8, 9, 10, 12, 16, 23, 29, 34},
    {2, 10, 20, 23, 27, 36, 41, 42},
    {14, 19, 32, 34, 43, 50, 54, 60},
    {12, 21, 28, 32, 55, 69, 79, 82},
    {8, 13, 15, 61, 75, 93, 112, 124},
    {35, 48, 74, 85, 108, 128, 150, 203},
    {22, 69, 131, 146, 154, 196, 206, 254},
    {83, 92, 163, 167, 193, 260, 291, 394},
    {1, 5, 31, 256, 355, 413, 452, 562},
    {189, 268, 357, 377, 404, 479, 508, 547},
    {8, 38, 401, 562, 671, 676, 757, 1058},
    {312, 647, 662, 680, 693, 1112, 1136, 1339},
};

/* ---- neighbours ------------------------------------------------------------------------------------------------- */

#define FAR 1.0 /* squared length up to which points are counted one by one */

typedef struct walk {
    const uint32_t *m;
    uint32_t parts;
    double variance;
    double failure; /* of those that were met */
} walk;

/* z, of the first t parts: their sums of z^2, z m and m^2. What further parts add to the distance from the line is no
 * less than 0. Points that differ by m are one: the one whose place along the line is in (-1/2, 1/2]. */
static void step(walk *w, uint32_t t, double zz, double zm, double mm)
{
    const double least = mm > 0 ? zz - zm * zm / mm : 0;
    if (least > FAR + 1e-9) return;
    if (t == w->parts) {
        const double along = zm / mm;
        if (along > -0.5 + 1e-12 && along <= 0.5 + 1e-12 && zz > 0)
            w->failure += exp2(noise_failure_log2(w->variance, sqrt(least) / 2)) / 2;
        return;
    }
    /* Where the parts so far leave the line: sqrt(FAR - least) from zm/mm, in steps of sqrt(mm). */
    const double m = w->m[t], middle = mm > 0 ? zm / mm : 0;
    const double room = mm > 0 ? sqrt(fmax(FAR - least, 0) / mm) : 0.5;
    const double reach = room * m + sqrt(FAR);
    for (double z = ceil(middle * m - reach - 1e-9); z <= middle * m + reach + 1e-9; z++)
        step(w, t + 1, zz + z * z, zm + z * m, mm + m * m);
}

double multiples_wrong_log2(const tfhe_answers *a, double variance)
{
    if (a->parts == 1) return -INFINITY;
    walk w = {.m = a->multiple, .parts = a->parts, .variance = variance};
    step(&w, 0, 0, 0, 0);
    /* A lattice of dimension T - 1 has at most 2 (2^(T-1) - 1) neighbours of 0 (Voronoi; Minkowski). */
    const double others = exp2(a->parts - 1.0) - 1;
    return fmin(log2(w.failure + others * exp2(noise_failure_log2(variance, sqrt(FAR) / 2))), 0);
}

/* ---- what parts have in common ---------------------------------------------------------------------------------- */

/* Correlation of sawtooths x - round(x) of m x and n x. Harmonic k of one is m k/g of the other, n k/g of this, with
 * amplitudes as their inverses, and signs that alternate if one of m/g and n/g is even; *most: where the teeth do not
 * end at a half, as those of digits in [-B/2, B/2 - 1], the most that it can be. */
static double sawtooths(uint32_t m, uint32_t n, double *most)
{
    const uint32_t g = (uint32_t)common_divisor(m, n);
    const double all = (double)g * g / ((double)m * n);
    *most = all;
    return m / g % 2 == 1 && n / g % 2 == 1 ? all : -all / 2;
}

/* The same of digits of base B: B times the sawtooth of their level less that of the next. */
static double digits(uint32_t m, uint32_t n, unsigned log2_base, double *most)
{
    const double B = exp2(log2_base), square = B * B + 2;
    double same, up, down;
    const double c = sawtooths(m, n, &same), next = sawtooths(m, n << log2_base, &up),
                 before = sawtooths(m << log2_base, n, &down);
    *most = fmin(1, ((B * B + 1) * same + B * (up + down)) / square);
    return ((B * B + 1) * c - B * (next + before)) / square;
}

/* Digits of the parts of an answer in coefficients i and i + d multiply the noises e_(j-i) of a row for coefficient j,
 * and e_(j-i) again for coefficient j + d: the correlation of these is the mean of that of digits d apart, which are 0
 * unless they are of one answer. */
static double apart(const tfhe_answers *a, uint32_t d, double *most)
{
    double sum = 0, bound = 0, each;
    for (uint32_t t = 0; t + d < a->parts; t++) {
        sum += d == 0 ? 1 : digits(a->multiple[t], a->multiple[t + d], a->b, &each);
        bound += d == 0 ? 1 : each;
    }
    *most = bound / a->parts;
    return sum / a->parts;
}

/* The largest eigenvalue of a matrix is no more than the largest sum of magnitudes in a row. */
multiples_common multiples_in_common(const tfhe_answers *a)
{
    multiples_common c = {{0, 0}, {0, 0}};
    double noises[TFHE_ANSWERS_PARTS], noises_most[TFHE_ANSWERS_PARTS];
    for (uint32_t d = 0; d < a->parts; d++) noises[d] = apart(a, d, &noises_most[d]);
    for (uint32_t t = 0; t < a->parts; t++) {
        double left = 0, key = 0, most;
        for (uint32_t u = 0; u < a->parts; u++) {
            const double both = (double)a->multiple[t] * a->multiple[u] / tfhe_answers_square(a);
            c.left.along += both * sawtooths(a->multiple[t], a->multiple[u], &most);
            left += most;
            const uint32_t d = t > u ? t - u : u - t;
            c.key.along += both * noises[d];
            key += noises_most[d];
        }
        c.left.most = fmax(c.left.most, left);
        c.key.most = fmax(c.key.most, key);
    }
    return c;
}

/* ---- choice ----------------------------------------------------------------------------------------------------- */

/* The largest variance up to `most` with which the set goes wrong as seldom. */
static double allowed(const tfhe_answers *a, double most, double log2_wrong)
{
    double low = 0, high = most;
    if (multiples_wrong_log2(a, most) <= log2_wrong) return most;
    for (int i = 0; i < 30; i++) {
        const double middle = (low + high) / 2;
        if (multiples_wrong_log2(a, middle) <= log2_wrong)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* In the order of |m| sets allow more for the phase's sake, and from some on less for the lattice's. */
double multiples_choose(uint32_t parts, double variance, double log2_wrong, tfhe_answers *a)
{
    double best = -1;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        tfhe_answers next = {0};
        for (uint32_t t = 0; t < TFHE_ANSWERS_PARTS; t++) {
            next.multiple[t] = sets[i][t];
            next.parts += sets[i][t] > 0;
        }
        if (next.parts != parts) continue;
        const double most = variance * tfhe_answers_square(&next), now = allowed(&next, most, log2_wrong);
        if (now > best) {
            best = now;
            a->parts = parts;
            memcpy(a->multiple, next.multiple, sizeof next.multiple);
        }
        if (now < most) break;
    }
    return best;
}
