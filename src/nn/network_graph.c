/* SPDX-License-Identifier: Apache-2.0 */
/* How layers take values from each other, and what a network computes. */
#include "base/memory.h"
#include "nn/network_priv.h"

#include <math.h>
#include <string.h>

size_t network_sources(const network *n, size_t i, uint32_t sources[NETWORK_MAX_LAYERS])
{
    const dense_layer *l = &n->layers[i];
    if (l->sources_count == 0) {
        sources[0] = (uint32_t)i;
        return 1;
    }
    memcpy(sources, l->sources, l->sources_count * sizeof *sources);
    return l->sources_count;
}

int network_sources_meet(const uint32_t *a, size_t of_a, const uint32_t *b, size_t of_b)
{
    for (size_t k = 0; k < of_a; k++)
        for (size_t m = 0; m < of_b; m++)
            if (a[k] == b[m]) return 1;
    return 0;
}

size_t network_first_input(const network *n, size_t i, size_t source)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    size_t first = 0;
    for (size_t k = 0; k < count; k++) {
        if (sources[k] == source) return first;
        first += network_source_values(n, sources[k]);
    }
    return SIZE_MAX;
}

static void mark_read(const dense_layer *l, size_t first, size_t count, unsigned char *read)
{
    for (size_t k = 0; l->W != NULL && k < l->out * count; k++)
        read[k % count] |= l->W[k / count * l->in + first + k % count] != 0;
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        for (size_t t = 0; t < b->taps; t++) {
            if (!linear_tap_counts(b, t)) continue;
            for (size_t p = 0; p < b->places; p++) {
                const uint32_t from = b->from[p * b->taps + t];
                if (from != LINEAR_NOTHING && from >= first && from - first < count) read[from - first] = 1;
            }
        }
    }
}

void network_find_read(const network *n, size_t source, unsigned char *read)
{
    const size_t count = network_source_values(n, source);
    memset(read, 0, count);
    for (size_t i = source; i < n->layers_count; i++) {
        const size_t first = network_first_input(n, i, source);
        if (first != SIZE_MAX) mark_read(&n->layers[i], first, count, read);
    }
}

size_t network_number(const network *n, size_t i)
{
    size_t number = 0;
    for (size_t k = 0; k <= i; k++) number = n->layers[k].number == 0 ? number + 1 : n->layers[k].number;
    return number;
}

size_t network_source_values(const network *n, size_t source)
{
    return source == 0 ? n->inputs : dense_layer_values(&n->layers[source - 1]);
}

size_t dense_layer_neurons(const dense_layer *l)
{
    uint32_t most = 0;
    if (l->channel == NULL) return l->out;
    for (size_t o = 0; o < l->out; o++) most = l->channel[o] > most ? l->channel[o] : most;
    return (size_t)most + 1;
}

int network_is_dense(const network *n)
{
    for (size_t i = 0; i < n->layers_count; i++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        if (n->layers[i].W == NULL || network_sources(n, i, sources) != 1 || sources[0] != i) return 0;
    }
    return 1;
}

annulus_status network_sources_check(const network *n, size_t i, size_t *width)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    if (n->layers[i].sources_count > i + 1)
        return fail(ANNULUS_ERR_INPUT, "layer %zu has %zu sources, %zu are before it", i + 1,
                    n->layers[i].sources_count, i + 1);
    const size_t count = network_sources(n, i, sources);
    *width = 0;
    for (size_t k = 0; k < count; k++) {
        int again = sources[k] > i;
        for (size_t m = 0; m < k; m++) again |= sources[m] == sources[k];
        if (again)
            return fail(ANNULUS_ERR_INPUT, "layer %zu has source %u, which is behind it or a second time", i + 1,
                        sources[k]);
        *width += network_source_values(n, sources[k]);
    }
    return ANNULUS_OK;
}

annulus_status network_uses_check(const network *n)
{
    unsigned char used[NETWORK_MAX_LAYERS + 1] = {0};
    uint32_t sources[NETWORK_MAX_LAYERS];
    for (size_t i = 0; i < n->layers_count; i++) {
        const size_t count = network_sources(n, i, sources);
        for (size_t k = 0; k < count; k++) used[sources[k]] = 1;
    }
    for (size_t i = 1; i < n->layers_count; i++)
        if (!used[i]) return fail(ANNULUS_ERR_INPUT, "layer %zu: no layer takes its values", i);
    return ANNULUS_OK;
}

static double scale_of(const network *n, uint32_t source)
{
    return source == 0 ? n->input.scale : n->layers[source - 1].out_q.scale;
}

#define SAME 1e-6 /* relative: scales may have been rounded to single precision */

int network_common_unit(const network *n, const uint32_t *sources, size_t count, int32_t factors[NETWORK_MAX_LAYERS],
                        double *unit)
{
    const double first = scale_of(n, sources[0]);
    for (int32_t q = 1; q <= NETWORK_MAX_FACTOR; q++) { /* of the first source; the unit is first/q */
        int64_t divisor = 0;
        size_t k = 0;
        for (; k < count; k++) {
            const double ratio = scale_of(n, sources[k]) / first * q, whole = rint(ratio);
            if (whole < 1 || whole > NETWORK_MAX_FACTOR || fabs(ratio - whole) > SAME * whole) break;
            factors[k] = (int32_t)whole;
            divisor = common_divisor(factors[k], divisor);
        }
        if (k < count || divisor != 1) continue;
        *unit = first / q;
        return 1;
    }
    return 0;
}

annulus_status network_factors(const network *n, size_t i, int32_t factors[NETWORK_MAX_LAYERS], double *unit)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    if (network_common_unit(n, sources, count, factors, unit)) return ANNULUS_OK;
    const double first = scale_of(n, sources[0]);
    size_t other = 1;
    while (other + 1 < count && fabs(scale_of(n, sources[other]) / first - 1) <= SAME) other++;
    return fail(ANNULUS_ERR_INPUT,
                "layer %zu takes values of scales %.9g and %.9g, which are in no ratio of integers up to %d: quantize "
                "both with one scale",
                i + 1, first, scale_of(n, sources[other]), NETWORK_MAX_FACTOR);
}

/* sum (out) <- W x and the constants */
static void layer_sums(const dense_layer *l, const double *x, double *sum)
{
    for (size_t o = 0; o < l->out; o++) sum[o] = l->constant == NULL ? 0 : l->constant[o];
    for (size_t o = 0; l->W != NULL && o < l->out; o++)
        for (size_t i = 0; i < l->in; i++) sum[o] += l->W[o * l->in + i] * x[i];
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        for (size_t p = 0; p < b->places; p++)
            for (size_t r = 0; r < b->rows; r++)
                for (size_t t = 0; t < b->taps; t++) {
                    const uint32_t from = b->from[p * b->taps + t];
                    if (from != LINEAR_NOTHING) sum[b->to[p * b->rows + r]] += b->W[r * b->taps + t] * x[from];
                }
    }
}

static void layer_apply(const dense_layer *l, const double *sum, double *y)
{
    for (size_t o = 0; o < l->out; o++)
        for (size_t j = 0; j < l->offsets; j++) {
            const double u = l->w_scale[o] * sum[o] + l->bias[o] + 0.5 * (double)j / (double)l->offsets;
            const double a = dense_layer_act(l, o, u);
            y[o * l->offsets + j] = l->out_q.bits == 0 ? a : quantizer_integer(&l->out_q, a) * l->out_q.scale;
        }
}

annulus_status network_apply(const network *n, const float *x, double *y)
{
    size_t all = n->inputs, most_in = 0, most_out = 0, first[NETWORK_MAX_LAYERS + 1] = {0};
    void *memory;
    for (size_t i = 0; i < n->layers_count; i++) {
        first[i + 1] = all;
        all += dense_layer_values(&n->layers[i]);
        most_in = n->layers[i].in > most_in ? n->layers[i].in : most_in;
        most_out = n->layers[i].out > most_out ? n->layers[i].out : most_out;
    }
    TRY(mem_create(all + most_in + most_out, sizeof(double), "activations", &memory));
    double *values = memory, *in = values + all, *sum = in + most_in;
    for (size_t i = 0; i < n->inputs; i++)
        values[i] = quantizer_integer(&n->input, (x[i] - n->shift[i]) * n->gain[i]) * n->input.scale;
    for (size_t i = 0; i < n->layers_count; i++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        const size_t count = network_sources(n, i, sources);
        for (size_t k = 0, at = 0; k < count; k++) {
            const size_t width = network_source_values(n, sources[k]);
            memcpy(in + at, values + first[sources[k]], width * sizeof *in);
            at += width;
        }
        layer_sums(&n->layers[i], in, sum);
        layer_apply(&n->layers[i], sum, values + first[i + 1]);
    }
    memcpy(y, values + first[n->layers_count], n->layers[n->layers_count - 1].out * sizeof *y);
    mem_free(memory);
    return ANNULUS_OK;
}
