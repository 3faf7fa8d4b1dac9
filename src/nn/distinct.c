/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/distinct.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>

static uint64_t sample_hash(const network *n, const float *x)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < n->inputs; i++) {
        const double v = ((double)x[i] - n->shift[i]) * n->gain[i];
        hash = random_mix(hash ^ (uint64_t)(int64_t)quantizer_integer(&n->input, isfinite(v) ? v : -INFINITY));
    }
    return hash != 0 ? hash : 1;
}

annulus_status distinct_count(const network *n, const float *x, size_t count, size_t most, size_t *out)
{
    size_t slots = 2, found = 0;
    void *p;
    if (most > count) most = count;
    while (slots < 2 * most) slots *= 2;
    TRY(mem_create(slots, sizeof(uint64_t), "samples", &p));
    uint64_t *seen = p; /* 0: free */
    for (size_t k = 0; k < count && found < most; k++) {
        const uint64_t hash = sample_hash(n, x + k * n->inputs);
        size_t at = (size_t)hash & (slots - 1);
        while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & (slots - 1);
        found += seen[at] == 0;
        seen[at] = hash;
    }
    mem_free(p);
    *out = found;
    return ANNULUS_OK;
}

annulus_status distinct_check(const network *n, const float *x, size_t count, size_t least, const char *purpose,
                              const char *remedy)
{
    int32_t lo, hi;
    size_t differ;
    quantizer_range(&n->input, &lo, &hi);
    const double half = pow((double)hi - lo + 1, (double)n->inputs) / 2;
    const size_t need = half < (double)least ? (size_t)half : least;
    if (count < need)
        return fail(ANNULUS_ERR_INPUT, "%zu calibration samples are too few to %s: give at least %zu%s", count, purpose,
                    need, remedy);
    TRY(distinct_count(n, x, count, need, &differ));
    if (differ >= need) return ANNULUS_OK;
    if (differ <= 1)
        return fail(ANNULUS_ERR_INPUT,
                    "all %zu calibration samples are the same once they are quantized: the data are constant, and "
                    "cannot %s; give real, different samples%s",
                    count, purpose, remedy);
    return fail(ANNULUS_ERR_INPUT,
                "%zu calibration samples, of which only %zu differ once they are quantized, are too few to %s: give at "
                "least %zu different ones%s",
                count, differ, purpose, need, remedy);
}
