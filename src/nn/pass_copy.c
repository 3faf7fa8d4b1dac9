/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "nn/pass.h"

static annulus_status gather(dense_layer *l)
{
    void *p;
    TRY(linear_dense(l->W, l->out, l->in, &l->linear));
    mem_free(l->W);
    l->W = NULL;
    TRY(mem_create(l->out, sizeof *l->channel, "channels", &p));
    l->channel = p;
    for (size_t o = 0; o < l->out; o++) l->channel[o] = (uint32_t)o;
    return ANNULUS_OK;
}

/* What passes count on is given; what training knows of the layer, which they do not keep up, is not. */
static annulus_status prepare(network *n, size_t i)
{
    dense_layer *l = &n->layers[i];
    void *p;
    if (l->W != NULL) TRY(gather(l));
    l->sources_count = network_sources(n, i, l->sources);
    l->number = (uint32_t)network_number(n, i);
    l->windows = l->average = (gather_windows){.channels = 0};
    l->known = 0;
    l->weight_bits = 16;
    if (l->constant != NULL) return ANNULUS_OK;
    TRY(mem_create(l->out, sizeof *l->constant, "constants", &p));
    l->constant = p;
    return ANNULUS_OK;
}

annulus_status pass_copy(const network *n, network **out)
{
    network *c = NULL;
    annulus_status st = network_copy(n, &c);
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++) st = prepare(c, i);
    if (st == ANNULUS_OK)
        *out = c;
    else
        network_destroy(c);
    return st;
}
