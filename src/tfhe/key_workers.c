/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/keys_priv.h"

static annulus_status worker_init(key_worker *w, const seed256 *mask_seed, const seed256 *noise_seed, size_t bytes)
{
    TRY(stream_create(mask_seed, RANDOM_MASK, 0, &w->mask));
    if (noise_seed != NULL) TRY(stream_create(noise_seed, RANDOM_NOISE, 0, &w->noise));
    return scratch_create(bytes, &w->tmp);
}

annulus_status key_workers_create(unsigned count, const seed256 *mask_seed, const seed256 *noise_seed, size_t bytes,
                                  key_worker **out)
{
    void *workers;
    TRY(mem_create(count, sizeof(key_worker), "workers on keys", &workers));
    annulus_status st = ANNULUS_OK;
    for (unsigned i = 0; st == ANNULUS_OK && i < count; i++)
        st = worker_init((key_worker *)workers + i, mask_seed, noise_seed, bytes);
    if (st == ANNULUS_OK)
        *out = workers;
    else
        key_workers_destroy(workers, count);
    return st;
}

annulus_status seeded_key_begin(reader *r, const char *what, size_t bytes, seed256 *mask_seed)
{
    TRY(read_bytes(r, mask_seed->b, sizeof mask_seed->b));
    if (bytes <= r->len - r->pos) return ANNULUS_OK;
    return read_fail(r, "a %s of these parameters has %zu bytes, %zu are left; copy it again", what, bytes,
                     r->len - r->pos);
}

void key_workers_destroy(key_worker *workers, unsigned count)
{
    for (unsigned i = 0; workers != NULL && i < count; i++) {
        stream_destroy(workers[i].mask);
        stream_destroy(workers[i].noise);
        scratch_destroy(&workers[i].tmp);
    }
    mem_free(workers);
}
