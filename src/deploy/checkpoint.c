/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/checkpoint.h"

#include "base/clock.h"
#include "base/memory.h"
#include "deploy/container.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LEAST_COSTS 20.0 /* so that checkpoints take 5 % of a run at most */

static annulus_status other_run(const reader *r, const char *what)
{
    return read_fail(r, "this run had %s; give its own, or remove the file to start anew", what);
}

static annulus_status state_read(reader *r, annulus_output *y, checkpoint *p)
{
    binding of;
    uint8_t inputs[2][32];
    uint64_t count = 0, sample = 0, layer = 0, together = 0;
    void *values;
    TRY(binding_read(r, &of));
    if (memcmp(of.circuit, p->c->digest, sizeof of.circuit) != 0) return other_run(r, "another circuit");
    if (memcmp(of.key, p->x->of.key, sizeof of.key) != 0) return other_run(r, "other keys");
    TRY(read_bytes(r, inputs, sizeof inputs));
    TRY(read_u64(r, &count));
    if (memcmp(inputs, p->inputs, sizeof inputs) != 0 || count != p->x->count)
        return other_run(r, "other encrypted samples");
    TRY(read_u64(r, &sample));
    TRY(read_u64(r, &layer));
    TRY(read_u64(r, &together));
    const uint64_t most = layer == 0 ? 0 : EXEC_MOST_TOGETHER;
    if (sample > count || layer >= p->c->layers_count || together > most || together > count - sample ||
        (layer != 0 && together == 0))
        return read_fail(r, "stands at layer %llu of sample %llu, %llu together", (unsigned long long)layer,
                         (unsigned long long)sample, (unsigned long long)together);
    TRY(read_bytes(r, y->answers, (size_t)sample * y->bytes));
    p->sample = (size_t)sample;
    p->layer = (size_t)layer;
    p->together = (size_t)together;
    p->last.sample = p->sample, p->last.layer = p->layer;
    if (layer == 0) return read_end(r);
    const size_t words = p->together * exec_live_words(p->c, p->layer);
    TRY(read_holds(r, words, sizeof(uint64_t)));
    TRY(mem_create(words, sizeof(uint64_t), "ciphertexts", &values));
    p->values = values;
    TRY(read_u64s(r, p->values, words));
    return read_end(r);
}

annulus_status checkpoint_open(const char *path, const circuit *c, const annulus_input *x, annulus_output *y,
                               checkpoint *out)
{
    container file;
    *out = (checkpoint){.path = path, .c = c, .x = x, .last.end = clock_seconds(CLOCK_MONOTONIC)};
    if (path == NULL) return ANNULUS_OK;
    TRY(bytes_sha256(x->seeds, x->count * sizeof *x->seeds, out->inputs[0]));
    TRY(bytes_sha256(x->body, x->count * x->features * sizeof *x->body, out->inputs[1]));
    if (access(path, F_OK) != 0 && errno == ENOENT) return ANNULUS_OK;
    TRY(container_read(path, CONTAINER_CHECKPOINT, &file));
    const annulus_status st = state_read(&file.body, y, out);
    container_clear(&file);
    if (st != ANNULUS_OK) checkpoint_close(out);
    return st;
}

void checkpoint_close(checkpoint *p)
{
    mem_free(p->values);
    p->values = NULL;
}

static size_t state_bytes(const checkpoint *p, const annulus_output *y, const exec_ciphertexts *live, size_t count)
{
    size_t bytes = p->sample * y->bytes;
    for (size_t k = 0; k < count; k++) bytes += live[k].words * sizeof(uint64_t);
    return bytes + 1;
}

static annulus_status state_write(checkpoint *p, const annulus_output *y, size_t layer, const exec_ciphertexts *live,
                                  size_t count)
{
    const double start = clock_seconds(CLOCK_MONOTONIC);
    writer w;
    writer_init(&w, 0);
    binding_write(&w, &p->x->of);
    write_bytes(&w, p->inputs, sizeof p->inputs);
    write_u64(&w, p->x->count);
    write_u64(&w, p->sample);
    write_u64(&w, layer);
    write_u64(&w, layer == 0 ? 0 : p->together);
    write_bytes(&w, y->answers, p->sample * y->bytes);
    for (size_t k = 0; k < count; k++) write_u64s(&w, live[k].ct, live[k].words);
    const annulus_status st = container_write(p->path, CONTAINER_CHECKPOINT, &w);
    writer_clear(&w);
    if (st != ANNULUS_OK) return st;
    p->last.sample = p->sample, p->last.layer = layer, p->last.bytes = state_bytes(p, y, live, count);
    p->last.end = clock_seconds(CLOCK_MONOTONIC);
    p->last.took = p->last.end - start;
    return ANNULUS_OK;
}

annulus_status checkpoint_keep(checkpoint *p, const annulus_output *y, size_t layer, const exec_ciphertexts *live,
                               size_t count)
{
    if (p->path == NULL) return ANNULUS_OK;
    if (p->last.bytes > 0) {
        const double more = (double)state_bytes(p, y, live, count) / (double)p->last.bytes;
        if (clock_seconds(CLOCK_MONOTONIC) - p->last.end < LEAST_COSTS * p->last.took * more) return ANNULUS_OK;
    }
    return state_write(p, y, layer, live, count);
}

annulus_status checkpoint_stop(checkpoint *p, const annulus_output *y, size_t layer, const exec_ciphertexts *live,
                               size_t count)
{
    if (p->path == NULL || (p->last.sample == p->sample && p->last.layer == layer)) return ANNULUS_OK;
    return state_write(p, y, layer, live, count);
}
