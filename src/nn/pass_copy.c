/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "nn/pass.h"

#include <string.h>

static annulus_status layer_copy(const network *n, size_t i, dense_layer *to)
{
    const dense_layer *l = &n->layers[i];
    circuit_linear linear = {0};
    const annulus_status st =
        l->W != NULL ? linear_dense(l->W, l->out, l->in, &linear) : linear_copy(&l->linear, &linear);
    if (st != ANNULUS_OK) {
        linear_clear(&linear);
        return st;
    }
    TRY(gathered_layer_create(l->in, l->out, &linear, to));
    memcpy(to->w_scale, l->w_scale, l->out * sizeof *l->w_scale);
    memcpy(to->bias, l->bias, l->out * sizeof *l->bias);
    for (size_t o = 0; o < l->out; o++) to->channel[o] = l->channel == NULL ? (uint32_t)o : l->channel[o];
    to->act = l->act, to->rise = l->rise, to->own = l->own, to->offsets = l->offsets, to->noise = l->noise;
    to->out_q = l->out_q;
    to->proven = l->proven, to->rounding_bits = l->rounding_bits;
    to->sources_count = network_sources(n, i, to->sources);
    memcpy(to->op, l->op, sizeof to->op);
    to->number = l->number == 0 ? (uint32_t)i + 1 : l->number;
    void *p;
    TRY(mem_create(l->out, sizeof(double), "constants", &p));
    to->constant = p;
    if (l->constant != NULL) memcpy(p, l->constant, l->out * sizeof *l->constant);
    if (l->bound == NULL) return ANNULUS_OK;
    TRY(mem_create(2 * l->out, sizeof(double), "bounds", &p));
    to->bound = p;
    memcpy(p, l->bound, 2 * l->out * sizeof *l->bound);
    return ANNULUS_OK;
}

annulus_status pass_copy(const network *n, network **out)
{
    network *c = NULL;
    TRY(network_create(n->inputs, n->layers_count, &c));
    memcpy(c->shift, n->shift, n->inputs * sizeof *n->shift);
    memcpy(c->gain, n->gain, n->inputs * sizeof *n->gain);
    c->input = n->input;
    c->task = n->task;
    c->argmax = n->argmax;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++) st = layer_copy(n, i, &c->layers[i]);
    if (st == ANNULUS_OK)
        st = network_set_labels(c, (const char *const *)n->labels, n->layers[n->layers_count - 1].out);
    if (st == ANNULUS_OK)
        *out = c;
    else
        network_destroy(c);
    return st;
}
