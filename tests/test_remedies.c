/* SPDX-License-Identifier: Apache-2.0 */
/* What is said, and what helps, where there is no set of parameters. */
#include "testing.h"

#include "optimizer/batches.h"
#include "search_fixture.h"
#include "optimizer/remedies.h"
#include <stdlib.h>

static remedies list;

/* Searches for the layer after a change: its seconds, NaN if infeasible. */
static double seconds_of(lookup_layer layer, double log2_error)
{
    const optimizer_request q = {
        .layers = &layer, .layers_count = 1, .log2_error = log2_error, .level = SECURITY_128, .helps = &list};
    optimizer_result r;
    return optimizer_search(&q, &r) == ANNULUS_OK ? r.seconds : NAN;
}

/* The number after `what` in the message, and the seconds of that remedy. */
static double named(const char *message, const char *what, double *seconds)
{
    double value = NAN;
    const char *at = strstr(message, what);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(what), "%lf", &value), 1);
    const char *end = strstr(at, " s)");
    assert_non_null(end);
    while (end[-1] != '(') end--;
    assert_int_equal(sscanf(end, "%lf", seconds), 1);
    return value;
}

static void near(double said, double is)
{
    assert_true(fabs(said - is) <= 0.006 * is);
}

/* Every remedy is feasible by itself, costs what is said, and a smaller one is not enough. */
static void test_remedies(void **state)
{
    (void)state;
    const lookup_layer wide = hidden(5, exp2(22), 10);
    lookup_layer less = wide;
    char message[512];
    double seconds;
    assert_true(isnan(seconds_of(wide, -40)));
    (void)snprintf(message, sizeof message, "%s", annulus_error_message());
    assert_non_null(strstr(message, "hidden asks for 5.0 bits at two-norm 4194304.0 with error probability 2^-40.0"));
    const double bits = named(message, "rounding to ", &seconds), fastest = seconds;
    near(seconds, seconds_of(hidden(bits, exp2(22), 10), -40));
    assert_true(isnan(seconds_of(hidden(bits + 1, exp2(22), 10), -40)));
    const double log2_p = named(message, "or p-error 2^", &seconds), second = seconds;
    near(seconds, seconds_of(wide, log2_p));
    assert_true(isnan(seconds_of(wide, log2_p - 1)));
    less.two_norm = named(message, "(two-norm ", &seconds) * (1 - 1e-6); /* as printed */
    near(seconds, seconds_of(less, -40));
    less.two_norm *= 1.011;
    assert_true(isnan(seconds_of(less, -40)));
    assert_true(fastest <= second && second <= seconds);
}

/* The message at hand asks for so much and says what is reachable, of `least` to `most` look-ups that fail alike; the
 * larger global probability that helps is the next power of two. */
static void reaches(const char *asked, double least, double most)
{
    double whole, each, seconds;
    const char *at = strstr(annulus_error_message(), asked);
    assert_non_null(at);
    at = strstr(at, "the best reachable is 2^");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "the best reachable is 2^%lf an inference, 2^%lf a ", &whole, &each), 2);
    assert_true(whole >= global_from_lookup_log2(each, least) - 0.1 - 1e-6);
    assert_true(whole <= global_from_lookup_log2(each, most) + 0.1 + 1e-6);
    const double helps = named(annulus_error_message(), "global-p-error 2^", &seconds);
    assert_true(helps >= whole - 0.05 && helps <= whole + 1.05);
}

static void test_remedies_by_cause(void **state)
{
    (void)state;
    const lookup_layer out = {.name = "scores", .half_window = 0x1p-30, .two_norm = 1024, .count = 10, .is_output = 1};
    lookup_layer layers[] = {hidden(11, 16, 10), hidden(2, 1, 10)}, changed = out;
    double seconds;
    assert_true(isnan(seconds_of(out, -40)));
    changed.half_window *= exp2(named(annulus_error_message(), "what helps: output bits fewer by ", &seconds));
    assert_non_null(strstr(annulus_error_message(), " (0 s)"));
    assert_true(isfinite(seconds_of(changed, -40)));
    changed.half_window /= 2;
    assert_true(isnan(seconds_of(changed, -40)));

    layers[0].log2_error = -200; /* a layer's own bound is what is too much */
    optimizer_request q = {
        .layers = layers, .layers_count = 2, .log2_error = -5, .level = SECURITY_128, .helps = &list};
    optimizer_result r;
    assert_refused(optimizer_search(&q, &r), "with error probability 2^-200.0");
    assert_non_null(strstr(annulus_error_message(), " of hidden ("));
    layers[0].log2_error = named(annulus_error_message(), "p-error 2^", &seconds);
    assert_ok(optimizer_search(&q, &r));
    near(seconds, r.seconds);
    layers[0].log2_error -= 1;
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);

    layers[0] = hidden(11, 4096, 10); /* a whole inference */
    q.target = ERROR_GLOBAL, q.log2_error = -40, q.layers_count = 1;
    assert_refused(optimizer_search(&q, &r), "rounding to 10 bits (");
    reaches(" with error probability 2^-40.0 an inference, 2^-43.3 a look-up, ", 10, 10);
    q.log2_error = named(annulus_error_message(), "global-p-error 2^", &seconds);
    assert_ok(optimizer_search(&q, &r));
    near(seconds, r.seconds);
    q.log2_error -= 1;
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    q.log2_error = -40, q.layers_count = 2, layers[1] = hidden(11, 4096, 30); /* of several layers together */
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    reaches(" with error probability 2^-40.0 an inference, 2^-45.3 a look-up, ", 40, 40);
    layers[0].log2_error = -60; /* its own */
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    assert_null(strstr(annulus_error_message(), " an inference"));
    layers[0] = hidden(2, 1, 10), layers[1] = changed, layers[1].half_window = 0x1p-19;
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    reaches(" with error probability 2^-40.0 an inference, 2^-44.3 a value, ", 10, 20);

    layers[0] = layers[1] = hidden(11, 4096, 10), layers[0].name = "layer 7"; /* which layers rounding has to name */
    q.target = ERROR_PER_LOOKUP, q.layers_count = 2;
    assert_refused(optimizer_search(&q, &r), "rounding to 10 bits (");
    layers[1] = hidden(2, 1, 10);
    assert_refused(optimizer_search(&q, &r), "rounding to 10 bits of layer 7 (");

    changed = out;
    changed.half_window = 0x1p-12, changed.two_norm = exp2(60), changed.count = 1;
    layers[0] = changed, layers[1] = hidden(12, exp2(40), 10), q.target = ERROR_PER_LOOKUP, q.layers_count = 2;
    assert_refused(optimizer_search(&q, &r), "no change of bits, p-error or weights by itself is enough");
}

/* What is asked for and reachable is named, and what helps does. */
static void test_deviation_remedies(void **state)
{
    (void)state;
    lookup_layer layer = {
        .name = "triangle", .half_window = 0x1p-6, .two_norm = exp2(26), .count = 1, .phase_std = 0x1p-7};
    const optimizer_request q = {
        .layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128, .helps = &list};
    optimizer_result r;
    double seconds;
    assert_refused(optimizer_search(&q, &r),
                   "triangle asks for a deviation of 2^-7.00 of its phase at two-norm 67108864.0");
    const char *at = strstr(annulus_error_message(), "what helps: ");
    assert_non_null(at);
    assert_non_null(strstr(at, "phase-noise 2^"));
    layer.phase_std = exp2(strtod(strstr(at, "phase-noise 2^") + 14, NULL));
    assert_ok(optimizer_search(&q, &r));
    layer.phase_std *= exp2(-0.25);
    assert_refused(optimizer_search(&q, &r), "of its phase");
    layer.phase_std = 0x1p-7;
    assert_refused(optimizer_search(&q, &r), "weights ");
    layer.two_norm = named(annulus_error_message(), "(two-norm ", &seconds) * (1 - 1e-6);
    assert_ok(optimizer_search(&q, &r));
    layer.two_norm = 1, layer.output_std = 0x1p-50;
    assert_refused(optimizer_search(&q, &r), "triangle asks for a deviation of 2^-50.00 of its bootstraps");
    layer.output_std = exp2(named(strstr(annulus_error_message(), "what helps"), "a deviation of 2^", &seconds));
    assert_ok(optimizer_search(&q, &r));
}

/* Remedies are ranked by the seconds of what is then taken, of two families where these pay. */
static void test_ranks(void **state)
{
    (void)state;
    const lookup_layer layers[] = {hidden(1, 1, 4000), hidden(11, 4096, 1)};
    optimizer_request q = {.layers = layers,
                           .layers_count = 2,
                           .log2_error = -40,
                           .level = SECURITY_128,
                           .helps = &list,
                           .families_most = 2,
                           .threads = 2};
    optimizer_result r;
    double seconds;
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    q.log2_error = named(annulus_error_message(), "p-error 2^", &seconds);
    assert_ok(optimizer_search(&q, &r));
    assert_int_equal(r.families.count, 2);
    near(seconds, batches_seconds(&q, &r));
}

/* What is against the rest of the request is no remedy. */
static void test_bounded_remedies(void **state)
{
    (void)state;
    lookup_layer layer = hidden(11, 1.5, 10);
    optimizer_request q = {
        .layers = &layer, .layers_count = 1, .log2_error = -300, .level = SECURITY_128, .helps = &list};
    optimizer_result r;
    double seconds;
    assert_refused(optimizer_search(&q, &r), "p-error 2^-");
    q.log2_error_most = -299; /* more would help */
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    assert_null(strstr(annulus_error_message(), "p-error 2^"));
    layer.compares = 10;
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    assert_null(strstr(annulus_error_message(), "rounding"));
    assert_null(strstr(annulus_error_message(), "weights"));
    const double fewer = named(annulus_error_message(), "what helps: top-1 bits fewer by ", &seconds);
    assert_true(isnan(seconds_of(hidden(11 - (fewer - 1), 1.5, 10), -300)));
    near(seconds, seconds_of(hidden(11 - fewer, 1.5, 10), -300));

    layer = (lookup_layer){.name = "scores", .half_window = 0x1p-30, .two_norm = 1024, .count = 10, .is_output = 1};
    assert_refused(optimizer_search(&q, &r), "scores");
    assert_null(strstr(annulus_error_message(), "output bits"));
}

/* Of many layers some are named, and all are counted; those of one name are one. */
static void test_many_layers(void **state)
{
    (void)state;
    enum { LAYERS = 40 };
    lookup_layer layers[LAYERS];
    char names[LAYERS][16];
    const optimizer_request q = {
        .layers = layers, .layers_count = LAYERS, .log2_error = -40, .level = SECURITY_128, .helps = &list};
    optimizer_result r;
    size_t named = 1, more = 0;
    for (size_t i = 0; i < LAYERS; i++) {
        (void)snprintf(names[i], sizeof names[i], "layer %zu", i + 1 - (i == 2)); /* layer 2 twice */
        layers[i] = i == 0 ? hidden(2, 1, 10) : hidden(11, 4096, 10);
        layers[i].name = names[i];
    }
    assert_refused(optimizer_search(&q, &r), "rounding to 10 bits of layer 2, layer 4, ");
    const char *at = strstr(annulus_error_message(), " of layer 2, "), *end = strstr(at, " more (");
    assert_non_null(end);
    for (const char *c = at; c < end; c++) named += *c == ',';
    while (end[-1] != ' ') end--;
    assert_int_equal(sscanf(end, "%zu more", &more), 1);
    assert_true(named >= 5);
    assert_int_equal(named + more, LAYERS - 2);
}

static void test_infeasible(void **state)
{
    (void)state;
    const lookup_layer layers[] = {hidden(3, 4, 10), hidden(11, 4096, 10)};
    const optimizer_request q = {
        .layers = layers, .layers_count = 2, .log2_error = -40, .level = SECURITY_128, .helps = &list};
    optimizer_result r;
    assert_int_equal(optimizer_search(&q, &r), ANNULUS_ERR_INFEASIBLE);
    assert_refused(optimizer_search(&q, &r), "hidden asks for 11.0 bits at two-norm 4096.0");
    assert_true(isnan(seconds_of(hidden(0, exp2(40), 10), -40)));
    assert_non_null(strstr(annulus_error_message(), "hidden asks for one bit at two-norm 1099511627776.0 with error"));
    optimizer_request bad = q;
    bad.log2_error = 0;
    assert_refused(optimizer_search(&bad, &r), "error probability");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remedies),           cmocka_unit_test(test_remedies_by_cause),
        cmocka_unit_test(test_deviation_remedies), cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_bounded_remedies),   cmocka_unit_test(test_many_layers),
        cmocka_unit_test(test_infeasible)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
