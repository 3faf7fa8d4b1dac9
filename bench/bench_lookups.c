/* SPDX-License-Identifier: Apache-2.0 */
/* bench_lookups LOG2_ERROR COUNT: look-ups of 4 bits at the parameters that the search finds for this probability, each
 * on an output of a look-up before it, scaled by the two-norm of the request. Prints wrong look-ups and the rate
 * expected. A look-up is wrong if its rotation ends in another cell than its input stands for, or if its output is not
 * that cell's entry with the noise of a bootstrap: at a small two-norm the output alone would not tell them apart. */
#include "lookups.h"

#define BITS 4u
#define CELLS (1u << BITS)
#define NORM 8u
#define BATCH 400u

/* Cell of the whole torus, of 2*CELLS, that the rotation of this look-up ends in. */
static uint32_t cell_of(const bench_keys *keys, const layer_choice *c, const uint64_t *in, uint32_t *small,
                        uint32_t *exponent)
{
    const tfhe_params *p = &keys->secret->params;
    must(keyswitch_batch(eval_key_switching(keys->eval), &in, 1, small));
    modulus_switch_centered(p, c->EF, c->price, small, exponent);
    return lwe_rotation_step(keys->secret, c->EF, 0, exponent) * CELLS / (c->EF * p->N);
}

/* What a look-up gives for a cell of the whole torus: the table there, or its negation in the other half. */
static uint32_t wanted(uint32_t cell)
{
    const uint32_t entry = (5 * (cell % CELLS) + 3) % CELLS;
    return cell < CELLS ? entry : 2 * CELLS - 1 - entry;
}

static uint64_t encoding(uint32_t cell)
{
    return lut_encode(CELLS, cell) / NORM;
}

/* Runs the look-ups in rounds of BATCH; the first round's inputs are fresh, with less noise than asked for, and are not
 * counted. */
static size_t run(const bench_keys *keys, const optimizer_result *r, const lut *table, size_t count)
{
    const tfhe_params *p = &r->families.of[0];
    const size_t words = lwe_words(p);
    const double allowed = NORM * noise_kappa(-40) * sqrt(noise_blind_rotate(p));
    uint64_t message[BATCH];
    uint32_t expected[BATCH], *small = room(bootstrap_small_words(p), 4), *exponent = room(tfhe_exponents(p), 4);
    for (uint32_t i = 0; i < BATCH; i++) {
        expected[i] = i % CELLS;
        message[i] = encoding(expected[i]);
    }
    uint64_t *now = bench_encrypt(keys, message, BATCH), *next = room(BATCH * words, 8);
    bootstrap_job *jobs = room(BATCH, sizeof *jobs);
    size_t wrong = 0;
    for (size_t done = 0; done < count + BATCH; done += BATCH) {
        for (size_t i = 0; i < BATCH * words; i++) now[i] *= NORM;
        for (size_t i = 0; i < BATCH; i++)
            jobs[i] = (bootstrap_job){.in = now + i * words, .table = table, .out = next + i * words};
        (void)bench_bootstrap(keys->eval, jobs, BATCH, 0);
        for (size_t i = 0; i < BATCH; i++) {
            const uint32_t cell = cell_of(keys, &r->layers[0], jobs[i].in, small, exponent), entry = wanted(cell);
            const double error = torus_to_double(NORM * (lwe_phase(keys->secret, jobs[i].out) - encoding(entry)));
            if (done > 0) wrong += cell != expected[i] || fabs(error) > allowed;
            expected[i] = entry;
        }
        uint64_t *swap = now;
        now = next;
        next = swap;
    }
    free(now), free(next), free(jobs), free(small), free(exponent);
    return wrong;
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    const size_t count = ((size_t)strtoull(argv[2], NULL, 10) + BATCH - 1) / BATCH * BATCH;
    const optimizer_result r = lookups_search(BITS, NORM, strtod(argv[1], NULL));
    lookups_print(&r, "look-ups");
    bench_keys keys;
    bench_keys_create(&r.families.of[0], &keys);
    uint64_t entries[CELLS];
    for (uint32_t c = 0; c < CELLS; c++) entries[c] = encoding(wanted(c));
    lut *table;
    must(lut_create_padded(r.families.of[0].N, r.layers[0].EF, entries, CELLS, 0, &table));
    must(lut_set_price(table, r.layers[0].price));
    printf("%zu %zu %.6g\n", run(&keys, &r, table, count), count, exp2(r.layers[0].log2_failure));
    lut_destroy(table);
    bench_keys_destroy(&keys);
    return 0;
}
