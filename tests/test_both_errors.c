/* SPDX-License-Identifier: Apache-2.0 */
/* An error probability of a look-up beside one of an inference is refused with what each comes to as the other, by the
 * look-ups of the circuit that would be compiled. */
#include "testing.h"

#include "annulus/annulus.h"
#include "deploy/deploy_priv.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define LOG2_ERROR (-9.0)
#define LOG2_GLOBAL (-12.0)

static annulus_dataset *data;
static annulus_model *model;

/* Three classes by a sum of two features. */
static int setup(void **state)
{
    (void)state;
    uint64_t seed = 6;
    char name[] = "/tmp/annulus-both-XXXXXX";
    const int file = mkstemp(name);
    FILE *f = fdopen(file, "w");
    annulus_train_options t;
    fprintf(f, "a,b,kind\n");
    for (int i = 0; i < 300; i++) {
        const unsigned a = (unsigned)(test_random(&seed) % 1000), b = (unsigned)(test_random(&seed) % 1000);
        fprintf(f, "%u,%u,%s\n", a, b, a + b < 700 ? "low" : a + b < 1200 ? "middle" : "high");
    }
    (void)fclose(f);
    annulus_train_options_init(&t);
    t.hidden_count = 1, t.hidden[0] = 6, t.batch = 32, t.epochs = 10;
    assert_ok(annulus_dataset_read_csv(name, ANNULUS_CLASSIFICATION, NULL, NULL, &data));
    (void)unlink(name);
    assert_ok(annulus_train(data, &t, NULL, NULL, NULL, &model));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    annulus_model_destroy(model);
    annulus_dataset_destroy(data);
    return 0;
}

/* One failure of an inference where each look-up of layer i fails with probability own[i], or with p if that is 0. */
static double whole(const circuit *c, double p)
{
    double right = 1;
    for (size_t i = 0; i < c->layers_count; i++) {
        const double own = c->layers[i].log2_error;
        for (size_t k = 0; k < c->layers[i].out; k++) right *= 1 - (own < 0 ? exp2(own) : p);
    }
    return 1 - right;
}

static double number_after(const char *what)
{
    const char *at = strstr(annulus_error_message(), what);
    assert_non_null(at);
    at += strlen(what);
    return strncmp(at, "2^", 2) == 0 ? exp2(strtod(at + 2, NULL)) : strtod(at, NULL);
}

static void near(double a, double b)
{
    assert_true(fabs(a / b - 1) < 0.008); /* as printed */
}

/* Returns look-ups and scores. */
static size_t refused(const annulus_compile_options *options)
{
    annulus_compile_options o = *options;
    annulus_circuit *c = NULL, *none = NULL;
    size_t count = 0;
    o.log2_error = LOG2_ERROR, o.log2_global_error = 0;
    assert_ok(annulus_compile(model, data, &o, &c));
    for (size_t i = 0; i < c->c->layers_count; i++) count += c->c->layers[i].out;
    o.log2_global_error = LOG2_GLOBAL;
    assert_refused(annulus_compile(model, data, &o, &none), "are both given: with ");
    assert_null(none);
    assert_int_equal((size_t)number_after("given: with "), count);
    near(number_after(" p-error "), exp2(LOG2_ERROR));
    near(number_after("means global-p-error "), whole(c->c, exp2(LOG2_ERROR)));
    near(number_after(", and global-p-error "), exp2(LOG2_GLOBAL));
    near(whole(c->c, number_after("means p-error ")), exp2(LOG2_GLOBAL));
    annulus_circuit_destroy(c);
    return count;
}

static void test_look_ups(void **state)
{
    (void)state;
    annulus_compile_options o;
    annulus_compile_options_init(&o);
    o.rounding_bits = 3;
    const size_t plain = refused(&o);
    assert_true(plain <= 9);
    o.rounding = ANNULUS_ROUND_EXACT; /* a look-up for each bit that goes */
    assert_true(refused(&o) > plain);
    o.rounding = ANNULUS_ROUND_DEFAULT, o.top_1_bits = 4; /* scores are looked up and compared */
    assert_true(refused(&o) > plain + 3);
}

static void test_own(void **state)
{
    (void)state;
    annulus_compile_options o;
    annulus_circuit *none = NULL;
    annulus_layer_error own[] = {{"output", -14}, {"layer 1", -20}};
    annulus_compile_options_init(&o);
    o.layer_errors = own, o.layer_errors_count = 1;
    assert_true(refused(&o) > 3);
    assert_non_null(strstr(annulus_error_message(), "look-ups and scores, 3 of which have their own, p-error "));
    own[0].log2_error = -13; /* of three scores more than the inference may */
    o.log2_error = LOG2_ERROR, o.log2_global_error = LOG2_GLOBAL;
    assert_refused(annulus_compile(model, data, &o, &none),
                   "and global-p-error 0.000244 is less than their own come to; give one");
    o.layer_errors_count = 2;
    assert_refused(annulus_compile(model, data, &o, &none), "and global-p-error 0.000244 is of no look-up; give one");
    o.layer_errors_count = 0, o.output_bits = 24; /* no parameters: by the look-ups of others */
    assert_refused(annulus_compile(model, data, &o, &none),
                   ", for which there are no parameters, p-error 0.00195 means global-p-error 0.0");
    o.layer_errors_count = 2, o.rounding_bits = 13; /* no circuit at all */
    assert_refused(annulus_compile(model, data, &o, &none), "both given, give one; by the former: rounding to 13");
}

/* Look-ups of widths and methods that are to be chosen are not known: the approximate ones count. */
static void test_chosen(void **state)
{
    (void)state;
    annulus_compile_options o;
    annulus_circuit *none = NULL;
    annulus_compile_options_init(&o);
    const size_t plain = refused(&o);
    o.log2_error = LOG2_ERROR, o.log2_global_error = LOG2_GLOBAL, o.rounding = ANNULUS_ROUND_EXACT;
    assert_refused(annulus_compile_auto(model, data, &o, -1, 0, NULL, NULL, &none),
                   "look-ups and scores, before rounding is chosen, p-error 0.00195 means");
    assert_int_equal((size_t)number_after("given: with "), plain);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_look_ups), cmocka_unit_test(test_own),
                                       cmocka_unit_test(test_chosen)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
