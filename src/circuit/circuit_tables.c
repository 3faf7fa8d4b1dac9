/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "circuit/circuit.h"

#include <stdlib.h>
#include <string.h>

typedef struct tables {
    const int32_t *entries; /* (count,cells), of a list those of all its tables */
    size_t cells;
} tables;

/* Equal tables next to each other, the first of them first. */
static int by_entries(const void *a, const void *b, void *context)
{
    const tables *t = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int order = memcmp(t->entries + x * t->cells, t->entries + y * t->cells, t->cells * sizeof *t->entries);
    return order != 0 ? order : (x > y) - (x < y);
}

/* number (tables) <- that of each among the distinct ones, in the order of their first; returns how many they are. */
static size_t number_tables(const circuit_layer *l, uint32_t *sorted, uint32_t *number)
{
    const size_t entries = circuit_table_entries(l);
    tables t = {.entries = l->table, .cells = entries};
    size_t distinct = 0;
    for (size_t i = 0; i < l->tables; i++) sorted[i] = (uint32_t)i;
    qsort_r(sorted, l->tables, sizeof *sorted, by_entries, &t);
    for (size_t i = 0, first = 0; i < l->tables; i++) {
        const int32_t *a = l->table + sorted[first] * entries, *b = l->table + sorted[i] * entries;
        if (memcmp(a, b, entries * sizeof *a) != 0) first = i;
        number[sorted[i]] = sorted[first];
    }
    for (size_t i = 0; i < l->tables; i++) number[i] = number[i] == i ? (uint32_t)distinct++ : number[number[i]];
    return distinct;
}

/* number (tables) <- that of each table that a value has; returns how many they are. */
static size_t number_used(const circuit_layer *l, uint32_t *used, uint32_t *number)
{
    size_t count = 0;
    memset(used, 0, l->tables * sizeof *used);
    for (size_t o = 0; o < circuit_tabled(l); o++) used[l->table_of[o]] = 1;
    for (size_t t = 0; t < l->tables; t++) number[t] = used[t] ? (uint32_t)count++ : UINT32_MAX;
    return count;
}

/* number[t] <= t, or UINT32_MAX: no table any more. */
static void renumber(circuit_layer *l, const uint32_t *number, size_t count)
{
    const size_t entries = circuit_table_entries(l);
    for (size_t t = 0; t < l->tables; t++) /* never onto one that is still to move */
        if (number[t] != t && number[t] != UINT32_MAX)
            memcpy(l->table + number[t] * entries, l->table + t * entries, entries * sizeof *l->table);
    for (size_t o = 0; o < circuit_tabled(l); o++) l->table_of[o] = number[l->table_of[o]];
    l->tables = count;
}

annulus_status circuit_share_tables(circuit *c, size_t *shared)
{
    *shared = 0;
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        void *p;
        TRY(mem_create(2 * l->tables, sizeof(uint32_t), "look-up tables", &p));
        uint32_t *number = (uint32_t *)p + l->tables;
        const size_t all = number_used(l, p, number);
        renumber(l, number, all);
        const size_t distinct = number_tables(l, p, number);
        renumber(l, number, distinct);
        *shared += all - distinct;
        mem_free(p);
    }
    return ANNULUS_OK;
}
