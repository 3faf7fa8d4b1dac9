/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of packed inputs at k=3, N=512: microseconds a neuron of a first layer (64, 784) of 4-bit weights, transforms of
 * the masks among them, on one core, one layer after another; beside it the same out of memory, and the product of the
 * inputs one by one, which gives the same words. */
#include "bench.h"

#include "math/matrix.h"
#include "testing_random.h"

#define ROUNDS 31u
#define ROWS 64u
#define COUNT 784u

static double packed_seconds(const packed_weights *w, const seed256 *masks, const uint64_t *body, uint64_t *out)
{
    const double start = bench_cpu_seconds();
    must(packed_sums(w, masks, body, 1, out));
    return bench_cpu_seconds() - start;
}

/* Stops unless the sums are W times the inputs, and clears them. */
static void check(uint64_t *sums, const int32_t *W, const uint64_t *each, size_t words)
{
    uint64_t *want = room(ROWS * words, sizeof *want);
    matrix_mul_add_u64(want, words, W, ROWS, COUNT, each, words, words);
    if (memcmp(sums, want, ROWS * words * sizeof *want) != 0) {
        fprintf(stderr, "bench: sums of packed inputs are wrong\n");
        exit(1);
    }
    memset(sums, 0, ROWS * words * sizeof *sums);
    free(want);
}

static packed_rows *rows_of(const tfhe_params *p, const int32_t *W)
{
    packed_rows *rows;
    uint32_t input[COUNT];
    int64_t weight[COUNT];
    must(packed_rows_create(p, ROWS, COUNT, &rows));
    for (size_t r = 0; r < ROWS; r++) {
        for (uint32_t i = 0; i < COUNT; i++) input[i] = i, weight[i] = W[r * COUNT + i];
        must(packed_rows_add(rows, input, weight, COUNT, 0));
    }
    return rows;
}

int main(void)
{
    const tfhe_params p = bench_secure((tfhe_params){
        .n = 600, .k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 18, .pbs_group = 1, .ks_l = 3, .ks_b = 3});
    const size_t words = lwe_words(&p);
    const seed256 masks = {{1}};
    int32_t *W = room(ROWS * COUNT, sizeof *W);
    uint64_t *body = room(COUNT, sizeof *body), *out = room(ROWS * words, sizeof *out);
    uint64_t *each = room(COUNT * words, sizeof *each);
    double packed[ROUNDS], cold[ROUNDS], single[ROUNDS];
    packed_weights *w;
    uint64_t seed = 1;
    for (size_t i = 0; i < (size_t)ROWS * COUNT; i++) W[i] = (int32_t)(test_random(&seed) % 15) - 7;
    for (size_t i = 0; i < COUNT; i++) body[i] = test_random(&seed);
    must(packed_weights_create(rows_of(&p, W), 1, &w));
    must(packed_expand(&p, &masks, body, COUNT, 1, each));
    for (size_t i = 0; i < ROUNDS; i++) packed[i] = packed_seconds(w, &masks, body, out);
    check(out, W, each, words);
    for (size_t i = 0; i < ROUNDS; i++) { /* which leaves nothing of the other in the caches */
        const double start = bench_cpu_seconds();
        matrix_mul_add_u64(out, words, W, ROWS, COUNT, each, words, words);
        single[i] = bench_cpu_seconds() - start;
        cold[i] = packed_seconds(w, &masks, body, out);
    }
    check(out, W, each, words);
    const double ours = bench_median(packed, ROUNDS), from_memory = bench_median(cold, ROUNDS);
    fprintf(stderr, "a neuron: %.2f us packed, %.2f us out of memory, %.1f us of inputs one by one (medians of %u)\n",
            1e6 * ours / ROWS, 1e6 * from_memory / ROWS, 1e6 * bench_median(single, ROUNDS) / ROWS, ROUNDS);
    printf("%.2f\n", 1e6 * ours / ROWS);
    packed_weights_destroy(w);
    free(W), free(body), free(out), free(each);
    return 0;
}
