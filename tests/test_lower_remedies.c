/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to help a network without parameters does, in the seconds that are said. */
#include "nn_fixture.h"

#include "circuit/latency.h"
#include "nn/lower.h"
#include "nn/top_1.h"
#include <stdlib.h>
#include <string.h>

#define SAMPLES 200u
#define PRINTED 0.00501 /* of the seconds: they are said with three digits */

typedef struct subject {
    network *n;
    float *x;
} subject;

static subject subject_create(uint64_t seed, const size_t *widths, size_t layers)
{
    subject s = {.n = random_network(&seed, widths, layers, ACTIVATION_RELU, 8)};
    s.x = random_inputs(&seed, SAMPLES, widths[0]);
    return s;
}

static void subject_clear(subject *s)
{
    network_destroy(s->n);
    free(s->x);
}

/* Seconds of the network so compiled; INFINITY: there are no parameters. */
static double seconds_of(const subject *s, const lower_options *options)
{
    circuit *c = NULL;
    lower_options o = *options;
    o.compiles_remedies = 0;
    const annulus_status st = network_lower(s->n, s->x, SAMPLES, &o, &c);
    if (st == ANNULUS_ERR_INFEASIBLE) return INFINITY;
    assert_ok(st);
    const double seconds = circuit_seconds(c, o.threads, NULL);
    circuit_destroy(c);
    return seconds;
}

static void cap(const char *of, unsigned bits, lower_options *o, layer_rounding *own)
{
    if (of == NULL) {
        o->rounding_bits = bits;
        return;
    }
    static char names[4][16];
    for (size_t i = 0; of != NULL; i++, of = strstr(of + 1, "layer ")) {
        assert_true(i < 4 && sscanf(of, "%15[a-z 0-9]", names[i]) == 1);
        own[i] = (layer_rounding){names[i], bits, ROUNDING_UNSAID};
        o->layer_roundings = own, o->layer_roundings_count = i + 1;
    }
}

/* The options as this remedy tells. Returns 0 if no option does. */
static int take(const char *text, lower_options *o, layer_rounding *own, layer_error *error)
{
    unsigned bits;
    if (sscanf(text, "rounding to %u bits", &bits) == 1) {
        cap(strstr(text, "layer "), bits, o, own);
    } else if (sscanf(text, "output bits fewer by %u", &bits) == 1) {
        o->output_bits -= bits;
    } else if (sscanf(text, "top-1 bits fewer by %u", &bits) == 1) {
        o->top_1_bits -= bits;
    } else if (strstr(text, "p-error 2^") != NULL) {
        const double value = strtod(strstr(text, "2^") + 2, NULL);
        if (strstr(text, " of ") == NULL)
            o->log2_error = value;
        else
            *error = (layer_error){o->layer_errors[0].layer, value}, o->layer_errors = error;
    } else {
        assert_non_null(strstr(text, "weights "));
        return 0;
    }
    return 1;
}

/* Every remedy of a network without parameters; `asked` are among them. */
static void follow(const subject *s, const lower_options *options, const char *asked)
{
    circuit *c = NULL;
    lower_options o = *options;
    layer_rounding own[4];
    layer_error error;
    o.compiles_remedies = 1;
    assert_refused(network_lower(s->n, s->x, SAMPLES, &o, &c), asked);
    char message[1024], *end = NULL;
    (void)snprintf(message, sizeof message, "%s", annulus_error_message());
    char *text = strstr(message, "what helps: ");
    assert_non_null(text);
    double last = 0;
    for (text += strlen("what helps: "); text != NULL; text = end == NULL ? NULL : end + strlen(", or ")) {
        end = strstr(text, ", or ");
        if (end != NULL) *end = 0;
        const double said = strtod(strrchr(text, '(') + 1, NULL);
        assert_true(said >= last);
        last = said;
        o = *options;
        if (!take(text, &o, own, &error)) continue;
        const double seconds = seconds_of(s, &o);
        if (!(fabs(said - seconds) <= PRINTED * seconds)) print_error("%s: it takes %g s\n", text, seconds);
        assert_true(fabs(said - seconds) <= PRINTED * seconds);
        if (strncmp(text, "rounding to ", 12) != 0) continue;
        o.rounding_bits += o.layer_roundings_count == 0; /* no more bits are enough */
        for (size_t i = 0; i < o.layer_roundings_count; i++) own[i].bits++;
        assert_true(isinf(seconds_of(s, &o)));
    }
}

static lower_options asking(unsigned bits, double log2_error)
{
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = bits, o.log2_error = log2_error, o.threads = 2;
    return o;
}

static void test_two_layers(void **state)
{
    (void)state;
    const size_t widths[] = {24, 16, 12, 4};
    subject s = subject_create(3, widths, 3);
    lower_options o = asking(12, -120);
    follow(&s, &o, "rounding to ");
    o.minimize = MINIMIZE_MEMORY;
    follow(&s, &o, "rounding to ");
    o = asking(11, -90);
    o.target = ERROR_GLOBAL;
    follow(&s, &o, "global-p-error 2^");
    o = asking(5, -40);
    o.output_bits = 24;
    follow(&s, &o, "output bits fewer by ");
    o = asking(12, -100);
    o.ranges_measured = 0;
    follow(&s, &o, "rounding to ");
    subject_clear(&s);
}

/* Layers that are named, in their own right or as those of more bits. */
static void test_named_layers(void **state)
{
    (void)state;
    const size_t widths[] = {40, 8, 8, 4};
    const layer_rounding coarse = {"layer 2", 3, ROUNDING_UNSAID};
    const layer_error strict = {"layer 1", -250};
    subject s = subject_create(5, widths, 3);
    lower_options o = asking(12, -120);
    o.layer_roundings = &coarse, o.layer_roundings_count = 1;
    circuit *c = NULL;
    o.compiles_remedies = 1;
    assert_refused(network_lower(s.n, s.x, SAMPLES, &o, &c), " bits of layer 1 (");
    o = asking(11, -20);
    o.layer_errors = &strict, o.layer_errors_count = 1;
    follow(&s, &o, " of layer 1 (");
    subject_clear(&s);
}

/* No parameters are looked for where no table is so large. */
static void test_large_tables(void **state)
{
    (void)state;
    const size_t widths[] = {40, 8, 3};
    subject s = subject_create(3, widths, 2);
    lower_options o = asking(0, -40);
    o.ranges_measured = 0;
    follow(&s, &o, "tables hold 4096 at any error probability; what helps: rounding to ");
    subject_clear(&s);
}

static void test_top_1(void **state)
{
    (void)state;
    const size_t widths[] = {16, 6, 4};
    subject s = subject_create(7, widths, 2);
    lower_options o = asking(4, -120);
    o.top_1_bits = 10, o.ranges_measured = 0;
    follow(&s, &o, "top-1 bits fewer by ");
    subject_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_layers), cmocka_unit_test(test_named_layers),
                                       cmocka_unit_test(test_large_tables), cmocka_unit_test(test_top_1)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
