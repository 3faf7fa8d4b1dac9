/* SPDX-License-Identifier: Apache-2.0 */
/* One set of keys and of inputs under every variant of the kernels that the processor has (ANNULUS_CPU): keyswitched
 * words and sums of packed values are the same, messages decrypt to the same, and outputs bear the noise of the
 * formulas.
 *
 * Chance. Messages differ with probability 2^-40 a case at most, by the formulas of noise.h, which check_margin holds
 * the dimensions here to. The deviation of m samples of a normal law has itself one of 1.44/sqrt(2m) bit: 0.032 for
 * the 1024 outputs of a case, 0.037 for the 768 of split look-ups. The transform makes 0.36 of a variance at most, so
 * that 0.3 bit more or less of it (docs/performance.md) shift the whole by 0.1: of the 0.3 bit allowed 5 deviations and
 * more are left, a false alarm in 10^6 for each of the 9 cases and 5 variants at most. */
#include "tfhe_fixture.h"

#include "base/cpu.h"
#include "math/fft.h"
#include "math/matrix_priv.h"
#include "math/torus.h"
#include "optimizer/noise.h"
#include "split_noise.h"
#include "tfhe/split.h"
#include <math.h>

#define CELLS 8u
#define COUNT 256u  /* look-ups */
#define OFFSETS 4u  /* outputs of each */
#define ENTRIES 64u /* entries are multiples of this part of half the torus */

static const char *variants[CPU_VARIANTS];
static size_t variants_count;

static void use_variant(size_t v)
{
    assert_int_equal(setenv("ANNULUS_CPU", variants[v], 1), 0);
    matrix_kernels_choose();
    assert_string_equal(fft_kernels_name(), variants[v]);
}

static tfhe_params dimensions(uint32_t k, uint32_t N, uint32_t l, uint32_t bg, uint32_t g, uint32_t glwe_noise)
{
    return (tfhe_params){.n = 60,
                         .k = k,
                         .N = N,
                         .pbs_l = l,
                         .pbs_lb = l,
                         .pbs_bg = bg,
                         .pbs_group = g,
                         .ks_l = 6,
                         .ks_b = 4,
                         .lwe_noise = 2,
                         .glwe_noise = glwe_noise};
}

static void check_margin(double variance, double half_window, size_t count)
{
    assert_true(noise_failure_log2(variance, half_window) + log2((double)count) < -42);
}

static void check_share(const tfhe_params *p)
{
    double fft, key, decomposition;
    noise_blind_rotate_parts(p, &fft, &key, &decomposition);
    assert_true(fft < 0.36 * noise_blind_rotate(p));
}

/* errors (count) against the formula. */
static void check_noise(const char *variant, const double *error, size_t count, double variance)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += error[i] * error[i];
    const double bits = log2(squares / (double)count / variance) / 2;
    if (fabs(bits) >= 0.3) print_error("%s: %.3f bit\n", variant, bits);
    assert_true(fabs(bits) < 0.3);
}

/* The multiple of 1/(2 ENTRIES) that a phase stands for; error: what it is off. */
static uint64_t message_of(uint64_t phase, double *error)
{
    const uint64_t unit = UINT64_MAX / (2 * ENTRIES) + 1, nearest = (phase + unit / 2) / unit * unit;
    *error = torus_to_double(phase - nearest);
    return nearest;
}

/* Look-ups of ciphertexts `in` (COUNT, lwe_words) by the table, at OFFSETS offsets each. Fills messages and errors
 * (COUNT, OFFSETS) and keyswitched words, where those behind a mask and a body are not of any meaning. */
static void look_up(const fixture *f, const lut *table, const uint64_t *in, uint64_t *message, double *error,
                    uint32_t *small)
{
    const tfhe_params *p = &f->secret->params;
    const size_t words = lwe_words(p);
    const uint32_t quarter = table->EF * p->N / OFFSETS, offsets[OFFSETS] = {0, quarter, 2 * quarter, 3 * quarter};
    uint64_t *out = calloc(OFFSETS * COUNT * words, 8);
    const uint64_t *list[COUNT];
    bootstrap_job jobs[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        list[i] = in + i * words;
        jobs[i] = (bootstrap_job){.in = list[i], .table = table, .out = out + OFFSETS * i * words};
    }
    assert_ok(keyswitch_batch(eval_key_switching(f->eval), list, COUNT, small));
    assert_ok(bootstrap_batch(f->eval, NULL, jobs, COUNT, offsets, OFFSETS, 2));
    for (size_t i = 0; i < OFFSETS * COUNT; i++)
        message[i] = message_of(lwe_phase(f->secret, out + i * words), &error[i]);
    free(out);
}

/* What look_up has to give for messages in cells (COUNT): entry c of the table is entry_of(c). */
static uint64_t entry_of(uint32_t c)
{
    return (uint64_t)((37 * c + 11) % ENTRIES) * (UINT64_MAX / (2 * ENTRIES) + 1);
}

static uint64_t expected(uint32_t cell, uint32_t offset)
{
    const uint32_t at = cell + offset * (CELLS / OFFSETS);
    return at < CELLS ? entry_of(at) : -entry_of(at - CELLS);
}

/* Values of cells that are sums of packed bits: rows (COUNT) of weight 1 at CELLS-1 of them. */
typedef struct packed_layer {
    seed256 masks;
    uint64_t body[40];
    uint32_t input[COUNT][CELLS - 1];
} packed_layer;

static uint64_t *packed_layer_sums(const packed_layer *x, const tfhe_params *p)
{
    const int64_t weight[CELLS - 1] = {1, 1, 1, 1, 1, 1, 1};
    packed_rows *rows;
    packed_weights *w;
    uint64_t *sums = calloc(COUNT * lwe_words(p), 8);
    assert_ok(packed_rows_create(p, COUNT, 40, &rows));
    for (size_t i = 0; i < COUNT; i++) assert_ok(packed_rows_add(rows, x->input[i], weight, CELLS - 1, 0));
    assert_ok(packed_weights_create(rows, 2, &w));
    assert_ok(packed_sums(w, &x->masks, x->body, 2, sums));
    packed_weights_destroy(w);
    for (size_t i = 0; i < COUNT; i++) sums[i * lwe_words(p) + tfhe_big_dim(p)] += lut_encode(CELLS, 0);
    return sums;
}

static void packed_layer_init(packed_layer *x, const secret_key *key, uint32_t cell[COUNT])
{
    uint64_t seed = 3, message[40];
    assert_ok(random_seed(&x->masks));
    for (size_t i = 0; i < 40; i++) message[i] = (test_random(&seed) & 1) * (UINT64_MAX / (2 * CELLS) + 1);
    assert_ok(packed_encrypt_seeded(key, &x->masks, message, 40, x->body));
    for (size_t i = 0; i < COUNT; i++) {
        cell[i] = 0;
        for (uint32_t j = 0, at = (uint32_t)(test_random(&seed) % 40); j < CELLS - 1; j++) {
            x->input[i][j] = at;
            cell[i] += message[at] != 0;
            at = (at + 1 + (uint32_t)(test_random(&seed) % 5)) % 40; /* less than 40 in all: each once */
        }
    }
}

/* One case: keys are made once and expanded under each variant; with `packed` the inputs are sums of a first layer. */
static void compare(const tfhe_params *p, uint32_t EF, uint32_t price, int packed)
{
    const seed256 key_seed = {{5}};
    const size_t words = COUNT * lwe_words(p), small_words = COUNT * bootstrap_small_words(p);
    uint64_t entries[CELLS], message[COUNT], *in = NULL, *got = calloc(COUNT * OFFSETS, 8);
    double *error = calloc(COUNT * OFFSETS, sizeof *error);
    uint32_t cell[COUNT], *small[2] = {calloc(small_words, 4), calloc(small_words, 4)};
    seeded_eval_key *seeded;
    packed_layer layer;
    fixture f;
    lut *table;
    check_margin((packed ? CELLS - 1 : 1) * noise_fresh(p) + noise_keyswitch(p) + noise_modulus_switch(p, EF, price),
                 1.0 / (4 * CELLS), COUNT);
    check_margin(noise_blind_rotate(p), 1.0 / (4 * ENTRIES), COUNT * OFFSETS);
    check_share(p);
    assert_ok(secret_key_create_seeded(p, &key_seed, &f.secret));
    assert_ok(seeded_eval_key_create(f.secret, 2, NULL, &seeded));
    for (uint32_t c = 0; c < CELLS; c++) entries[c] = entry_of(c);
    assert_ok(lut_create_padded(p->N, EF, entries, CELLS, 0, &table));
    assert_ok(lut_set_price(table, price));
    for (uint32_t i = 0; i < COUNT; i++) cell[i] = i % CELLS, message[i] = lut_encode(CELLS, cell[i]);
    if (packed)
        packed_layer_init(&layer, f.secret, cell);
    else
        in = fixture_encrypt(&f, message, COUNT);
    for (size_t v = 0; v < variants_count; v++) {
        use_variant(v);
        if (packed) {
            uint64_t *sums = packed_layer_sums(&layer, p);
            if (v > 0) assert_memory_equal(sums, in, words * 8);
            free(in);
            in = sums;
        }
        assert_ok(eval_key_create(seeded, 2, NULL, &f.eval));
        look_up(&f, table, in, got, error, small[v > 0]);
        eval_key_destroy(f.eval);
        assert_memory_equal(small[v > 0], small[0], small_words * 4);
        for (uint32_t i = 0; i < COUNT * OFFSETS; i++) assert_true(got[i] == expected(cell[i / OFFSETS], i % OFFSETS));
        check_noise(variants[v], error, COUNT * OFFSETS, noise_blind_rotate(p));
    }
    free(in), free(got), free(error), free(small[0]), free(small[1]);
    lut_destroy(table);
    seeded_eval_key_destroy(seeded);
    secret_key_destroy(f.secret);
}

static void test_look_ups(void **state)
{
    (void)state;
    const tfhe_params single = dimensions(1, 512, 2, 16, 1, 16), pairs = dimensions(2, 256, 2, 15, 2, 17),
                      triples = dimensions(1, 512, 1, 23, 3, 17);
    compare(&single, 1, 0, 0);
    compare(&pairs, 1, 0, 0);
    compare(&triples, 1, 0, 0);
}

static void test_extensions(void **state)
{
    (void)state;
    const tfhe_params two = dimensions(1, 256, 3, 12, 1, 16), three = dimensions(3, 256, 1, 20, 1, 20);
    compare(&two, 2, 0, 0);
    compare(&two, 8, 9, 0);
    compare(&three, 4, 0, 0);
}

static void test_packed_layers(void **state)
{
    (void)state;
    const tfhe_params three = dimensions(3, 256, 2, 16, 1, 17), one = dimensions(1, 512, 2, 16, 3, 17);
    compare(&three, 1, 0, 1);
    compare(&one, 1, 0, 1);
}

#define SPLIT_COUNT 768u
#define SPLIT_CELLS 32u
#define SPLIT_LOW 2u
#define SPLIT_EF 2u
#define MERGE_L 4u
#define MERGE_BG 9u

static void split_margins(const tfhe_params *low, const tfhe_params *high, double output)
{
    const double fresh = noise_fresh(high);
    check_share(low), check_share(high);
    for (uint32_t i = 0; i < SPLIT_LOW; i++) {
        const double grown = (SPLIT_CELLS >> i) * (double)(SPLIT_CELLS >> i) * fresh;
        check_margin(grown + noise_keyswitch(low) + noise_low_switch(low), exp2(-2.0 - i), 4 * SPLIT_COUNT);
    }
    check_margin(fresh + noise_keyswitch(high) + noise_modulus_switch(high, SPLIT_EF, 0),
                 exp2(SPLIT_LOW) / (4 * SPLIT_CELLS), 4 * SPLIT_COUNT);
    check_margin(output, 1.0 / (4 * ENTRIES), 4 * SPLIT_COUNT);
}

static void test_split(void **state)
{
    (void)state;
    const tfhe_params high = dimensions(1, 512, 2, 16, 1, 17), low = dimensions(1, 512, 3, 12, 3, 17);
    const uint64_t unit = UINT64_MAX / (2 * ENTRIES) + 1;
    const size_t words = lwe_words(&high);
    uint32_t entries[SPLIT_CELLS];
    uint64_t message[SPLIT_COUNT], *out = calloc(SPLIT_COUNT * words, 8);
    double error[SPLIT_COUNT];
    split_job jobs[SPLIT_COUNT];
    seeded_eval_key *seeded_high, *seeded_low;
    seeded_merge_key *seeded_merge;
    split_table *t;
    secret_key *secret;
    fixture f;
    const seed256 key_seed = {{6}};
    for (uint32_t c = 0; c < SPLIT_CELLS; c++) entries[c] = (5 * c + 3 + c * c / 7) % ENTRIES;
    assert_ok(split_table_create(high.N, SPLIT_EF, 0, SPLIT_LOW, entries, SPLIT_CELLS, unit, 0, &t));
    const double merged = noise_merge(&high, MERGE_L, MERGE_BG, SPLIT_CELLS >> SPLIT_LOW);
    const double formula = split_mean_noise(&low, &high, SPLIT_LOW, entries, SPLIT_CELLS, merged);
    split_margins(&low, &high, noise_split(&low, &high, &t->amplified, merged));
    assert_ok(secret_key_create_seeded(&high, &key_seed, &f.secret));
    assert_ok(secret_key_create_beside(&low, f.secret, &secret));
    assert_ok(seeded_eval_key_create(f.secret, 2, NULL, &seeded_high));
    assert_ok(seeded_eval_key_create(secret, 2, NULL, &seeded_low));
    assert_ok(seeded_merge_key_create(f.secret, MERGE_L, MERGE_BG, 2, &seeded_merge));
    for (uint32_t i = 0; i < SPLIT_COUNT; i++) message[i] = lut_encode(SPLIT_CELLS, i % SPLIT_CELLS);
    uint64_t *in = fixture_encrypt(&f, message, SPLIT_COUNT);
    for (size_t i = 0; i < SPLIT_COUNT; i++)
        jobs[i] = (split_job){.in = in + i * words, .table = t, .out = out + i * words};
    for (size_t v = 0; v < variants_count; v++) {
        eval_key *low_key;
        merge_key *merge;
        use_variant(v);
        assert_ok(eval_key_create(seeded_high, 2, NULL, &f.eval));
        assert_ok(eval_key_create(seeded_low, 2, NULL, &low_key));
        assert_ok(merge_key_create(seeded_merge, 2, &merge));
        const split_keys keys = {.low = low_key, .high = f.eval, .merge = merge};
        assert_ok(split_batch(&keys, jobs, SPLIT_COUNT, 2));
        for (size_t i = 0; i < SPLIT_COUNT; i++)
            assert_true(message_of(lwe_phase(f.secret, jobs[i].out), &error[i]) == unit * entries[i % SPLIT_CELLS]);
        check_noise(variants[v], error, SPLIT_COUNT, formula);
        eval_key_destroy(f.eval), eval_key_destroy(low_key), merge_key_destroy(merge);
    }
    free(in), free(out);
    split_table_destroy(t);
    seeded_eval_key_destroy(seeded_high), seeded_eval_key_destroy(seeded_low), seeded_merge_key_destroy(seeded_merge);
    secret_key_destroy(f.secret), secret_key_destroy(secret);
}

/* A name of no kernels is ignored. */
static void test_names(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("ANNULUS_CPU"), 0);
    const char *own = fft_kernels_name();
    assert_int_equal(setenv("ANNULUS_CPU", "avx", 1), 0);
    assert_string_equal(fft_kernels_name(), own);
    assert_string_equal(variants[0], "ref");
    int found = 0;
    for (size_t v = 0; v < variants_count; v++) found += strcmp(variants[v], own) == 0;
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_look_ups),
                                       cmocka_unit_test(test_extensions), cmocka_unit_test(test_packed_layers),
                                       cmocka_unit_test(test_split)};
    variants_count = cpu_variants(variants);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
