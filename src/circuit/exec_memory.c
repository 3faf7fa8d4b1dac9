/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "circuit/exec_priv.h"

#define GRAIN 8u /* words of a cache line */
#define TOGETHER_BYTES ((size_t)256 << 20)

/* Words of a sample: where its ciphertexts lie, and the end. */
typedef struct places {
    size_t sums[CIRCUIT_MAX_LAYERS], values[CIRCUIT_MAX_LAYERS + 1], end;
} places;

struct exec_memory {
    places at;
    size_t samples;
    uint64_t *words; /* (samples, at.end) */
};

size_t exec_words(const circuit *c, size_t source)
{
    return lwe_words(&c->choice.families.of[circuit_family(c, source)]);
}

static size_t taken_from(const circuit *c, size_t first, size_t next, uint32_t sources[CIRCUIT_MAX_LAYERS + 1])
{
    size_t count = 0;
    for (size_t s = first; s <= next; s++) {
        const size_t last = circuit_last_use(c, s);
        if (last >= next && last < c->layers_count) sources[count++] = (uint32_t)s;
    }
    return count;
}

size_t exec_taken(const circuit *c, size_t next, uint32_t sources[CIRCUIT_MAX_LAYERS + 1])
{
    return taken_from(c, 0, next, sources);
}

size_t exec_live(const circuit *c, size_t next, uint32_t sources[CIRCUIT_MAX_LAYERS + 1])
{
    return taken_from(c, c->inputs_packed ? 1 : 0, next, sources);
}

size_t exec_live_words(const circuit *c, size_t next)
{
    uint32_t sources[CIRCUIT_MAX_LAYERS + 1];
    const size_t count = exec_live(c, next, sources);
    size_t words = 0;
    for (size_t k = 0; k < count; k++) words += circuit_source_values(c, sources[k]) * exec_words(c, sources[k]);
    return words;
}

/* Of `count` ciphertexts under the big key of a source. */
static size_t room(const circuit *c, size_t source, size_t count)
{
    return (count * exec_words(c, source) + GRAIN - 1) / GRAIN * GRAIN;
}

size_t exec_lowest(const exec_block *taken, size_t count, size_t size)
{
    size_t at = 0, before;
    do {
        before = at;
        for (size_t k = 0; k < count; k++) {
            const size_t end = taken[k].at + taken[k].size;
            if (at + size > taken[k].at && at < end) at = end;
        }
    } while (at != before);
    return at;
}

static size_t place(const exec_block *taken, size_t count, size_t words, size_t *end)
{
    const size_t at = exec_lowest(taken, count, words);
    if (at + words > *end) *end = at + words;
    return at;
}

/* Blocks of the sources that layer `next` or a later one takes. */
static size_t live_blocks(const circuit *c, const places *p, size_t next, exec_block *out)
{
    uint32_t sources[CIRCUIT_MAX_LAYERS + 1];
    const size_t live = exec_live(c, next, sources);
    for (size_t k = 0; k < live; k++)
        out[k] = (exec_block){p->values[sources[k]], room(c, sources[k], circuit_source_values(c, sources[k]))};
    return live;
}

static void find_places(const circuit *c, places *p)
{
    *p = (places){.end = c->inputs_packed ? 0 : room(c, 0, c->input.features)};
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        exec_block taken[CIRCUIT_MAX_LAYERS + 2];
        size_t count = live_blocks(c, p, i, taken);
        const size_t sums = room(c, l->sources[0], l->out);
        p->sums[i] = place(taken, count, sums, &p->end);
        if (exec_words(c, l->sources[0]) == exec_words(c, i + 1) && l->offsets == 1) {
            p->values[i + 1] = p->sums[i];
            continue;
        }
        p->values[i + 1] = SIZE_MAX / 2; /* nowhere yet */
        count = live_blocks(c, p, i + 1, taken);
        taken[count++] = (exec_block){p->sums[i], sums};
        p->values[i + 1] = place(taken, count, room(c, i + 1, circuit_values(l)), &p->end);
    }
}

size_t exec_memory_bytes(const circuit *c, size_t samples)
{
    places p;
    find_places(c, &p);
    return mem_bytes(samples * p.end * sizeof(uint64_t));
}

size_t exec_together(const circuit *c, size_t samples, unsigned threads)
{
    const size_t fit = TOGETHER_BYTES / exec_memory_bytes(c, 1);
    size_t most = 1;
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        const size_t wanted = (batches_slice(c->layers[i].EF, threads) + c->layers[i].out - 1) / c->layers[i].out;
        most = wanted > most ? wanted : most;
    }
    most = most > EXEC_MOST_TOGETHER ? EXEC_MOST_TOGETHER : most;
    most = most > fit ? fit : most;
    if (most <= 1 || samples <= 1) return 1;
    const size_t turns = (samples + most - 1) / most;
    return (samples + turns - 1) / turns;
}

annulus_status exec_memory_create(const circuit *c, size_t samples, exec_memory **out)
{
    void *p, *words;
    TRY(mem_create(1, sizeof(exec_memory), "memory of a run", &p));
    exec_memory *m = p;
    find_places(c, &m->at);
    m->samples = samples;
    const annulus_status st = mem_create(samples * m->at.end, sizeof(uint64_t), "ciphertexts", &words);
    m->words = words;
    if (st == ANNULUS_OK)
        *out = m;
    else
        exec_memory_destroy(m);
    return st;
}

void exec_memory_destroy(exec_memory *m)
{
    if (m == NULL) return;
    mem_free(m->words);
    mem_free(m);
}

size_t exec_memory_samples(const exec_memory *m)
{
    return m->samples;
}

uint64_t *exec_memory_sums(const exec_memory *m, size_t layer)
{
    return m->words + m->samples * m->at.sums[layer];
}

uint64_t *exec_memory_values(const exec_memory *m, size_t source)
{
    return m->words + m->samples * m->at.values[source];
}

int exec_memory_outlast(const circuit *c, const exec_memory *m, size_t layer)
{
    exec_block live[CIRCUIT_MAX_LAYERS + 1];
    const size_t count = live_blocks(c, &m->at, layer, live), at = m->at.values[layer + 1];
    const size_t end = at + room(c, layer + 1, circuit_values(&c->layers[layer]));
    for (size_t k = 0; k < count; k++)
        if (at < live[k].at + live[k].size && live[k].at < end) return 0;
    return 1;
}
