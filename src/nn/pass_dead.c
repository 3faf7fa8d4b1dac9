/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "nn/pass_priv.h"

/* Neurons of hidden layer i of which nothing is read: gone, as if they gave 0. */
static annulus_status layer_dead(network *n, size_t i, pass_fate *fate)
{
    const dense_layer *l = &n->layers[i];
    void *p;
    TRY(mem_create(dense_layer_values(l), 1, "neurons", &p));
    unsigned char *read = p;
    network_find_read(n, i + 1, read);
    for (size_t o = 0; o < l->out; o++) {
        int any = 0;
        for (size_t j = 0; j < l->offsets; j++) any |= read[o * l->offsets + j];
        if (!any) fate->as[o] = PASS_CONSTANT;
    }
    mem_free(p);
    return ANNULUS_OK;
}

annulus_status pass_dead(network *n, size_t *count)
{
    *count = 0;
    for (size_t i = n->layers_count - 1; i-- > 0;) { /* what the removed ones read may be dead then */
        pass_fate fate;
        size_t removed = 0;
        TRY(pass_fate_create(&n->layers[i], &fate));
        annulus_status st = layer_dead(n, i, &fate);
        if (st == ANNULUS_OK) st = pass_remove(n, i, &fate, &removed);
        pass_fate_clear(&fate);
        TRY(st);
        *count += removed;
    }
    return ANNULUS_OK;
}
