/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "nn/pass_priv.h"

#include <string.h>

/* Layer i without source s; values of the sources before it: first. */
static void drop_source(dense_layer *l, size_t s, size_t first, size_t count)
{
    size_t at = 0;
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        for (size_t m = 0; m < b->places * b->taps; m++)
            if (b->from[m] != LINEAR_NOTHING && b->from[m] >= first + count) b->from[m] -= (uint32_t)count;
    }
    for (size_t k = 0; k < l->sources_count; k++)
        if (l->sources[k] != s) l->sources[at++] = l->sources[k];
    l->sources_count = at;
    l->in -= count;
}

/* Whether layer i could do without source s: it has others, and its sums keep their unit. */
static int can_drop(const network *n, size_t i, size_t s)
{
    const dense_layer *l = &n->layers[i];
    uint32_t left[NETWORK_MAX_LAYERS];
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit, unit_left;
    size_t count = 0;
    for (size_t k = 0; k < l->sources_count; k++)
        if (l->sources[k] != s) left[count++] = l->sources[k];
    return count > 0 && network_common_unit(n, l->sources, l->sources_count, factors, &unit) &&
           network_common_unit(n, left, count, factors, &unit_left) && unit == unit_left;
}

static int all_can_drop(const network *n, size_t i)
{
    int can = 1;
    for (size_t k = i + 1; can && k < n->layers_count; k++)
        if (network_first_input(n, k, i + 1) != SIZE_MAX) can = can_drop(n, k, i + 1);
    return can;
}

/* Takes the constants of layer i, or zeros where they are not read, into its readers, and the layer away. */
static void remove_layer(network *n, size_t i, const int64_t *emits)
{
    dense_layer *l = &n->layers[i];
    const size_t count = dense_layer_values(l);
    for (size_t r = i + 1; r < n->layers_count; r++) {
        dense_layer *to = &n->layers[r];
        const size_t first = network_first_input(n, r, i + 1);
        if (first == SIZE_MAX) continue;
        for (size_t k = 0; k < to->linear.blocks_count; k++) {
            const linear_block *b = &to->linear.blocks[k];
            for (size_t m = 0; m < b->places * b->taps; m++) {
                if (b->from[m] == LINEAR_NOTHING || b->from[m] < first || b->from[m] - first >= count) continue;
                const double x = (double)emits[b->from[m] - first] * l->out_q.scale;
                for (size_t row = 0; row < b->rows; row++)
                    to->constant[b->to[m / b->taps * b->rows + row]] += b->W[row * b->taps + m % b->taps] * x;
                b->from[m] = LINEAR_NOTHING;
            }
        }
        drop_source(to, i + 1, first, count);
        linear_trim(&to->linear);
    }
    dense_layer_clear(l);
    memmove(l, l + 1, (n->layers_count - i - 1) * sizeof *l);
    n->layers[--n->layers_count] = (dense_layer){.in = 0};
    for (size_t r = i; r < n->layers_count; r++)
        for (size_t k = 0; k < n->layers[r].sources_count; k++) n->layers[r].sources[k] -= n->layers[r].sources[k] > i;
}

/* Whether no value of layer i matters: each is constant or not read; lo (values) is then what they are, or 0. */
static annulus_status is_settled(const network *n, size_t i, int64_t *lo, const int64_t *hi, int *settled)
{
    const size_t count = dense_layer_values(&n->layers[i]);
    void *p;
    TRY(mem_create(count, 1, "neurons", &p));
    unsigned char *read = p;
    network_find_read(n, i + 1, read);
    *settled = 1;
    for (size_t v = 0; v < count; v++) {
        *settled &= lo[v] == hi[v] || !read[v];
        if (!read[v]) lo[v] = 0;
    }
    mem_free(p);
    return ANNULUS_OK;
}

annulus_status pass_layers(network *n, size_t *count)
{
    annulus_status st = ANNULUS_OK;
    *count = 0;
    for (int found = 1; st == ANNULUS_OK && found;) {
        pass_bounds b;
        found = 0;
        TRY(pass_bounds_create(n, &b));
        for (size_t i = 0; st == ANNULUS_OK && !found && i + 1 < n->layers_count; i++) {
            int64_t *lo = b.lo + b.first[i + 1];
            st = is_settled(n, i, lo, b.hi + b.first[i + 1], &found);
            found = found && all_can_drop(n, i);
            if (st == ANNULUS_OK && found) remove_layer(n, i, lo);
        }
        *count += (size_t)found;
        pass_bounds_clear(&b);
    }
    return st;
}
