/* SPDX-License-Identifier: Apache-2.0 */
/* The keyswitch (4 x 2^4, 2048 -> 918) of one ciphertext in a batch of 32 against its blind rotation, on one core,
 * interleaved; prints the ratio of the medians. */
#include "rotation.h"

#define ROUNDS 31u
#define COUNT 32u

int main(void)
{
    const tfhe_params p = bench_standard();
    rotations r;
    rotation_create(&p, 1, rotation_batch(&p, 1), &r);
    uint64_t message[COUNT];
    const uint64_t *in[COUNT];
    for (size_t i = 0; i < COUNT; i++) message[i] = i << 58;
    uint64_t *ciphertexts = bench_encrypt(&r.keys, message, COUNT);
    uint32_t *out = room(COUNT * bootstrap_small_words(&p), 4);
    for (size_t i = 0; i < COUNT; i++) in[i] = ciphertexts + i * lwe_words(&p);
    double switches[ROUNDS], rotates[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        rotates[i] = rotation_seconds(&r);
        const double start = bench_cpu_seconds();
        must(keyswitch_batch(eval_key_switching(r.keys.eval), in, COUNT, out));
        switches[i] = (bench_cpu_seconds() - start) / COUNT;
    }
    const double a = bench_median(switches, ROUNDS), b = bench_median(rotates, ROUNDS);
    fprintf(stderr, "keyswitch %.3f ms in a batch of %u, blind rotation %.3f ms (medians of %u)\n", 1e3 * a, COUNT,
            1e3 * b, ROUNDS);
    printf("%.4f\n", a / b);
    free(ciphertexts), free(out);
    rotation_destroy(&r);
    return 0;
}
