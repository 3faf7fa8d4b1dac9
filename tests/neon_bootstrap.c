/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups of toy dimensions under one key by the reference kernels and by those of NEON: sums of packed values and
 * keyswitched words are the same, messages decrypt to the same, and errors have the deviation of the formulas. Seeds
 * are fixed (neon_random.c): a run that passes always does. */
#include "math/fft.h"
#include "math/matrix_priv.h"
#include "math/torus.h"
#include "neon.h"
#include "optimizer/noise.h"
#include "tfhe/bootstrap.h"
#include "tfhe/packed.h"
#include "transform_noise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 8u
#define COUNT 64u
#define OUTPUTS 4u /* of each: at so many offsets */

typedef struct look_up {
    uint64_t *in, *out; /* (COUNT, lwe_words), (COUNT, OUTPUTS, lwe_words) */
    uint32_t *small;    /* (COUNT, bootstrap_small_words) */
} look_up;

static uint64_t entry_of(uint32_t cell)
{
    const uint64_t entry = (uint64_t)(5 * cell % CELLS) << 60;
    return cell < CELLS ? entry : -((uint64_t)(5 * (cell - CELLS) % CELLS) << 60);
}

/* COUNT sums of two packed values. */
static void sums_fill(const tfhe_params *p, const seed256 *masks, const uint64_t *body, uint64_t *out)
{
    packed_rows *rows;
    packed_weights *weights;
    must(packed_rows_create(p, COUNT, COUNT, &rows));
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t input[2] = {i, (i + 8) % COUNT};
        const int64_t weight[2] = {3, -2};
        must(packed_rows_add(rows, input, weight, 2, 0));
    }
    must(packed_weights_create(rows, 1, &weights));
    must(packed_sums(weights, masks, body, 1, out));
    packed_weights_destroy(weights);
}

/* By the kernels of ANNULUS_CPU=variant. */
static void run(const char *variant, const seeded_eval_key *seeded, const seed256 *masks, const uint64_t *body,
                uint32_t EF, look_up *x)
{
    const tfhe_params *p = seeded_eval_key_params(seeded);
    const size_t words = lwe_words(p);
    const uint32_t quarter = EF * p->N / OUTPUTS, offsets[OUTPUTS] = {0, quarter, 2 * quarter, 3 * quarter};
    uint64_t entries[CELLS];
    const uint64_t *list[COUNT];
    bootstrap_job jobs[COUNT];
    eval_key *key;
    lut *table;
    (void)setenv("ANNULUS_CPU", variant, 1);
    matrix_kernels_choose();
    expect("kernels' name", p->N, strcmp(fft_kernels_name(), variant), 0);
    *x = (look_up){array(COUNT * words), array(COUNT * OUTPUTS * words), array(COUNT * bootstrap_small_words(p))};
    sums_fill(p, masks, body, x->in);
    for (uint32_t c = 0; c < CELLS; c++) entries[c] = entry_of(c);
    must(lut_create_padded(p->N, EF, entries, CELLS, 0, &table));
    must(eval_key_create(seeded, 1, NULL, &key));
    for (size_t i = 0; i < COUNT; i++) {
        list[i] = x->in + i * words;
        jobs[i] = (bootstrap_job){.in = list[i], .table = table, .out = x->out + i * OUTPUTS * words};
    }
    must(keyswitch_batch(eval_key_switching(key), list, COUNT, x->small));
    must(bootstrap_batch(key, NULL, jobs, COUNT, offsets, OUTPUTS, 1));
    eval_key_destroy(key);
    lut_destroy(table);
}

/* Outputs are the entries; bits by which their deviation differs from the formula. */
static double check_outputs(const secret_key *key, const look_up *x)
{
    const tfhe_params *p = &key->params;
    double squares = 0;
    for (uint32_t i = 0; i < COUNT * OUTPUTS; i++) {
        const uint32_t cell = i / OUTPUTS % CELLS + i % OUTPUTS * (CELLS / OUTPUTS);
        const double error = torus_to_double(lwe_phase(key, x->out + i * lwe_words(p)) - entry_of(cell));
        expect("look-up", p->N, fabs(error), 0x1p-8);
        squares += error * error;
    }
    return log2(squares / (COUNT * OUTPUTS) / noise_blind_rotate(p)) / 2;
}

void test_look_ups(uint32_t k, uint32_t N, uint32_t bg, uint32_t g, uint32_t EF)
{
    const tfhe_params p = {.n = 18,
                           .k = k,
                           .N = N,
                           .pbs_l = 2,
                           .pbs_lb = 2,
                           .pbs_bg = bg,
                           .pbs_group = g,
                           .ks_l = 6,
                           .ks_b = 4,
                           .lwe_noise = 2,
                           .glwe_noise = 16};
    const seed256 key_seed = {{1}}, masks = {{2}};
    uint64_t message[COUNT], body[COUNT];
    secret_key *secret;
    seeded_eval_key *seeded;
    look_up ref, neon;
    for (uint32_t i = 0; i < COUNT; i++) message[i] = lut_encode(CELLS, i % CELLS);
    must(secret_key_create_seeded(&p, &key_seed, &secret));
    must(packed_encrypt_seeded(secret, &masks, message, COUNT, body));
    must(seeded_eval_key_create(secret, 1, NULL, &seeded));
    run("ref", seeded, &masks, body, EF, &ref);
    run("neon", seeded, &masks, body, EF, &neon);
    const size_t words = COUNT * lwe_words(&p), small = COUNT * bootstrap_small_words(&p);
    expect("sums of packed values", N, memcmp(ref.in, neon.in, words * 8) != 0, 0);
    expect("keyswitched words", N, memcmp(ref.small, neon.small, small * sizeof *ref.small) != 0, 0);
    const double bits[2] = {check_outputs(secret, &ref), check_outputs(secret, &neon)};
    printf("look-ups k=%u N=%u 2x%u g=%u EF=%u: noise %+.3f bit (ref), %+.3f bit (neon)\n", k, N, bg, g, EF, bits[0],
           bits[1]);
    expect("noise of look-ups, bit, by the reference", N, fabs(bits[0]), 0.3);
    expect("noise of look-ups, bit", N, fabs(bits[1]), 0.3);
    mem_free(ref.in), mem_free(ref.out), mem_free(ref.small), mem_free(neon.in), mem_free(neon.out);
    mem_free(neon.small);
    seeded_eval_key_destroy(seeded);
    secret_key_destroy(secret);
}

void print_transform_noise(unsigned keys)
{
    (void)setenv("ANNULUS_CPU", "neon", 1);
    matrix_kernels_choose();
    for (size_t i = 0; i < TRANSFORM_SETS; i++) {
        const transform_set *t = &transform_sets[i];
        printf("%ux%u, %ux%u: %.3f of the published fit's variance, %.2f used\n", t->k, t->N, t->l, t->bg,
               transform_factor(t, keys), NOISE_TRANSFORM);
    }
}
