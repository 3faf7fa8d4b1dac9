/* SPDX-License-Identifier: Apache-2.0 */
/* What inspect says of a circuit, and that no name from a file is markup in its report. */
#include "comma_locale.h"
#include "share_fixture.h"

#include "data/dataset.h"
#include "deploy/audit_report.h"
#include "deploy/deploy_priv.h"
#include "optimizer/noise.h"
#include <jansson.h>
#include <math.h>
#include <unistd.h>

static char path[] = "/tmp/annulus-inspect-XXXXXX", report[64];
static circuit *c;

static int setup(void **state)
{
    (void)state;
    uint64_t seed = 4;
    lower_options o;
    lower_options_init(&o);
    network *n = random_network(&seed, (const size_t[]){5, 4, 4, 2}, 3, ACTIVATION_RELU, 3);
    float *x = random_inputs(&seed, 60, 5);
    assert_ok(network_lower(n, x, 60, &o, &c));
    network_destroy(n);
    free(x);
    const int fd = mkstemp(path);
    (void)snprintf(report, sizeof report, "%s.html", path);
    return fd < 0 || close(fd) != 0;
}

static int teardown(void **state)
{
    (void)state;
    circuit_destroy(c);
    (void)unlink(report);
    return unlink(path);
}

static void write_circuit(void)
{
    const annulus_circuit whole = {c};
    assert_ok(circuit_digest(c));
    assert_ok(annulus_circuit_write(&whole, path));
}

static json_t *inspect(void)
{
    char *text = NULL;
    write_circuit();
    assert_ok(annulus_inspect(path, 1, &text));
    json_t *j = json_loads(text, 0, NULL);
    annulus_text_destroy(text);
    assert_non_null(j);
    return j;
}

static double value(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    if (!json_is_number(v)) print_error("no number \"%s\"\n", key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

/* Norms are those of the weights; what is allowed just holds the bound; the noise of the optimizer's choice does. */
static void test_layers(void **state)
{
    (void)state;
    json_t *j = inspect(), *layers = json_object_get(j, "layers");
    double shares = 0, seconds = 0;
    assert_int_equal(json_array_size(layers), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *l = json_array_get(layers, i);
        double norm = 0;
        for (size_t o = 0; o < c->layers[i].out; o++) {
            double square = 0;
            for (size_t k = 0; k < c->layers[i].in; k++)
                square += pow(weights_of(&c->layers[i])[o * c->layers[i].in + k], 2);
            norm = fmax(norm, sqrt(square));
        }
        assert_true(fabs(value(l, i == 0 ? "two_norm_inputs" : "two_norm") - norm) < 1e-4 * norm);
        assert_true(value(l, i == 0 ? "two_norm" : "two_norm_inputs") == 0);
        const double allowed = exp2(value(l, "noise_log2_std_allowed"));
        const double half = exp2(value(l, "noise_log2_half_window"));
        assert_true(fabs(noise_failure_log2(allowed * allowed, half) - value(l, "log2_error")) < 0.01);
        assert_true(value(l, "noise_used") > 0 && value(l, "noise_used") <= 1.0001);
        assert_true(fabs(log2(value(l, "noise_used")) + value(l, "noise_log2_std_allowed") -
                         value(l, "noise_log2_std")) < 1e-3);
        assert_string_equal(json_string_value(json_object_get(l, "rounding")),
                            c->layers[i].step > 1 ? "approximate" : "none");
        /* 60 samples, at either end of a sum: less where the margin is, or the end is proven */
        const double unseen = value(l, "out_of_range_probability"), measured = value(l, "out_of_measured_probability");
        assert_true(0 < unseen && unseen < measured && measured <= 2 / 61.0 + 1e-6);
        assert_true(fabs(value(l, "sample_out_of_range_probability") / (unseen * (double)c->layers[i].out) - 1) < 1e-4);
        shares += value(l, "share_all_cores");
        seconds += value(l, "share_one_core") * value(j, "seconds_one_core");
    }
    assert_true(fabs(shares - 1) < 1e-4 && fabs(seconds / value(j, "seconds_one_core") - 1) < 1e-4);
    const json_t *memory = json_object_get(j, "memory"), *bytes = json_object_get(j, "bytes");
    assert_true(value(memory, "peak") > value(memory, "keys") + value(memory, "tables"));
    assert_true(value(memory, "keys") >= value(bytes, "bootstrapping_key_memory") +
                                             value(bytes, "keyswitching_key_memory") +
                                             value(bytes, "evaluation_key_file"));
    json_decref(j);
}

/* By hand: 3*x - 2*y of integers in [0, 7], calibrated on x = 1 to 5 and y = 0 to 7. */
static void test_ranges(void **state)
{
    (void)state;
    uint64_t seed = 9;
    circuit *const own = c;
    network *n = random_network(&seed, (const size_t[]){2, 2, 2}, 2, ACTIVATION_RELU, 3);
    lower_options o;
    float x[40][2];
    char *words = NULL;
    lower_options_init(&o);
    n->layers[0].W[2] = 3, n->layers[0].W[3] = -2;
    for (size_t i = 0; i < 40; i++) x[i][0] = 0.25f * (float)(1 + i % 5), x[i][1] = 0.25f * (float)(i / 5);
    assert_ok(network_lower(n, x[0], 40, &o, &c));
    write_circuit();
    assert_ok(annulus_inspect_program(path, 0, &words));
    /* a margin of 10 % of 26, and no further than proven */
    assert_non_null(strstr(words, ", sums in [-14, 18], proven [-14, 21], measured [-11, 15] on 40 samples\n"));
    annulus_text_destroy(words);
    assert_ok(annulus_inspect_program(path, 1, &words));
    json_t *j = json_loads(words, 0, NULL), *l = json_array_get(json_object_get(j, "layers"), 0);
    annulus_text_destroy(words);
    static const struct {
        const char *name;
        json_int_t second;
    } ends[] = {{"proven_lo", -14}, {"proven_hi", 21}, {"measured_lo", -11}, {"measured_hi", 15}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const json_t *list = json_object_get(l, ends[i].name);
        assert_int_equal(json_array_size(list), 2);
        assert_int_equal(json_integer_value(json_array_get(list, 1)), ends[i].second);
    }
    assert_true(value(j, "calibration_samples") == 40);
    json_decref(j);
    network_destroy(n);
    circuit_destroy(c);
    c = own;
}

static char *read_report(void)
{
    char *text = calloc(1, 1 << 20);
    FILE *f = fopen(report, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* With the circuit of a try. */
static void end_of_try(char *words, json_t *j, float *x, network *n)
{
    annulus_text_destroy(words);
    json_decref(j);
    free(x);
    network_destroy(n);
    circuit_destroy(c);
}

/* How layers of networks with equal sums read their tables: kinds and ways of share_fixture.h. */
static void test_several(void **state)
{
    (void)state;
    static const struct {
        int kind;
        share_way way;
        const char *name, *line;
    } tries[] = {
        {THREE, SHARE_NOT, "none", "family 1"},
        {SHIFTED, SHARE_MIXED, "shifts", "several     layer 1: tables of one rotation, which are one"},
        {THREE, SHARE_MIXED, "steps", "several     layer 1: tables of one rotation, as sums of its steps"},
        {THREE, SHARE_SLOTS, "slots", "several     layer 1: tables of one rotation, side by side: "},
        {PAIRED, SHARE_BOTH, "shifts in slots", "several     layer 1: tables of one rotation, side by side, but"}};
    circuit *const own = c;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        uint64_t seed = 7;
        char *words = NULL;
        lower_options o;
        lower_options_init(&o);
        o.ranges_measured = 0, o.families_most = 1, o.share_ways = 1u << tries[i].way & LOWER_SHARE_ANY;
        o.rounding_bits = tries[i].way == SHARE_SLOTS ? 3 : 0, o.log2_error = tries[i].way == SHARE_SLOTS ? -40 : -1;
        network *n = network_of(&seed, tries[i].kind);
        float *x = random_inputs(&seed, 40, INPUTS);
        assert_ok(network_lower(n, x, 40, &o, &c));
        json_t *j = inspect(), *l = json_array_get(json_object_get(j, "layers"), 0);
        assert_string_equal(json_string_value(json_object_get(l, "several_tables")), tries[i].name);
        assert_true(value(l, "look_ups") == (double)circuit_values(&c->layers[0]));
        assert_ok(annulus_inspect(path, 0, &words));
        assert_non_null(strstr(words, tries[i].line));
        assert_int_equal(strstr(words, "several     ") != NULL, i > 0);
        end_of_try(words, j, x, n);
    }
    c = own;
}

/* evaluate counts sums, of which look-ups of one rotation have one: all of them are out of their ranges here. */
static void test_sums(void **state)
{
    (void)state;
    enum { SAMPLES = 8 };
    for (int slots = 0; slots < 2; slots++) {
        uint64_t seed = 7;
        circuit *shared = NULL;
        annulus_evaluation e;
        lower_options o;
        lower_options_init(&o);
        o.ranges_measured = 0, o.families_most = 1, o.rounding_bits = slots ? 3 : 0, o.log2_error = slots ? -40 : -1;
        o.share_ways = 1u << (slots ? SHARE_SLOTS : SHARE_MIXED);
        network *n = network_of(&seed, THREE);
        float *x = random_inputs(&seed, 40, INPUTS);
        assert_ok(network_lower(n, x, 40, &o, &shared));
        circuit_layer *l = &shared->layers[0];
        assert_int_equal(l->offsets, 3);
        for (size_t k = 0; k < l->out; k++) l->lo[k] = l->hi[k] = l->proven_hi[k] + 1;
        dataset d = {.count = SAMPLES, .features = INPUTS, .x = x};
        const annulus_dataset samples = {&d};
        const annulus_circuit made = {shared};
        for (annulus_mode mode = ANNULUS_CLEAR; mode <= ANNULUS_SIMULATE; mode++) {
            assert_ok(annulus_evaluate(&made, &samples, mode, 1, 0, NULL, NULL, &e));
            assert_int_equal(e.layers[0].look_ups, 3 * SAMPLES * NEURONS);
            assert_int_equal(e.layers[0].sums, SAMPLES * NEURONS);
            assert_int_equal(e.layers[0].out_of_range, e.layers[0].sums);
            assert_int_equal(e.layers[e.layers_count - 1].sums, SAMPLES * OUTPUTS);
        }
        free(x);
        network_destroy(n);
        circuit_destroy(shared);
    }
}

/* Functions that change every so many units: by a power of two or another number, and where the step divides it or
 * does not. */
static void test_shifts(void **state)
{
    (void)state;
    static const struct {
        double units;
        unsigned bits;
        const char *line;
    } tries[] = {
        {8, 7, "function    layer 1: shift by 3: changes every 8 units of the sums alone, so cells of 8 lose nothing"},
        {8, 2, "function    layer 1: shift by 3: changes every 8 units of the sums alone, so cells of "},
        {10, 6, "function    layer 1: steps of 10: changes every 10 units of the sums alone, so cells of "},
        {8.3, 6, NULL}};
    circuit *const own = c;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        uint64_t seed = 9;
        const size_t widths[] = {24, 4, 3};
        char *words = NULL;
        lower_options o;
        lower_options_init(&o);
        o.ranges_measured = 0, o.families_most = 1, o.rounding_bits = tries[i].bits, o.method = ROUNDING_EXACT;
        network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 4);
        float *x = random_inputs(&seed, 40, 24);
        for (size_t k = 0; k < 4; k++)
            n->layers[0].w_scale[k] = n->layers[0].out_q.scale / n->input.scale / tries[i].units;
        assert_ok(network_lower(n, x, 40, &o, &c));
        json_t *j = inspect(), *layers = json_object_get(j, "layers");
        const json_t *l = json_array_get(layers, json_array_size(layers) - 2);
        assert_ok(annulus_inspect(path, 0, &words));
        if (tries[i].line == NULL) {
            assert_null(json_object_get(l, "function_step"));
            assert_null(strstr(words, "function    "));
        } else {
            assert_true(value(l, "function_step") == tries[i].units);
            assert_non_null(strstr(words, tries[i].line));
        }
        assert_int_equal(strstr(words, "lose something") != NULL, i == 1 || i == 2);
        end_of_try(words, j, x, n);
    }
    c = own;
}

/* Dimensions in all three forms, those that do not fit left out. */
/* Report and program have points, whatever the locale. */
static void test_locale(void **state)
{
    (void)state;
    char *words[2], *html[2];
    write_circuit();
    for (int comma = 0; comma < 2; comma++) {
        if (comma) comma_locale_begin();
        assert_ok(annulus_inspect_program(path, 0, &words[comma]));
        assert_ok(annulus_inspect_html(path, report));
        if (comma) comma_locale_end();
        html[comma] = read_report();
    }
    assert_string_equal(words[0], words[1]);
    assert_string_equal(html[0], html[1]);
    for (int k = 0; k < 2; k++) annulus_text_destroy(words[k]), free(html[k]);
}

static void test_shapes(void **state)
{
    (void)state;
    static const char *const words[] = {"1x5 -> 2x1x2 ", "4 -> 2x3 (4) ", "4 -> 2 "};
    char *text = NULL;
    c->layers[0].shape = (linear_shape){{1, 5}, {2, 1, 2}};
    c->layers[1].shape = (linear_shape){{3, 1}, {2, 3}};
    json_t *j = inspect(), *layers = json_object_get(j, "layers");
    json_t *want = json_pack("[[i,i,i],[i,i],[i]]", 2, 1, 2, 2, 3, 2), *in = json_pack("[[i,i],[i],[i]]", 1, 5, 4, 4);
    assert_ok(annulus_inspect(path, 0, &text));
    assert_ok(annulus_inspect_html(path, report));
    char *html = read_report();
    for (size_t i = 0; i < 3; i++) {
        const json_t *l = json_array_get(layers, i);
        assert_true(json_equal(json_object_get(l, "shape_in"), json_array_get(in, i)));
        assert_true(json_equal(json_object_get(l, "shape_out"), json_array_get(want, i)));
        assert_non_null(strstr(text, words[i]));
    }
    assert_non_null(strstr(html, "<td>1x5 &#8594; 2x1x2</td>"));
    assert_non_null(strstr(html, ", 4 to 2x3 (4)</text>"));
    free(html);
    annulus_text_destroy(text);
    json_decref(j), json_decref(want), json_decref(in);
}

static void test_names(void **state)
{
    (void)state;
    strcpy(c->layers[0].name, "<b>&\"'\xef\xbf\xbf");
    strcpy(c->layers[1].activation, "</td><i>\xc3\xa9");
    strcpy(c->layers[1].op, "<script>");
    write_circuit();
    assert_ok(annulus_inspect_html(path, report));
    char *html = read_report();
    static const char *const raw[] = {"<b>", "<i>", "<script", "\xef\xbf\xbf", "http", "url(h", "src="};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
        if (strstr(html, raw[i]) != NULL) {
            print_error("the report has %s\n", raw[i]);
            _fail(__FILE__, __LINE__);
        }
    assert_non_null(strstr(html, "&lt;b&gt;&amp;&quot;&#39;\xef\xbf\xbd<"));
    assert_non_null(strstr(html, "&lt;/td&gt;&lt;i&gt;\xc3\xa9<"));
    assert_non_null(strstr(html, "&lt;script&gt;"));
    free(html);
    json_t *j = inspect();
    const json_t *name = json_object_get(json_array_get(json_object_get(j, "layers"), 1), "operation");
    assert_string_equal(json_string_value(name), "<script>");
    json_decref(j);
}

/* The edges of the picture are the sources, those that pass by a layer beside it. */
static void test_edges(void **state)
{
    (void)state;
    write_circuit();
    assert_ok(annulus_inspect_html(path, report));
    char *html = read_report();
    size_t edges = 0, boxes = 0;
    for (const char *p = html; (p = strstr(p, "<path class=\"edge\"")) != NULL; p++) edges++;
    for (const char *p = html; (p = strstr(p, "<rect class=")) != NULL; p++) boxes++;
    assert_true(edges == 3 && boxes == 4);
    assert_non_null(strstr(html, "; 60 calibration samples; "));
    assert_non_null(strstr(html, "<th>out of range</th>"));
    free(html);
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused(annulus_inspect_html("/no/circuit", report), "cannot open");
    write_circuit();
    assert_refused(annulus_inspect_html(path, "/no/report"), "cannot write there");
    assert_refused(annulus_inspect_html(path, "/tmp"), "no regular file");
}

/* An audit names the layers that it accepts untested. */
static void test_untested(void **state)
{
    (void)state;
    circuit *small = NULL;
    audit a = {.samples = 1, .tests = 4, .log_alarm = -16, .most_ratio = 6};
    const audit_answers answers = {-1, -1, -1, -1};
    const audit_noise some = {.count = 3, .measured = 0x1p-20, .predicted = 0x1p-20};
    assert_ok(circuit_create(3, &small));
    for (size_t i = 0; i < 3; i++) {
        circuit_layer *l = &small->layers[i];
        (void)snprintf(l->name, sizeof l->name, i < 2 ? "layer %zu" : "output", i + 1);
        l->out = 3, l->cells = i < 2 ? 16 : 0;
        if (i != 1) a.simulated.layers[i].sum = a.encrypted.layers[i].sum = some;
    }
    json_t *j = audit_json(small, &a, &answers);
    assert_non_null(j);
    char *text = audit_text(j);
    json_decref(j);
    assert_non_null(text);
    assert_non_null(strstr(text, "\nlayer 2 is not tested: "));
    assert_null(strstr(text, "layer 1 is not tested"));
    assert_null(strstr(text, "output is not tested"));
    assert_non_null(strstr(text, "the noise model is accepted"));
    free(text);
    circuit_destroy(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),   cmocka_unit_test(test_edges),  cmocka_unit_test(test_several),
        cmocka_unit_test(test_ranges),   cmocka_unit_test(test_sums),   cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_shapes),   cmocka_unit_test(test_locale), cmocka_unit_test(test_names),
        cmocka_unit_test(test_untested), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
