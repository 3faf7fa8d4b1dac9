/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/intake.h"

#include "base/parallel.h"
#include "math/matrix.h"
#include "optimizer/cost.h"

/* Inputs [first, behind) of layer i are the circuit's. */
static void find_inputs(const circuit *c, size_t i, size_t *first, size_t *behind)
{
    const circuit_layer *l = &c->layers[i];
    size_t k = 0;
    *first = 0;
    while (k < l->sources_count && l->sources[k] != 0) *first += circuit_source_values(c, l->sources[k++]);
    *behind = *first + (k < l->sources_count ? c->input.features : 0);
}

static int takes_inputs(const circuit *c, size_t i)
{
    size_t first, behind;
    find_inputs(c, i, &first, &behind);
    return behind > first;
}

/* The layer's weights on the inputs, up to the first row that does not fit. */
static annulus_status list_rows(const circuit *c, size_t i, packed_rows *rows)
{
    const circuit_layer *l = &c->layers[i];
    linear_view *view = NULL;
    annulus_status st = ANNULUS_OK;
    size_t first, behind;
    find_inputs(c, i, &first, &behind);
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    for (size_t o = 0; st == ANNULUS_OK && o < l->out && packed_rows_fit(rows); o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        st = packed_rows_add(rows, input, weight, count, first);
    }
    linear_view_destroy(view);
    return st;
}

static annulus_status rows_create(const circuit *c, size_t i, const tfhe_params *p, packed_rows **out)
{
    packed_rows *rows = NULL;
    TRY(packed_rows_create(p, c->layers[i].out, c->input.features, &rows));
    const annulus_status st = list_rows(c, i, rows);
    if (st == ANNULUS_OK)
        *out = rows;
    else
        packed_rows_destroy(rows);
    return st;
}

annulus_status intake_products(const circuit *c, size_t i, packed_weights **out)
{
    packed_rows *rows = NULL;
    TRY(rows_create(c, i, circuit_inputs(c), &rows));
    return packed_weights_create(rows, 0, out);
}

/* Whether a place takes an input that is not among [first, behind). */
static int takes_other(const linear_block *b, size_t place, size_t first, size_t behind)
{
    const uint32_t *from = b->from + place * b->taps;
    for (size_t t = 0; t < b->taps; t++)
        if (from[t] != LINEAR_NOTHING && (from[t] < first || from[t] >= behind)) return 1;
    return 0;
}

double intake_linear_weights(const circuit *c, size_t i, int packed)
{
    const circuit_layer *l = &c->layers[i];
    double weights = 0;
    size_t first, behind;
    find_inputs(c, i, &first, &behind);
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        const unsigned limbs = matrix_weight_limbs(b->W, b->rows * b->taps);
        size_t places = b->places;
        for (size_t q = 0; packed && q < b->places; q++) places -= !takes_other(b, q, first, behind);
        weights += (double)places * cost_linear_weights(b->rows, b->taps, limbs);
    }
    return weights;
}

double intake_seconds(const tfhe_params *p, const packed_size *size, unsigned workers)
{
    const packed_size most = {.rows = parallel_busiest(size->rows - size->groups, workers) +
                                      parallel_busiest(size->groups, workers),
                              .ciphertexts = size->ciphertexts,
                              .groups = parallel_busiest(size->groups, workers),
                              .polys = parallel_busiest(size->polys, workers)};
    return cost_packed(p, &most);
}

/* What layer i may have in the memory that is left, else size 0. */
static annulus_status measure(const circuit *c, size_t i, const tfhe_params *p, size_t *left, packed_size *size)
{
    packed_rows *rows = NULL;
    *size = (packed_size){.rows = 0};
    if (!takes_inputs(c, i)) return ANNULUS_OK;
    TRY(rows_create(c, i, p, &rows));
    const packed_size all = packed_rows_size(rows);
    const size_t bytes = packed_weights_memory(p, &all);
    if (packed_rows_fit(rows) && bytes <= *left) {
        *size = all;
        *left -= bytes;
    }
    packed_rows_destroy(rows);
    return ANNULUS_OK;
}

annulus_status intake_choose(const circuit *c, const tfhe_params *p, intake *layers, int *by_value)
{
    double packed[CIRCUIT_MAX_LAYERS], more = 0; /* of products in all layers beyond the least */
    size_t left = INTAKE_MEMORY_MOST;
    int all = 1, any = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        intake *of = &layers[i];
        TRY(measure(c, i, p, &left, &of->size));
        of->weights = intake_linear_weights(c, i, 0);
        packed[i] = of->weights;
        if (of->size.groups > 0)
            packed[i] = intake_linear_weights(c, i, 1) + cost_packed(p, &of->size) / cost_weight(p);
        else
            all &= !takes_inputs(c, i);
        if (packed[i] > of->weights) {
            more += packed[i] - of->weights;
            any = 1;
        }
    }
    const int products = all && more <= cost_expand_weights() * (double)c->input.features;
    for (size_t i = 0; i < c->layers_count; i++) {
        if (!products && packed[i] > layers[i].weights) layers[i].size = (packed_size){.rows = 0};
        if (layers[i].size.groups > 0) layers[i].weights = packed[i];
    }
    *by_value = !all || (any && !products);
    return ANNULUS_OK;
}

annulus_status intake_set(circuit *c)
{
    intake taken[CIRCUIT_MAX_LAYERS];
    int by_value;
    TRY(intake_choose(c, circuit_inputs(c), taken, &by_value));
    for (size_t i = 0; i < c->layers_count; i++) c->layers[i].packed = taken[i].size;
    c->inputs_packed = !by_value;
    return ANNULUS_OK;
}
