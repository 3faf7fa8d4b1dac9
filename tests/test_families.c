/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits in two families: three executions, audit, files, roles. Look-ups fail with probability below 2^-50 each, and
 * there are fewer than 128 with keys of the day (simulated ones draw from fixed seeds): what is asserted of answers
 * fails with probability below 2^-43 in the whole test. Of the audits see there. */
#include "families_fixture.h"

#include "circuit/audit.h"
#include "circuit/exec_priv.h"
#include "data/dataset.h"
#include "deploy/deploy_priv.h"
#include "roles.h"
#include <math.h>
#include <unistd.h>

#define FEATURES 8u
#define OUTPUTS 3u
#define SAMPLES 2u

typedef struct subject {
    circuit *c;
    float *x; /* (200, FEATURES) */
    int32_t *q;
    secret_key_set *secret;
    eval_key_set *eval;
} subject;
static subject s;

static circuit *lowered(const size_t *widths, size_t layers, unsigned bits, const lower_options *o, uint64_t seed,
                        float **x)
{
    circuit *c = NULL;
    network *n = random_network(&seed, widths, layers, ACTIVATION_RELU, bits);
    *x = random_inputs(&seed, 200, widths[0]);
    assert_ok(network_lower(n, *x, 200, o, &c));
    network_destroy(n);
    return c;
}

/* Exact: no rounding, scores to a unit. Look-ups of families 0, 1, 0: each takes its inputs by another keyswitch. */
static int setup(void **state)
{
    (void)state;
    static const size_t widths[] = {FEATURES, 6, 6, 4, OUTPUTS};
    const tfhe_families f = two_families();
    seeded_eval_key_set *seeded = NULL;
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0;
    o.rounding_bits = 0;
    o.output_bits = 7;
    s.c = circuit_in_families(lowered(widths, 4, 2, &o, 4, &s.x), &f, 4096);
    s.q = quantize_all(s.c, s.x, 200);
    for (size_t i = 0; i < 4; i++) assert_true(s.c->choice.layers[i].log2_failure < -50);
    assert_ok(secret_key_set_create(&f, &s.secret));
    assert_ok(seeded_eval_key_set_create(&f, s.secret, 0, NULL, &seeded));
    assert_ok(eval_key_set_create(seeded, 0, NULL, &s.eval));
    seeded_eval_key_set_destroy(seeded);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    circuit_destroy(s.c);
    free(s.x), free(s.q);
    secret_key_set_destroy(s.secret);
    eval_key_set_destroy(s.eval);
    return 0;
}

static void test_executions_agree(void **state)
{
    (void)state;
    double clear[200 * OUTPUTS], simulated[200 * OUTPUTS], got[OUTPUTS];
    const seed256 seed = {{3}};
    exec_plan *plan = NULL;
    exec_memory *memory = NULL;
    exec_stats stats = {0};
    assert_int_equal(s.c->layers[1].family, 1);
    assert_true(lwe_words(circuit_inputs(s.c)) == 1537 && circuit_source(s.c, 2) == 1);
    assert_ok(exec_clear(s.c, s.q, 200, 1, clear, NULL));
    assert_ok(exec_simulate(s.c, s.q, 200, &seed, 2, simulated, &stats));
    for (size_t i = 0; i < 4; i++) assert_int_equal(stats.index_errors[i], 0);
    for (size_t i = 0; i < 200 * OUTPUTS; i++) assert_true(rint(simulated[i]) == clear[i]);
    assert_ok(exec_plan_create(s.c, &plan));
    assert_ok(exec_memory_create(s.c, 1, &memory));
    const roles keys = {.secret = s.secret, .eval = s.eval, .plan = plan, .memory = memory};
    for (size_t i = 0; i < SAMPLES; i++) {
        run_encrypted(&keys, s.c, s.q + i * FEATURES, got);
        for (size_t o = 0; o < OUTPUTS; o++) assert_true(rint(got[o]) == clear[i * OUTPUTS + o]);
    }
    exec_plan_destroy(plan);
    exec_memory_destroy(memory);
}

/* A run that is stopped at the end of a layer's look-ups: what it says of the values before. */
typedef struct halted {
    size_t layer, last; /* to stop in; the layer that was finished last, and the values behind it */
    uint64_t *kept;
    size_t kept_words, calls;
} halted;

static int halt(void *context, const char *what, size_t done, size_t total)
{
    const halted *h = context;
    (void)done, (void)total;
    return h->last == h->layer && strcmp(what, s.c->layers[h->layer].name) == 0;
}

static annulus_status keep(void *context, size_t next, const exec_ciphertexts *live, size_t count)
{
    halted *h = context;
    assert_int_equal(count, 1); /* a chain */
    h->last = next;
    h->kept_words = live->words;
    memcpy(h->kept, live->ct, live->words * 8);
    return ANNULUS_OK;
}

static annulus_status compare(void *context, size_t next, const exec_ciphertexts *live, size_t count)
{
    halted *h = context;
    h->calls++;
    assert_int_equal(next, h->layer);
    assert_int_equal(count, next > 0);
    if (count == 0) return ANNULUS_OK;
    assert_int_equal(live->words, h->kept_words);
    assert_memory_equal(live->ct, h->kept, live->words * 8);
    return ANNULUS_OK;
}

static void test_stopped(void **state)
{
    (void)state;
    const seed256 seed = {{9}};
    uint64_t message[FEATURES], body[FEATURES];
    uint64_t *out = malloc(OUTPUTS * lwe_words(circuit_outputs(s.c)) * 8);
    exec_plan *plan = NULL;
    exec_memory *memory = NULL;
    halted h = {.kept = malloc(8 * exec_memory_bytes(s.c, 1))};
    const exec_tap tap = {.values = keep, .stopped = compare, .context = &h};
    const annulus_progress progress = {halt, &h};
    const exec_inputs in = {.mask_seed = &seed, .body = body};
    exec_encode(s.c, s.q, message);
    assert_ok(packed_encrypt_seeded(s.secret->of[0], &seed, message, FEATURES, body));
    assert_ok(exec_plan_create(s.c, &plan));
    assert_ok(exec_memory_create(s.c, 1, &memory));
    for (h.layer = 0; h.layer < 3; h.layer++) {
        h.last = 0, h.calls = 0;
        assert_int_equal(exec_encrypted(plan, s.eval, memory, &in, 1, out, 0, &tap, &progress), ANNULUS_ERR_CANCELLED);
        assert_int_equal(h.calls, exec_memory_outlast(s.c, memory, h.layer));
    }
    exec_plan_destroy(plan);
    exec_memory_destroy(memory);
    free(out), free(h.kept);
}

/* The outputs of a circuit of two layers of look-ups are of family 1. */
static void test_outputs_of_the_other(void **state)
{
    (void)state;
    static const size_t widths[] = {FEATURES, 4, 3, OUTPUTS};
    const tfhe_families f = two_families();
    const subject kept = s;
    double clear[OUTPUTS], got[OUTPUTS];
    exec_plan *plan = NULL;
    exec_memory *memory = NULL;
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0;
    o.rounding_bits = 0;
    o.output_bits = 6;
    s.c = circuit_in_families(lowered(widths, 3, 2, &o, 4, &s.x), &f, 4096);
    s.q = quantize_all(s.c, s.x, 1);
    for (size_t i = 0; i < 3; i++) assert_true(s.c->choice.layers[i].log2_failure < -50);
    assert_true(circuit_outputs(s.c)->N == 2048 && circuit_last(s.c)->family == 1);
    assert_ok(exec_clear(s.c, s.q, 1, 1, clear, NULL));
    assert_ok(exec_plan_create(s.c, &plan));
    assert_ok(exec_memory_create(s.c, 1, &memory));
    const roles keys = {.secret = s.secret, .eval = s.eval, .plan = plan, .memory = memory};
    run_encrypted(&keys, s.c, s.q, got);
    for (size_t i = 0; i < OUTPUTS; i++) assert_true(rint(got[i]) == clear[i]);
    exec_plan_destroy(plan);
    exec_memory_destroy(memory);
    circuit_destroy(s.c);
    free(s.x), free(s.q);
    s = kept;
}

static audit *audit_of(const circuit *c, const int32_t *q, const audit_model *model)
{
    const seed256 seed = {{4}};
    double *values = malloc(3 * SAMPLES * circuit_last(c)->out * 8);
    audit *a = NULL;
    assert_ok(audit_create(c, model, s.eval, s.secret, q, SAMPLES, &seed, 0, NULL, values,
                           values + SAMPLES * circuit_last(c)->out, values + 2 * SAMPLES * circuit_last(c)->out, &a));
    free(values);
    return a;
}

/* Accepted (false alarm 1e-6). An eighth of the deviation of look-ups of the one family, and of the conversion into the
 * other, is rejected where these are read and nowhere else. */
static void test_audit(void **state)
{
    (void)state;
    static const size_t widths[] = {24, 12, 10, 8, 5};
    lower_options o;
    float *x = NULL;
    audit_model model, wrong;
    lower_options_init(&o);
    o.rounding_bits = 5;
    o.log2_error = log2(0.05);
    circuit *c = circuit_in_families(lowered(widths, 4, 4, &o, 5, &x), &s.c->choice.families, 512);
    int32_t *q = quantize_all(c, x, SAMPLES);
    audit_model_init(c, &model);
    audit *a = audit_of(c, q, &model);
    assert_false(a->rejected);
    assert_int_equal(a->tests, 2 * (6 + 6 + 6 + 2));
    audit_destroy(a);
    wrong = model;
    wrong.look_up[1] /= 64, wrong.phase[2] /= 64;
    a = audit_of(c, q, &wrong);
    for (size_t run = 0; run < 2; run++)
        for (size_t i = 0; i < 4; i++) {
            const audit_layer *l = &(run == 0 ? &a->simulated : &a->encrypted)->layers[i];
            assert_int_equal(l->sum.log_p < a->log_alarm, i == 2);
            assert_int_equal(l->phase.log_p < a->log_alarm, i == 2);
        }
    audit_destroy(a);
    circuit_destroy(c);
    free(x), free(q);
}

static void test_circuit_files(void **state)
{
    (void)state;
    writer w, again;
    circuit *c = NULL;
    writer_init(&w, 0), writer_init(&again, 0);
    circuit_write(&w, s.c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_ok(circuit_read(&r, &c));
    circuit_write(&again, c);
    assert_int_equal(w.len, again.len);
    assert_memory_equal(w.p, again.p, w.len);
    assert_true(tfhe_families_equal(&c->choice.families, &s.c->choice.families));
    for (size_t i = 0; i < 4; i++) assert_int_equal(c->layers[i].family, c->choice.layers[i].family);
    assert_true(c->choice.seconds == s.c->choice.seconds);
    writer_clear(&w), writer_clear(&again);

    tfhe_families *f = &c->choice.families;
    const tfhe_families kept = *f;
    f->of[1].lwe_noise--;
    refused_as(c, "below 128-bit security");
    f->of[1] = kept.of[1];
    f->of[1].n = 5000;
    refused_as(c, "parameter n = 5000");
    f->of[1] = kept.of[1];
    f->into[0].l = 17;
    refused_as(c, "keyswitch from the other family into family 1: parameter ks_l = 17");
    f->into[0].l = f->into[0].b = 0;
    refused_as(c, "layer layer 3 takes ciphertexts of family 2, from which family 1 has no keyswitch");
    *f = kept;
    f->of[0].ks_l = f->of[0].ks_b = 0;
    refused_as(c, "layer layer 1 takes ciphertexts of family 1, from which family 1 has no keyswitch");
    *f = kept;
    f->count = 1;
    refused_as(c, "there is no other family");
    memset(f->into, 0, sizeof f->into);
    refused_as(c, "layer layer 2 is of family 2, there are 1");
    *f = kept;
    f->of[1].pbs_group = 2;
    refused_as(c, "layer layer 2 is extended, with 2 key bits a step");
    *f = kept;
    c->layers[1].family = 2;
    refused_as(c, "layer layer 2 is of family 3, there are 2");
    c->layers[1].family = 1;
    c->layers[3].family = 1;
    refused_as(c, "output layer output is of family 2, its inputs of family 1");
    c->layers[3].family = 0;
    f->answers = (tfhe_answers){
        .k = 60, .N = 16, .l = 4, .b = 4, .noise = 11, .bits = 13, .body_bits = 13, .parts = 1, .multiple = {1}};
    assert_ok(circuit_digest(c));
    circuit *back = NULL;
    writer whole;
    writer_init(&whole, 0);
    circuit_write(&whole, c);
    reader of = {.p = whole.p, .len = whole.len, .name = "model.circuit"};
    assert_ok(circuit_read(&of, &back)); /* the form of a right one */
    circuit_destroy(back);
    writer_clear(&whole);
    f->answers.noise--;
    refused_as(c, "answers' dimension 960 with noise TUniform(10) is below 128-bit security");
    f->answers.noise++;
    f->answers.family = 1;
    refused_as(c, "its inputs of family 1, packed answers of family 2");
    circuit_destroy(c);
}

/* What no look-up needs is not asked for; a circuit without look-ups needs no keyswitch at all. */
static void test_chosen(void **state)
{
    (void)state;
    static const size_t widths[] = {FEATURES, 4, OUTPUTS};
    float *x = NULL;
    lower_options o;
    lower_options_init(&o);
    for (size_t layers = 1; layers <= 2; layers++) {
        circuit *c = lowered(widths, layers, 2, &o, 4, &x);
        const tfhe_families *f = &c->choice.families;
        for (uint32_t from = 0; from < f->count; from++)
            for (uint32_t into = 0; into < f->count; into++)
                assert_int_equal(tfhe_switch_params(f, from, into).ks_l > 0, circuit_switches(c, from, into));
        assert_int_equal(f->of[0].ks_l > 0, layers > 1);
        for (size_t i = 0; i < layers; i++) assert_int_equal(c->layers[i].family, c->choice.layers[i].family);
        circuit_destroy(c);
        free(x);
    }
}

typedef struct parties {
    annulus_circuit *c;
    annulus_client_key *client;
    annulus_evaluation_key *evaluation;
    annulus_input *x;
    annulus_output *y;
} parties;

static void parties_destroy(parties *r)
{
    annulus_circuit_destroy(r->c);
    annulus_client_key_destroy(r->client);
    annulus_evaluation_key_destroy(r->evaluation);
    annulus_input_destroy(r->x);
    annulus_output_destroy(r->y);
}

/* Writes r's parts and reads them into `back`; *text: what inspect says of the circuit. */
static void through_files(const parties *r, parties *back, char **text, char **json)
{
    char path[] = "annulus-families-XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    assert_ok(annulus_circuit_write(r->c, path));
    assert_ok(annulus_circuit_read(path, &back->c));
    assert_ok(annulus_inspect(path, 0, text));
    assert_ok(annulus_inspect(path, 1, json));
    assert_ok(annulus_client_key_write(r->client, path));
    assert_ok(annulus_client_key_read(path, &back->client));
    assert_ok(annulus_evaluation_key_write(r->evaluation, path));
    assert_ok(annulus_evaluation_key_read(path, back->c, 0, NULL, &back->evaluation));
    assert_ok(annulus_input_write(r->x, path));
    assert_ok(annulus_input_read(path, &back->x));
    annulus_output many = *r->y;
    many.outputs = 8 * many.bytes + 1;
    assert_ok(annulus_output_write(&many, path));
    assert_refused(annulus_output_read(path, &back->y), "outputs in");
    assert_ok(annulus_output_write(r->y, path));
    assert_ok(annulus_output_read(path, &back->y));
    assert_int_equal(unlink(path), 0);
}

/* The families in the other order, with keys that are right for themselves: refused, whatever they are bound to. */
static void wrong_families(const parties *r)
{
    annulus_output *y = NULL;
    double values[OUTPUTS];
    secret_key_set swapped = {.count = 2, .of = {r->client->secret->of[1], r->client->secret->of[0]}};
    annulus_client_key client = {.of = r->client->of, .secret = &swapped};
    assert_refused(annulus_decrypt(&client, r->c, r->y, values), "other dimensions than the circuit");
    swapped = (secret_key_set){.count = 1, .of = {r->client->secret->of[0]}};
    assert_refused(annulus_decrypt(&client, r->c, r->y, values), "other dimensions than the circuit");
    annulus_input *x = NULL;
    dataset d = {.count = 1, .features = FEATURES, .x = s.x};
    const annulus_dataset samples = {&d};
    assert_refused(annulus_encrypt(&client, r->c, &samples, 0, &x), "other dimensions than the circuit");
    assert_null(x);
    eval_key_set fewer = *r->evaluation->expanded;
    annulus_evaluation_key evaluation = {.of = r->evaluation->of, .expanded = &fewer};
    fewer.families.into[1].l = fewer.families.into[1].b = 0;
    assert_refused(annulus_run(r->c, &evaluation, r->x, NULL, NULL, NULL, &y), "other dimensions than the circuit");
    fewer.families = r->evaluation->expanded->families;
    fewer.families.of[0] = fewer.families.of[1];
    assert_refused(annulus_run(r->c, &evaluation, r->x, NULL, NULL, NULL, &y), "other dimensions than the circuit");
    r->x->bits -= 8;
    assert_refused(annulus_run(r->c, r->evaluation, r->x, NULL, NULL, NULL, &y), "encrypt again");
    r->x->bits += 8;
    assert_null(y);
}

static void test_roles(void **state)
{
    (void)state;
    dataset d = {.count = 1, .features = FEATURES, .x = s.x};
    const annulus_dataset samples = {&d};
    annulus_circuit whole = {s.c};
    parties r = {.c = &whole}, back = {0};
    double clear[OUTPUTS], values[OUTPUTS];
    char *text = NULL, *json = NULL;
    annulus_output *y = NULL;
    assert_ok(exec_clear(s.c, s.q, 1, 1, clear, NULL));
    exec_values(s.c, clear, clear);
    assert_ok(annulus_keygen(&whole, 0, NULL, &r.client, &r.evaluation));
    assert_ok(annulus_encrypt(r.client, &whole, &samples, 0, &r.x));
    assert_ok(annulus_run(&whole, r.evaluation, r.x, NULL, NULL, NULL, &r.y));
    through_files(&r, &back, &text, &json);
    assert_ok(annulus_run(back.c, back.evaluation, back.x, NULL, NULL, NULL, &y));
    assert_memory_equal(y->answers, r.y->answers, y->count * y->bytes);
    assert_ok(annulus_decrypt(back.client, back.c, back.y, values));
    for (size_t i = 0; i < OUTPUTS; i++) assert_true(values[i] == clear[i]);
    assert_non_null(strstr(text, "\nfamily 1    n=840 k=3 N=512 "));
    assert_non_null(strstr(text, "\nfamily 2    n=800 k=1 N=2048 "));
    assert_non_null(strstr(text, "  keyswitch l=5 B=2^3  keyswitch from the other family l=9 B=2^2  noise"));
    assert_non_null(strstr(text, "key bits a step 1  keyswitch from the other family l=4 B=2^4  noise"));
    assert_non_null(strstr(json, "\"switch_l\": 9"));
    wrong_families(&r);
    annulus_text_destroy(text), annulus_text_destroy(json);
    annulus_output_destroy(y);
    parties_destroy(&back);
    r.c = NULL;
    parties_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_executions_agree),
                                       cmocka_unit_test(test_stopped),
                                       cmocka_unit_test(test_outputs_of_the_other),
                                       cmocka_unit_test(test_audit),
                                       cmocka_unit_test(test_circuit_files),
                                       cmocka_unit_test(test_chosen),
                                       cmocka_unit_test(test_roles)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
