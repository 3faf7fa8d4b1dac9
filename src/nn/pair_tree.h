/* SPDX-License-Identifier: Apache-2.0 */
/* The largest of several values in steps of two each, those of many lists together: steps on the same two values are
 * one. */
#ifndef NN_PAIR_TREE_H
#define NN_PAIR_TREE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* A step: the larger (or smaller) of two nodes. Nodes 0 to values - 1 are the values, values + i is step i. The result
 * is that of `kept` plus what the step looks up. */
typedef struct pair_step {
    uint32_t kept, other;
    uint32_t level; /* 1: of two values; else one more than the higher level of both */
    uint32_t terms; /* look-ups that the result is the sum of, besides a value: kept is that of fewer */
} pair_step;

typedef struct pair_tree { /* begins as {.values = their number} */
    size_t values, steps_count, capacity, slots;
    pair_step *steps;
    uint32_t *table; /* (slots) step number + 1 by its nodes; open addressing */
    uint32_t levels; /* of the highest step; 0: none */
} pair_tree;

void pair_tree_clear(pair_tree *t);
/* Joins count >= 1 nodes in the list at nodes, which is used up; *out: the node of them all. Lists over numbered places
 * share steps where they overlap: at[i], in rising order, is the place of node i, used up too. ceil(log2(count)) levels
 * if at[0] is even, at most one more else. */
annulus_status pair_tree_join(pair_tree *t, uint32_t *nodes, uint32_t *at, size_t count, uint32_t *out)
    __attribute__((warn_unused_result));
/* The value that node's result begins with. */
uint32_t pair_tree_leaf(const pair_tree *t, uint32_t node);
static inline uint32_t pair_tree_level(const pair_tree *t, uint32_t node)
{
    return node < t->values ? 0 : t->steps[node - t->values].level;
}
#endif
