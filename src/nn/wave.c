/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/wave.h"

#include <stdlib.h>

#define NEAR 1e-6   /* periods: of borders, which single precision moves by as much */
#define BESIDE 0.37 /* of a cell: jumps of plain constants lie elsewhere */
#define FIRST 9u    /* points whose median is the constant */
#define APART 57u   /* cells, of those */

static int32_t integer(const function *f, const quantizer *q, double u)
{
    return quantizer_integer(q, function_apply(f, u));
}

void wave_integers(const function *f, const quantizer *q, double u, double near, int32_t *lo, int32_t *hi)
{
    *lo = *hi = integer(f, q, u);
    for (int side = -1; side <= 1; side += 2) {
        const int32_t v = integer(f, q, u + side * near);
        *lo = v < *lo ? v : *lo;
        *hi = v > *hi ? v : *hi;
    }
}

static int by_size(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int32_t median_sum(const function *f, const quantizer *q)
{
    int32_t sums[FIRST];
    for (size_t i = 0; i < FIRST; i++) {
        const double u = wave_middle(i * APART) - BESIDE / (2 * WAVE_CELLS);
        sums[i] = integer(f, q, u) + integer(f, q, u + 0.5);
    }
    qsort(sums, FIRST, sizeof *sums, by_size);
    return sums[FIRST / 2];
}

int wave_is_antiperiodic(const function *f, const quantizer *q, int32_t *mid2)
{
    const int32_t sum = median_sum(f, q), first = integer(f, q, wave_middle(0));
    int varies = 0;
    for (size_t i = 0; i < 4 * WAVE_CELLS; i++) {
        const double u = wave_middle(i / 2) - (double)(i % 2) * BESIDE / (2 * WAVE_CELLS);
        int32_t lo[2], hi[2];
        for (size_t half = 0; half < 2; half++) wave_integers(f, q, u + 0.5 * (double)half, NEAR, &lo[half], &hi[half]);
        if (lo[0] + lo[1] > sum || hi[0] + hi[1] < sum) return 0;
        varies |= lo[0] != first;
    }
    if (varies) *mid2 = sum;
    return varies;
}
