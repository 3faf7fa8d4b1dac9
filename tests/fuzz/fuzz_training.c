/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of training. Bit 0 of the first byte: with the best parameters kept; bit 1: the rest is a whole file,
 * else what follows the digest, and gets a right head and check sum. */
#include "fuzz.h"
#include "fuzz_training.h"

#include "base/file.h"

#include <math.h>

static const char *framed(const small_training *s, const uint8_t *data, size_t size)
{
    writer w;
    uint8_t sum[SHA256_BYTES];
    writer_init(&w, 0);
    write_string(&w, TRAIN_CHECKPOINT_MARK);
    write_u32(&w, TRAIN_CHECKPOINT_VERSION);
    write_bytes(&w, s->digest, SHA256_BYTES);
    REQUIRE(w.len == TRAINING_HEAD);
    write_bytes(&w, data, size);
    REQUIRE(w.status == ANNULUS_OK && bytes_sha256(w.p, w.len, sum) == ANNULUS_OK);
    write_bytes(&w, sum, sizeof sum);
    const char *path = fuzz_file(0, w.p, w.len);
    writer_clear(&w);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static small_training all[2];
    static int made = 0;
    unsigned done = 0;
    if (!made)
        for (int i = 0; i < 2; i++) REQUIRE(small_training_create(i, &all[i]) == ANNULUS_OK);
    made = 1;
    if (size == 0) return 0;
    small_training *s = &all[data[0] & 1];
    const char *path = data[0] & 2 ? fuzz_file(0, data + 1, size - 1) : framed(s, data + 1, size - 1);
    if (train_checkpoint_read(path, s->digest, &s->o, s->history, &done, &s->m, &s->best) != ANNULUS_OK) return 0;
    fuzz_accepted++;
    REQUIRE(done >= 1 && done <= TRAINING_EPOCHS && s->best.epoch <= done);
    for (size_t i = 0; i < s->m.layers; i++)
        for (size_t k = 0; k < s->m.layer[i].w.n; k++) REQUIRE(isfinite(s->m.layer[i].w.x[k]));
    return 0;
}
