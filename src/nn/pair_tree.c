/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/pair_tree.h"

#include "base/memory.h"

#include <string.h>

#define MOST_STEPS ((size_t)1 << 22)

void pair_tree_clear(pair_tree *t)
{
    mem_free(t->steps);
    mem_free(t->table);
    *t = (pair_tree){0};
}

static uint32_t terms_of(const pair_tree *t, uint32_t node)
{
    return node < t->values ? 0 : t->steps[node - t->values].terms;
}

/* Where a step on these nodes is, or would be. */
static size_t slot_of(const pair_tree *t, uint32_t kept, uint32_t other)
{
    const uint64_t key = (uint64_t)kept << 32 | other;
    size_t slot = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (t->slots - 1);
    for (; t->table[slot] != 0; slot = (slot + 1) & (t->slots - 1)) {
        const pair_step *s = &t->steps[t->table[slot] - 1];
        if (s->kept == kept && s->other == other) break;
    }
    return slot;
}

/* Room for one step more; the table is at most half full. */
static annulus_status grow(pair_tree *t)
{
    void *p;
    if (t->steps_count < t->capacity) return ANNULUS_OK;
    const size_t capacity = t->capacity == 0 ? 256 : 2 * t->capacity;
    if (capacity > MOST_STEPS) return fail(ANNULUS_ERR_INPUT, "the largest of so many values takes too many look-ups");
    TRY(mem_create(capacity, sizeof(pair_step), "steps", &p));
    if (t->steps_count > 0) memcpy(p, t->steps, t->steps_count * sizeof *t->steps);
    mem_free(t->steps);
    t->steps = p;
    t->capacity = capacity;
    mem_free(t->table);
    t->table = NULL;
    TRY(mem_create(2 * capacity, sizeof(uint32_t), "steps", &p));
    t->table = p;
    t->slots = 2 * capacity;
    for (size_t i = 0; i < t->steps_count; i++)
        t->table[slot_of(t, t->steps[i].kept, t->steps[i].other)] = (uint32_t)i + 1;
    return ANNULUS_OK;
}

static annulus_status pair(pair_tree *t, uint32_t a, uint32_t b, uint32_t *out)
{
    TRY(grow(t));
    const int swap = terms_of(t, b) < terms_of(t, a);
    const uint32_t kept = swap ? b : a, other = swap ? a : b;
    const size_t slot = slot_of(t, kept, other);
    if (t->table[slot] == 0) {
        const uint32_t of_kept = pair_tree_level(t, kept), of_other = pair_tree_level(t, other);
        const uint32_t level = 1 + (of_kept > of_other ? of_kept : of_other);
        t->steps[t->steps_count++] = (pair_step){kept, other, level, 1 + terms_of(t, kept)};
        t->table[slot] = (uint32_t)t->steps_count;
        if (level > t->levels) t->levels = level;
    }
    *out = (uint32_t)t->values + t->table[slot] - 1;
    return ANNULUS_OK;
}

annulus_status pair_tree_join(pair_tree *t, uint32_t *nodes, uint32_t *at, size_t count, uint32_t *out)
{
    while (count > 1) {
        size_t left = 0;
        for (size_t i = 0; i < count; left++) {
            const int two = i + 1 < count && at[i] % 2 == 0 && at[i + 1] == at[i] + 1;
            uint32_t node = nodes[i];
            if (two) TRY(pair(t, nodes[i], nodes[i + 1], &node));
            at[left] = at[i] / 2;
            nodes[left] = node;
            i += two ? 2 : 1;
        }
        count = left;
    }
    *out = nodes[0];
    return ANNULUS_OK;
}

uint32_t pair_tree_leaf(const pair_tree *t, uint32_t node)
{
    while (node >= t->values) node = t->steps[node - t->values].kept;
    return node;
}
