/* SPDX-License-Identifier: Apache-2.0 */
/* Torus-native layers from the network to the encrypted run. */
#include "wave_fixture.h"

#include "circuit/audit.h"
#include "circuit/exec.h"
#include "families_fixture.h"
#include "math/torus.h"

typedef struct roles {
    secret_key_set *secret;
    eval_key_set *eval;
    exec_plan *plan;
} roles;

static void roles_create(roles *r, const circuit *c)
{
    seeded_eval_key_set *seeded = NULL;
    assert_ok(secret_key_set_create(&c->choice.families, &r->secret));
    assert_ok(seeded_eval_key_set_create(&c->choice.families, r->secret, 0, NULL, &seeded));
    assert_ok(eval_key_set_create(seeded, 0, NULL, &r->eval));
    assert_ok(exec_plan_create(c, &r->plan));
    seeded_eval_key_set_destroy(seeded);
}

static void roles_destroy(roles *r)
{
    secret_key_set_destroy(r->secret);
    eval_key_set_destroy(r->eval);
    exec_plan_destroy(r->plan);
}

static void ignore(void *context, const exec_seen *seen)
{
    (void)context, (void)seen;
}

static void run_encrypted(const roles *r, const circuit *c, const int32_t *q, double *acc)
{
    const exec_observer nobody = {.seen = ignore};
    assert_ok(exec_encrypted_observed(c, r->plan, r->eval, r->secret, q, 0, 0, &nobody, acc));
}

static circuit *lowered(const network *n, const float *x, size_t count, const lower_options *o)
{
    circuit *c = NULL;
    assert_ok(network_lower(n, x, count, o, &c));
    return c;
}

/* The wave of a layer at the middle of the cell that a phase lies in, a turn in 2^64. */
static double wave_at(const dense_layer *d, const circuit_layer *l, uint64_t phase, size_t j)
{
    const double cells = 2.0 * l->cells;
    const double cell = floor(ldexp((double)(uint32_t)((phase + (UINT64_C(1) << 31)) >> 32), -32) * cells);
    return activation_apply(d->act, d->rise,
                            (cell + 0.5 + floor((double)(j * l->cells) / (double)d->offsets + 0.5)) / cells);
}

/* The clear run is the network's, its phases rounded to cells: every wave, offsets that do and do not divide the cells,
 * weights so large that the sums go round hundreds of times, and layers behind others. */
static void test_clear_is_its_meaning(void **state)
{
    (void)state;
    enum { COUNT = 130 };
    uint64_t seed = 21;
    const size_t widths[] = {9, 6, 5, 3}, offsets[] = {1, 4, 3, 16};
    for (size_t k = 0; k < 4; k++) {
        network *n = wave_network(&seed, widths, 3, (activation)(ACTIVATION_TRIANGLE + k), offsets[k], 5);
        if (k == 3)
            for (size_t o = 0; o < 6; o++) n->layers[0].w_scale[o] += 7;
        float *x = random_inputs(&seed, COUNT, 9);
        lower_options o;
        lower_options_init(&o);
        circuit *c = lowered(n, x, COUNT, &o);
        int32_t *q = quantize_all(c, x, COUNT);
        double got[COUNT * 3], v[96], next[96];
        exec_stats stats = {0};
        assert_ok(exec_clear(c, q, COUNT, 2, got, &stats));
        for (size_t s = 0; s < COUNT; s++) {
            for (size_t i = 0; i < 9; i++) v[i] = q[9 * s + i];
            for (size_t i = 0; i < 3; i++) {
                const circuit_layer *l = &c->layers[i];
                const dense_layer *d = &n->layers[i];
                for (size_t p = 0; p < l->out; p++) {
                    double acc = 0;
                    for (size_t f = 0; f < l->in; f++) acc += d->W[p * l->in + f] * v[f];
                    if (i == 2) assert_true(got[3 * s + p] == acc);
                    for (size_t j = 0; i < 2 && j < d->offsets; j++) {
                        const uint64_t phase = (uint64_t)(int64_t)acc * l->unit + l->shift[p];
                        next[p * d->offsets + j] = quantizer_integer(&d->out_q, wave_at(d, l, phase, j));
                    }
                }
                memcpy(v, next, sizeof v);
            }
        }
        for (size_t i = 0; i < 2; i++) {
            const double scale = i == 0 ? 0.25 : n->layers[0].out_q.scale;
            const double unit = n->layers[i].w_scale[0] * scale, bias = n->layers[i].bias[1];
            assert_true(fabs(torus_to_double(c->layers[i].unit - torus_from_double(unit))) < 0x1p-60);
            assert_true(c->layers[i].shift[1] == torus_from_double(bias));
            assert_true(stats.out_of_range[i] == 0 && stats.saturated[i] == 0 && stats.wrapped[i] == 0);
        }
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

/* Scores of the real network and of its circuit differ by the rounding to 512 cells alone: the mean square of that of a
 * layer of J values, a slope of 4 over 1/512 period, is below 2^-14 of the values' square. */
static void test_near_the_network(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    uint64_t seed = 22;
    const size_t widths[] = {12, 16, 4};
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 4, 8);
    float *x = random_inputs(&seed, COUNT, 12);
    lower_options o;
    lower_options_init(&o);
    circuit *c = lowered(n, x, COUNT, &o);
    int32_t *q = quantize_all(c, x, COUNT);
    double acc[COUNT * 4], got[4], want[4], square = 0, error = 0;
    assert_ok(exec_clear(c, q, COUNT, 2, acc, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        exec_values(c, acc + 4 * i, got);
        assert_ok(network_apply(n, x + 12 * i, want));
        for (size_t k = 0; k < 4; k++)
            error += pow(got[k] - want[k], 2), square += pow(want[k] - n->layers[1].bias[k], 2);
    }
    assert_true(error > 0 && error < 0x1p-12 * square);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Phases in the middle of 1/16 of the period, and tables of as many values, each repeated: noise of 2^-8 at most, 8
 * deviations, changes none, and the encrypted scores are the clear ones, in one family of keys and in two, whose scores
 * are noisier. 60 look-ups and 18 scores beyond 8 deviations: a false alarm has probability below 2^-43. */
static void test_encrypted_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 23;
    const size_t widths[] = {8, 6, 4, 3};
    const layer_error exact = {"output", -40};
    const tfhe_families both = two_families();
    for (size_t families = 1; families <= 2; families++) {
        network *n = wave_network(&seed, widths, 3, ACTIVATION_TRIANGLE, 4, 4);
        float *x = random_inputs(&seed, 100, 8);
        lower_options o;
        lower_options_init(&o);
        o.phase_noise = 0x1p-10;
        o.layer_errors = &exact, o.layer_errors_count = 1;
        o.output_bits = 16, o.families_most = 1;
        circuit *c = lowered(n, x, 100, &o);
        for (size_t i = 0; i < 2; i++) {
            circuit_layer *l = &c->layers[i];
            l->unit = (UINT64_C(5) + i) << 60;
            for (size_t p = 0; p < l->out; p++) l->shift[p] = (2 * (test_random(&seed) % 16) + 1) << 59;
            for (size_t t = 0; t < l->cells; t++) l->table[t] = (int32_t)(t / 32 * 5 % 14) - (int32_t)(6 + i);
            l->mid2 = (int32_t)i;
        }
        if (families == 2) c = circuit_in_families(c, &both, 8192);
        assert_int_equal(c->choice.families.count, families);
        int32_t *q = quantize_all(c, x, 3);
        assert_true(circuit_last(c)->noise == 0);
        const double near = 8 * c->choice.layers[2].phase_std * (double)circuit_last(c)->period;
        assert_true(families == 2 || near < 0.5);
        for (size_t i = 0; i < 2; i++) assert_true(c->choice.layers[i].phase_std < 0x1p-8);
        double want[9], got[3];
        roles r;
        roles_create(&r, c);
        assert_ok(exec_clear(c, q, 3, 1, want, NULL));
        for (size_t i = 0; i < 3; i++) {
            run_encrypted(&r, c, q + 8 * i, got);
            for (size_t k = 0; k < 3; k++) assert_true(fabs(got[k] - want[3 * i + k]) < near);
        }
        roles_destroy(&r);
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

typedef struct phases {
    const circuit *c;
    double square;
    size_t count;
} phases;

static void see_phase(void *context, const exec_seen *s)
{
    phases *v = context;
    if (v->c->layers[s->layer].unit == 0) return;
    v->square += s->noise * s->noise;
    v->count++;
}

/* Rank of each score's encrypted error among SIMULATED of the same image: if encrypted errors are distributed as
 * simulated, ranks of different images are independent and uniform. By Dvoretzky, Kiefer and Wolfowitz, in Massart's
 * form, their distribution function is further than e from that with probability 2 exp(-2 IMAGES e^2) at most: 1e-7 for
 * each of 4 scores. The phases' deviation is predicted, and by the bound, within 10 %: about 3,000 of them, of nearly
 * independent noise, 7 standard errors. */
static void test_encrypted_follows_simulation(void **state)
{
    (void)state;
    enum { IMAGES = 48, SIMULATED = 999, OUTPUTS = 4 };
    uint64_t seed = 24;
    const size_t widths[] = {30, 64, OUTPUTS};
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 4, 4);
    float *x = random_inputs(&seed, 200, 30);
    lower_options o;
    lower_options_init(&o);
    circuit *c = lowered(n, x, 200, &o);
    assert_true(c->choice.layers[0].phase_std <= 0x1p-5 && c->choice.layers[0].phase_std > 0x1p-6);
    assert_true(c->choice.layers[1].phase_std <= c->layers[1].noise);
    int32_t *q = quantize_all(c, x, IMAGES), copies[SIMULATED * 30];
    double got[OUTPUTS], *scores = malloc(SIMULATED * OUTPUTS * sizeof *scores), rank[OUTPUTS][IMAGES];
    roles r;
    phases v = {.c = c};
    const exec_observer observer = {.seen = see_phase, .context = &v};
    roles_create(&r, c);
    for (size_t i = 0; i < IMAGES; i++) {
        const seed256 s = {{(uint8_t)i, 9}};
        exec_stats stats = {0};
        for (size_t k = 0; k < SIMULATED; k++) memcpy(copies + 30 * k, q + 30 * i, 30 * sizeof *q);
        assert_ok(exec_simulate(c, copies, SIMULATED, &s, 2, scores, &stats));
        assert_ok(exec_encrypted_observed(c, r.plan, r.eval, r.secret, q + 30 * i, i, 0, &observer, got));
        for (size_t k = 0; k < OUTPUTS; k++) {
            size_t below = 0;
            for (size_t m = 0; m < SIMULATED; m++) below += scores[OUTPUTS * m + k] < got[k];
            rank[k][i] = ((double)below + 0.5) / (SIMULATED + 1);
        }
        const double deviation = sqrt(stats.phase_square[0] / (SIMULATED * 64));
        assert_true(fabs(deviation / c->choice.layers[0].phase_std - 1) < 0.1);
        assert_true(stats.index_errors[0] == 0 && stats.samples_erred == 0 && stats.wrapped[1] == 0);
    }
    const double most = sqrt(log(2 / 1e-7) / (2.0 * IMAGES)) + 1.0 / SIMULATED;
    for (size_t k = 0; k < OUTPUTS; k++)
        for (size_t i = 0; i < IMAGES; i++) {
            size_t below = 0, at = 0;
            for (size_t m = 0; m < IMAGES; m++) below += rank[k][m] < rank[k][i], at += rank[k][m] <= rank[k][i];
            assert_true((double)at / IMAGES - rank[k][i] < most && rank[k][i] - (double)below / IMAGES < most);
        }
    assert_int_equal(v.count, IMAGES * 64);
    assert_true(fabs(sqrt(v.square / (double)v.count) / c->choice.layers[0].phase_std - 1) < 0.1);
    roles_destroy(&r);
    free(q), free(x), free(scores);
    circuit_destroy(c);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_is_its_meaning), cmocka_unit_test(test_near_the_network),
        cmocka_unit_test(test_encrypted_is_exact), cmocka_unit_test(test_encrypted_follows_simulation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
