/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of rows that are translates of each other (packed.h). */
#include "base/divisor.h"
#include "base/memory.h"
#include "base/random.h"
#include "tfhe/packed_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct packed_tap {
    uint32_t input;
    int64_t weight;
} packed_tap;

annulus_status packed_rows_create(const tfhe_params *p, size_t rows, size_t count, packed_rows **out)
{
    void *q;
    TRY(mem_create(1, sizeof(packed_rows), "packed weights", &q));
    packed_rows *r = q;
    *r = (packed_rows){.p = *p, .count = count, .fit = 1, .table_size = 2};
    r->size = (packed_size){.rows = rows, .ciphertexts = packed_ciphertexts(p, count)};
    while (r->table_size < 2 * rows) r->table_size *= 2;
    annulus_status st = mem_create(rows, sizeof *r->rows, "packed weights", &q);
    r->rows = q;
    if (st == ANNULUS_OK) st = mem_create(r->table_size, sizeof *r->table, "packed weights", &q);
    if (st == ANNULUS_OK) r->table = q;
    if (st == ANNULUS_OK) st = mem_create(count, sizeof *r->taps, "packed weights", &q);
    if (st == ANNULUS_OK) r->taps = q;
    if (st == ANNULUS_OK)
        *out = r;
    else
        packed_rows_destroy(r);
    return st;
}

void packed_rows_destroy(packed_rows *r)
{
    if (r == NULL) return;
    void *const parts[] = {r->rows, r->groups, r->polys, r->weights, r->table, r->taps};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mem_free(parts[i]);
    mem_free(r);
}

/* *out <- the first `used` members of `size` bytes of p, which is freed, in room for `room` or more. */
static annulus_status move(void *p, size_t size, size_t used, size_t room, void **out)
{
    TRY(mem_create(room, size, "packed weights", out));
    if (used > 0) memcpy(*out, p, used * size);
    mem_free(p);
    return ANNULUS_OK;
}

/* The same where there is not room for `wanted` yet, else p. */
static annulus_status grow(void *p, size_t size, size_t used, size_t wanted, size_t *room, void **out)
{
    const size_t more = wanted > 2 * *room ? wanted : 2 * *room;
    *out = p;
    if (wanted <= *room) return ANNULUS_OK;
    TRY(move(p, size, used, more, out));
    *room = more;
    return ANNULUS_OK;
}

static int by_input(const void *a, const void *b)
{
    const packed_tap *x = a, *y = b;
    return (x->input > y->input) - (x->input < y->input);
}

/* Returns how many there are, by input. */
static size_t list_taps(packed_rows *r, const uint32_t *input, const int64_t *weight, size_t taken, size_t first)
{
    size_t count = 0;
    int sorted = 1;
    for (size_t i = 0; i < taken; i++) {
        if (weight[i] == 0 || input[i] < first || input[i] - first >= r->count) continue;
        REQUIRE(count < r->count);
        r->taps[count] = (packed_tap){(uint32_t)(input[i] - first), weight[i]};
        sorted &= count == 0 || r->taps[count - 1].input < r->taps[count].input;
        count++;
    }
    if (!sorted) qsort(r->taps, count, sizeof *r->taps, by_input);
    return count;
}

/* The common factor of the row at hand, which is taken out; 0: the rest is too large. */
static uint64_t take_factor(packed_rows *r, size_t count)
{
    uint64_t factor = count == 0;
    double square = 0;
    for (size_t i = 0; i < count && factor != 1; i++) {
        const int64_t w = r->taps[i].weight;
        factor = (uint64_t)common_divisor(w < 0 ? -w : w, (int64_t)factor);
    }
    for (size_t i = 0; i < count; i++) {
        if (factor != 1) r->taps[i].weight /= (int64_t)factor;
        square += (double)r->taps[i].weight * (double)r->taps[i].weight;
    }
    return square <= PACKED_NORM_MOST * PACKED_NORM_MOST ? factor : 0;
}

/* Of weights and distances between inputs. */
static uint64_t hash_of(const packed_rows *r, size_t count, uint64_t factor)
{
    uint64_t hash = factor + (count == 0 ? 0 : r->taps[0].input / r->p.N);
    for (size_t i = 0; i < count; i++)
        hash = random_mix(hash ^ (uint64_t)r->taps[i].weight << 32 ^ (r->taps[i].input - r->taps[0].input));
    return hash;
}

/* Whether the row at hand is a translate of the group's first, and how many coefficients its inputs are behind. */
static int translates(const packed_rows *r, const packed_group *group, size_t count, uint64_t factor, int32_t *behind)
{
    const size_t first = r->polys[group->poly].first, N = r->p.N;
    if (group->factor != factor || r->polys[group[1].poly].first - first != count) return 0;
    *behind = count == 0 ? 0 : (int32_t)(r->taps[0].input % N) - r->weights[first].at;
    size_t poly = group->poly;
    for (size_t i = 0; i < count; i++) {
        const packed_weight *w = &r->weights[first + i];
        while (first + i >= r->polys[poly + 1].first) poly++;
        if (r->taps[i].weight != w->weight || r->taps[i].input / N != r->polys[poly].ciphertext ||
            (int32_t)(r->taps[i].input % N) - w->at != *behind)
            return 0;
    }
    return 1;
}

static annulus_status add_group(packed_rows *r, size_t count, uint64_t factor)
{
    packed_size *s = &r->size;
    size_t polys = 0;
    void *q;
    for (size_t i = 0; i < count; i++) polys += i == 0 || r->taps[i].input / r->p.N != r->taps[i - 1].input / r->p.N;
    TRY(grow(r->groups, sizeof *r->groups, s->groups, s->groups + 2, &r->groups_room, &q));
    r->groups = q;
    TRY(grow(r->polys, sizeof *r->polys, s->polys, s->polys + polys + 1, &r->polys_room, &q));
    r->polys = q;
    TRY(grow(r->weights, sizeof *r->weights, s->weights, s->weights + count, &r->weights_room, &q));
    r->weights = q;
    r->groups[s->groups++] = (packed_group){.poly = s->polys, .head = r->added, .factor = factor};
    for (size_t i = 0; i < count; i++) {
        const packed_tap *t = &r->taps[i];
        const uint32_t ciphertext = t->input / r->p.N;
        if (i == 0 || ciphertext != r->polys[s->polys - 1].ciphertext)
            r->polys[s->polys++] = (packed_poly){ciphertext, s->weights};
        r->weights[s->weights++] = (packed_weight){(uint16_t)(t->input % r->p.N), (int16_t)t->weight};
    }
    r->groups[s->groups].poly = s->polys;
    r->polys[s->polys].first = s->weights;
    return ANNULUS_OK;
}

annulus_status packed_rows_add(packed_rows *r, const uint32_t *input, const int64_t *weight, size_t taken, size_t first)
{
    const size_t count = list_taps(r, input, weight, taken, first);
    const uint64_t factor = take_factor(r, count);
    REQUIRE(r->added < r->size.rows);
    r->fit &= factor != 0;
    if (!r->fit) return ANNULUS_OK;
    int32_t behind = 0;
    size_t at = hash_of(r, count, factor) & (r->table_size - 1);
    while (r->table[at] != 0 && !translates(r, &r->groups[r->table[at] - 1], count, factor, &behind))
        at = (at + 1) & (r->table_size - 1);
    if (r->table[at] == 0) {
        behind = 0;
        TRY(add_group(r, count, factor));
        r->table[at] = (uint32_t)r->size.groups;
    }
    packed_group *group = &r->groups[r->table[at] - 1];
    if (behind > group->behind) {
        group->behind = behind;
        group->head = r->added;
    }
    r->rows[r->added++] = (packed_row){r->table[at] - 1, behind};
    return ANNULUS_OK;
}

int packed_rows_fit(const packed_rows *r)
{
    return r->fit;
}

packed_size packed_rows_size(const packed_rows *r)
{
    return r->size;
}

annulus_status packed_rows_finish(packed_rows *r)
{
    const packed_size *s = &r->size;
    void *q;
    REQUIRE(r->fit && r->added == s->rows);
    for (size_t i = 0; i < s->rows; i++) r->rows[i].shift = r->groups[r->rows[i].group].behind - r->rows[i].shift;
    for (size_t g = 0; g < s->groups; g++) {
        const size_t end = r->polys[r->groups[g + 1].poly].first;
        for (size_t i = r->polys[r->groups[g].poly].first; i < end; i++)
            r->weights[i].at = (uint16_t)(r->weights[i].at + r->groups[g].behind);
    }
    TRY(move(r->groups, sizeof *r->groups, s->groups + 1, s->groups + 1, &q));
    r->groups = q;
    TRY(move(r->polys, sizeof *r->polys, s->polys + 1, s->polys + 1, &q));
    r->polys = q;
    TRY(move(r->weights, sizeof *r->weights, s->weights, s->weights, &q));
    r->weights = q;
    mem_free(r->table);
    mem_free(r->taps);
    r->table = NULL;
    r->taps = NULL;
    return ANNULUS_OK;
}

size_t packed_rows_memory(const packed_size *s)
{
    return mem_bytes(s->rows * sizeof(packed_row)) + mem_bytes((s->groups + 1) * sizeof(packed_group)) +
           mem_bytes((s->polys + 1) * sizeof(packed_poly)) + mem_bytes(s->weights * sizeof(packed_weight));
}
