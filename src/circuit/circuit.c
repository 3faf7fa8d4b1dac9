/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/circuit.h"

#include "base/memory.h"
#include "math/matrix.h"
#include <math.h>

annulus_status circuit_create(size_t layers, circuit **out)
{
    if (layers == 0 || layers > CIRCUIT_MAX_LAYERS)
        return fail(ANNULUS_ERR_INPUT, "a circuit of %zu layers: 1 to %u are possible", layers, CIRCUIT_MAX_LAYERS);
    void *c, *l;
    TRY(mem_create(1, sizeof(circuit), "circuit", &c));
    const annulus_status st = mem_create(layers, sizeof(circuit_layer), "circuit", &l);
    if (st != ANNULUS_OK) {
        mem_free(c);
        return st;
    }
    ((circuit *)c)->layers = l;
    ((circuit *)c)->layers_count = layers;
    *out = c;
    return ANNULUS_OK;
}

static annulus_status array(size_t count, size_t size, void **out)
{
    return mem_create(count, size, "circuit layer", out);
}

annulus_status circuit_layer_create(circuit_layer *l)
{
    void *p;
    if (l->offsets == 0) l->offsets = 1;
    TRY(array(l->in * l->out, sizeof *l->W, &p));
    l->W = p;
    double **reals[] = {&l->real_scale, &l->real_bias};
    for (size_t i = 0; i < 2; i++) {
        TRY(array(l->out, sizeof(double), &p));
        *reals[i] = p;
    }
    int64_t **ranges[] = {&l->proven_lo, &l->proven_hi, &l->measured_lo, &l->measured_hi, &l->lo, &l->hi, &l->offset};
    for (size_t i = 0; i < 7; i++) {
        TRY(array(l->out, sizeof(int64_t), &p));
        *ranges[i] = p;
    }
    if (l->cells == 0) return ANNULUS_OK;
    TRY(array(circuit_tables(l) * l->cells, sizeof *l->table, &p));
    l->table = p;
    if (l->unit == 0) return ANNULUS_OK;
    TRY(array(l->out, sizeof *l->shift, &p));
    l->shift = p;
    return ANNULUS_OK;
}

static void layer_destroy(circuit_layer *l)
{
    void *const parts[] = {l->W,           l->real_scale, l->real_bias, l->proven_lo, l->proven_hi, l->measured_lo,
                           l->measured_hi, l->lo,         l->hi,        l->offset,    l->table,     l->shift};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mem_free(parts[i]);
}

void circuit_destroy(circuit *c)
{
    if (c == NULL) return;
    if (c->labels != NULL)
        for (size_t i = 0; i < circuit_last(c)->out; i++) mem_free(c->labels[i]);
    mem_free(c->labels);
    for (size_t i = 0; i < c->layers_count; i++) layer_destroy(&c->layers[i]);
    mem_free(c->layers);
    mem_free(c->input.shift);
    mem_free(c->input.gain);
    mem_free(c);
}

annulus_status circuit_digest(circuit *c)
{
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    annulus_status st = w.status;
    if (st == ANNULUS_OK) st = bytes_sha256(w.p, w.len, c->digest);
    writer_clear(&w);
    return st;
}

static double largest_norm(const circuit_layer *l)
{
    double most = 0;
    for (size_t o = 0; o < l->out; o++) {
        double sum = 0;
        for (size_t i = 0; i < l->in; i++) sum += (double)l->W[o * l->in + i] * l->W[o * l->in + i];
        most = fmax(most, sum);
    }
    return sqrt(most);
}

void circuit_lookup_layers(const circuit *c, lookup_layer *out)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const int last = l->cells == 0;
        double weights = cost_linear_weights(l->out, l->in, matrix_weight_limbs(l->W, l->out * l->in));
        if (i == 0) weights += cost_expand_weights() * (double)l->in;
        out[i] = (lookup_layer){.name = l->name,
                                .half_window = circuit_half_window(l),
                                .cells = l->unit != 0 ? l->cells / 2 : l->cells, /* a step a cell is enough */
                                .count = l->out,
                                .weights = weights,
                                .is_output = last,
                                .log2_error = l->log2_error,
                                .phase_std = l->noise};
        *(i == 0 ? &out[i].fresh_two_norm : &out[i].two_norm) = largest_norm(l);
    }
}

/* Keyswitches that no look-up needs. */
static void drop_switches(circuit *c)
{
    tfhe_families *f = &c->choice.families;
    for (uint32_t i = 0; i < f->count; i++) {
        if (!circuit_switches(c, i, i)) f->of[i].ks_l = f->of[i].ks_b = 0;
        if (!circuit_switches(c, tfhe_other_family(i), i)) f->into[i].l = f->into[i].b = 0;
    }
}

annulus_status circuit_choose_parameters(circuit *c, search_objective minimize, uint32_t families_most)
{
    lookup_layer layers[CIRCUIT_MAX_LAYERS];
    circuit_lookup_layers(c, layers);
    const optimizer_request request = {.layers = layers,
                                       .layers_count = c->layers_count,
                                       .target = c->target,
                                       .log2_error = c->log2_error,
                                       .level = c->level,
                                       .minimize = minimize,
                                       .families_most = families_most};
    TRY(optimizer_search(&request, &c->choice));
    for (size_t i = 0; i < c->layers_count; i++) {
        c->layers[i].family = c->choice.layers[i].family;
        c->layers[i].EF = c->choice.layers[i].EF;
        c->layers[i].price = c->choice.layers[i].price;
    }
    drop_switches(c);
    return ANNULUS_OK;
}

int circuit_switches(const circuit *c, uint32_t from, uint32_t into)
{
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].cells != 0 && circuit_source(c, i) == from && c->layers[i].family == into) return 1;
    return 0;
}

double circuit_switch_noise(const circuit *c, size_t i)
{
    const circuit_layer *l = &c->layers[i];
    const tfhe_params p = tfhe_switch_params(&c->choice.families, circuit_source(c, i), l->family);
    return noise_keyswitch(&p) + noise_modulus_switch(&c->choice.families.of[l->family], l->EF, l->price);
}

double circuit_largest_bound(const circuit *c)
{
    double most = -INFINITY;
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].noise == 0) most = fmax(most, circuit_bound(c, &c->layers[i]));
    return most;
}

int circuit_shared_output(const circuit *c)
{
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].step != 1 || c->layers[i].noise != 0) return 0;
    return circuit_exact_output(c) && circuit_largest_bound(c) <= CIRCUIT_SHARED_LOG2_ERROR;
}

annulus_status circuit_quantize(const circuit *c, const float *x, int saturate, int32_t *q)
{
    const circuit_input *in = &c->input;
    for (size_t i = 0; i < in->features; i++) {
        if (!isfinite(x[i])) return fail(ANNULUS_ERR_INPUT, "feature %zu is not a finite number", i + 1);
        const double v = floor((x[i] - in->shift[i]) * in->gain[i] / in->scale + 0.5);
        if (!saturate && (v < in->lo || v > in->hi)) {
            const double a = in->lo * in->scale / in->gain[i] + in->shift[i];
            const double b = in->hi * in->scale / in->gain[i] + in->shift[i];
            return fail(
                ANNULUS_ERR_INPUT,
                "feature %zu is %g, outside the range %g to %g that the circuit was made for; correct it or ask to "
                "saturate",
                i + 1, (double)x[i], fmin(a, b), fmax(a, b));
        }
        q[i] = (int32_t)fmin(fmax(v, in->lo), in->hi);
    }
    return ANNULUS_OK;
}
