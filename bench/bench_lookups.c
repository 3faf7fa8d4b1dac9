/* SPDX-License-Identifier: Apache-2.0 */
/* bench_lookups LOG2_ERROR COUNT: look-ups of 4 bits at the parameters that the search finds for this probability, each
 * on an output of a look-up before it, scaled by the two-norm of the request. Prints wrong look-ups and the rate
 * expected. */
#include "bench.h"

#include "optimizer/optimizer.h"

#define CELLS 16u
#define NORM 8u
#define BATCH 400u

static optimizer_result search(double log2_error)
{
    const lookup_layer layer = {
        .name = "look-up", .half_window = 1.0 / (4 * CELLS), .two_norm = NORM, .cells = CELLS, .count = 1};
    const optimizer_request request = {.layers = &layer,
                                       .layers_count = 1,
                                       .target = ERROR_PER_LOOKUP,
                                       .log2_error = log2_error,
                                       .level = SECURITY_128};
    optimizer_result r;
    must(optimizer_search(&request, &r));
    fprintf(stderr, "n=%u k=%u N=%u l=%u Bg=2^%u keyswitch l=%u B=2^%u EF=%u failure 2^%.2f\n", r.params.n, r.params.k,
            r.params.N, r.params.pbs_l, r.params.pbs_bg, r.params.ks_l, r.params.ks_b, r.layers[0].EF,
            r.layers[0].log2_failure);
    return r;
}

/* Cell of the whole torus, of 2*CELLS, that a look-up's output, a NORM-th of an encoding, stands for. */
static uint32_t decode(uint64_t phase)
{
    return (uint32_t)(((unsigned __int128)(phase * NORM) * (2 * CELLS)) >> 64);
}

/* What a look-up gives for a cell of the whole torus: the table there, or its negation in the other half. */
static uint32_t wanted(uint32_t cell)
{
    const uint32_t entry = (5 * (cell % CELLS) + 3) % CELLS;
    return cell < CELLS ? entry : 2 * CELLS - 1 - entry;
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    const size_t count = (size_t)strtoull(argv[2], NULL, 10);
    const optimizer_result r = search(strtod(argv[1], NULL));
    const tfhe_params *p = &r.params;
    const size_t words = lwe_words(p);
    const uint32_t offsets[1] = {0};
    bench_keys keys;
    bench_keys_create(p, &keys);
    uint64_t entries[CELLS], message[BATCH];
    uint32_t expected[BATCH];
    for (uint32_t c = 0; c < CELLS; c++) entries[c] = lut_encode(CELLS, (5 * c + 3) % CELLS) / NORM;
    lut *table;
    must(lut_create_padded(p->N, r.layers[0].EF, entries, CELLS, 0, &table));
    for (uint32_t i = 0; i < BATCH; i++) {
        expected[i] = i % CELLS;
        message[i] = lut_encode(CELLS, expected[i]) / NORM;
    }
    uint64_t *now = bench_encrypt(&keys, message, BATCH), *next = room(BATCH * words, 8);
    bootstrap_job *jobs = room(BATCH, sizeof *jobs);
    size_t done = 0, wrong = 0;
    for (size_t round = 0; done < count; round++) {
        for (size_t i = 0; i < BATCH * words; i++) now[i] *= NORM;
        for (size_t i = 0; i < BATCH; i++) jobs[i] = (bootstrap_job){now + i * words, table, next + i * words};
        must(bootstrap_batch(keys.eval, jobs, BATCH, offsets, 1, 0));
        for (size_t i = 0; i < BATCH; i++) {
            const uint32_t got = decode(lwe_phase(keys.secret, jobs[i].out)), want = wanted(expected[i]);
            if (round > 0) { /* the first round's inputs are fresh: less noise than asked for */
                wrong += got != want;
                done++;
            }
            expected[i] = got;
        }
        uint64_t *swap = now;
        now = next;
        next = swap;
    }
    printf("%zu %zu %.6g\n", wrong, done, exp2(r.layers[0].log2_failure));
    free(now), free(next), free(jobs);
    lut_destroy(table);
    bench_keys_destroy(&keys);
    return 0;
}
