/* SPDX-License-Identifier: Apache-2.0 */
/* Which values of a circuit are of one family of keys. */
#include "circuit/circuit.h"

/* Groups by their least source: of[s] is that of source s. */
typedef struct groups {
    const circuit *c;
    uint32_t of[CIRCUIT_MAX_LAYERS + 1];
    int changed;
} groups;

static void join(groups *g, uint32_t a, uint32_t b)
{
    const uint32_t least = g->of[a] < g->of[b] ? g->of[a] : g->of[b], other = g->of[a] ^ g->of[b] ^ least;
    if (least == other) return;
    for (size_t s = 0; s <= g->c->layers_count; s++)
        if (g->of[s] == other) g->of[s] = least;
    g->changed = 1;
}

/* A group follows one other, that of the inputs none. */
static void join_before(groups *g)
{
    uint32_t before[CIRCUIT_MAX_LAYERS + 1];
    for (uint32_t s = 0; s <= g->c->layers_count; s++) before[s] = s;
    for (uint32_t i = 0; i < g->c->layers_count; i++) {
        const uint32_t into = g->of[i + 1], from = g->of[g->c->layers[i].sources[0]];
        if (from == into) continue;
        if (into == 0 || before[into] != into)
            join(g, into == 0 ? 0 : before[into], from);
        else
            before[into] = from;
        if (g->changed) return;
    }
}

void circuit_links(const circuit *c, layer_link *out)
{
    groups g = {.c = c};
    uint32_t number[CIRCUIT_MAX_LAYERS + 1], count = 0;
    for (uint32_t s = 0; s <= c->layers_count; s++) g.of[s] = s;
    join(&g, 0, 1);
    for (uint32_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        for (size_t k = 1; k < l->sources_count; k++) join(&g, l->sources[0], l->sources[k]);
        if (l->cells == 0) join(&g, i + 1, l->sources[0]);
    }
    do {
        g.changed = 0;
        join_before(&g);
    } while (g.changed);
    for (uint32_t s = 0; s <= c->layers_count; s++) number[s] = g.of[s] == s ? count++ : number[g.of[s]];
    for (size_t i = 0; i < c->layers_count; i++) {
        const uint32_t source = c->layers[i].sources[0];
        out[i] = (layer_link){.source = source, .from = number[source], .into = number[i + 1]};
    }
}
