/* SPDX-License-Identifier: Apache-2.0 */
#include "comma_locale.h"
#include "train_fixture.h"

#include "onnx/onnx_model.h"
#include "train/train_text.h"

#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

static train_functions functions;

static annulus_status read_text(const char *text, train_options *o)
{
    train_options_init(o);
    return train_network_text(text, strlen(text), "net.txt", &functions, o);
}

static void a_network(void **state)
{
    (void)state;
    train_options o;
    assert_ok(read_text("# a comment\n\ninput bits=3\r\n conv 8 k=5 s=2 p=1 leaky_relu=0.25 bits=5 weights=3 # first\n"
                        "conv\t4 relu k=3\ndense 64 gelu bits=6\ndense 2 weights=2\noutput weights=6",
                        &o));
    assert_true(o.conv_count == 2 && o.hidden_count == 2 && o.layer_acts_count == 4 && o.input_bits == 3);
    assert_true(o.conv[0].channels == 8 && o.conv[0].kernel == 5 && o.conv[0].stride == 2 && o.conv[0].padding == 1);
    assert_true(o.conv[1].channels == 4 && o.conv[1].kernel == 3 && o.conv[1].stride == 1 && o.conv[1].padding == 0);
    assert_true(o.hidden[0] == 64 && o.hidden[1] == 2 && o.act == ACTIVATION_LEAKY_RELU);
    assert_true(o.layer_acts[0].act == ACTIVATION_LEAKY_RELU && o.layer_acts[0].rise == 0.25);
    assert_true(o.layer_acts[2].act == ACTIVATION_GELU && o.layer_acts[3].act == ACTIVATION_RELU);
    assert_true(o.layer_acts[0].bits == 5 && o.layer_acts[1].bits == 0 && o.layer_acts[2].bits == 6);
    static const unsigned weights[] = {3, 0, 0, 2, 6};
    for (size_t i = 0; i < 5; i++) assert_int_equal(o.layer_weight_bits[i], weights[i]);
    assert_ok(read_text("dense 9 offsets=4 trapezoid=0.5 bits=8\ndense 3 sine\noutput\n", &o));
    assert_true(o.layer_acts[0].offsets == 4 && o.layer_acts[0].rise == 0.5 && o.layer_acts[1].offsets == 1);
    assert_ok(read_text(
        "conv 8 k=5 sine offsets=2\nconv 8 k=3 p=1 g=4 add=1 sine offsets=2\navg 2\nconv 4 k=1 sine\ngap\noutput", &o));
    assert_true(o.conv_count == 3 && o.layer_acts[0].offsets == 2 && o.conv[0].pool == 0);
    assert_true(o.conv[1].groups == 4 && o.conv[1].add == 1 && o.conv[1].pool == 2);
    assert_true(o.conv[2].pool == TRAIN_POOL_ALL && o.conv[2].add == 0);
    assert_ok(read_text("conv 8 k=3\nsum 2\nconv 8 k=3\navg 2\noutput\n", &o));
    assert_true(o.conv[0].pool == 2 && o.conv[0].sums && o.conv[1].pool == 2 && !o.conv[1].sums);
    assert_ok(read_text("output\n", &o));
    assert_true(o.hidden_count == 0 && o.layer_acts_count == 0);
}

static void errors_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } bad[] = {{"dense 9 relu\n", "net.txt: the line output is missing"},
               {"", "line output is missing"},
               {"dense 9\n\ndense relu\noutput", "net.txt, line 3: \"relu\": neurons, 1 to 8192"},
               {"dense 0\noutput", "line 1: \"0\""},
               {"dense 8193\noutput", "line 1"},
               {"dense 00000009\noutput", "line 1"},
               {"dense\noutput", "line 1: \"dense\""},
               {"dense 9 bits=9\noutput", "line 1: \"bits=9\": a whole number from 1 to 8"},
               {"dense 9 weights=17\noutput", "line 1: \"weights=17\": a whole number from 1 to 16"},
               {"dense 9 bits=\noutput", "a whole number"},
               {"dense 9 bits=4 bits=4\noutput", "given twice"},
               {"dense 9 relu gelu\noutput", "second activation"},
               {"dense 9 swish\noutput", "line 1: unknown activation \"swish\""},
               {"dense 9 k=3\noutput", "unknown activation \"k\""},
               {"dense 9 relu=1\noutput", "takes no number"},
               {"dense 9 leaky_relu=2\noutput", "0 to 1"},
               {"dense 9 trapezoid=0.6\noutput", "0.001 to 0.5"},
               {"dense 9 trapezoid=x\noutput", "0.001 to 0.5"},
               {"dense 9 offsets=2\noutput", "offsets are of waves"},
               {"avg 2\nconv 4 k=3\noutput", "averages and sums follow a convolution"},
               {"conv 4 k=3\nsum\noutput", "2 to 32, is needed behind sum"},
               {"conv 4 k=3\ngap\navg 2\noutput", "averages and sums follow a convolution"},
               {"conv 4 k=3\navg 1\noutput", "2 to 32"},
               {"conv 4 k=3\ngap 2\noutput", "not known here"},
               {"conv 4\noutput", "k=K"},
               {"conv 4 k=3 p=3\noutput", "padding must be less"},
               {"dense 3\nconv 4 k=3\noutput", "line 2: \"conv\": convolutions stand in front"},
               {"dense 3\ninput bits=3\noutput", "input is the first line"},
               {"input bits=3 weights=3\noutput", "not known here"},
               {"input\noutput", "bits=B is missing"},
               {"output\ndense 3", "output is the last line"},
               {"output bits=3", "not known here"},
               {"pool 3\noutput", "input, conv, avg, sum, gap, dense or output"},
               {"dense 9 table=/nonexistent\noutput", "/nonexistent"},
               {"dense 9\ndense 8 add=1\noutput", "line 2: \"dense\": add=A: there is no such layer"},
               {"dense 9\ndense 9 add=2\noutput", "line 2: \"dense\": add=A"},
               {"conv 4 k=3\nconv 5 k=3 p=1 add=1\noutput", "line 2: \"conv\": add=A"},
               {"conv 4 k=3\n\ndense 4 add=1\noutput", "line 3: \"dense\": add=A"}};
    train_options o;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_refused(read_text(bad[i].text, &o), bad[i].error);
    char many[17 * 8 + 8] = "", wide[600];
    for (size_t i = 0; i < 17; i++) strcat(many, "dense 2\n");
    assert_refused(read_text(many, &o), "line 17: \"dense\": too many");
    memset(wide, ' ', sizeof wide - 2);
    strcpy(wide + sizeof wide - 3, "x\n");
    assert_refused(read_text(wide, &o), "line 1: it is too long");
    assert_refused(train_network_text("a\0b", 3, "net.txt", &functions, &o), "no text");
    assert_refused(train_network_text("output\0", 7, "net.txt", &functions, &o), "no text");
}

static void lists(void **state)
{
    (void)state;
    train_options o = small();
    assert_ok(train_activations_read("silu,leaky_relu", &functions, &o));
    assert_true(o.layer_acts_count == 2 && o.layer_acts[0].act == ACTIVATION_SILU && o.act == ACTIVATION_SILU);
    assert_true(o.layer_acts[1].act == ACTIVATION_LEAKY_RELU && o.layer_acts[1].rise == 0.125);
    assert_ok(train_activations_read("elu", &functions, &o));
    assert_true(o.layer_acts_count == 2 && o.layer_acts[1].act == ACTIVATION_ELU);
    assert_refused(train_activations_read("elu,elu,elu", &functions, &o), "one for each of the 2");
    assert_refused(train_activations_read("elu,", &functions, &o), "unknown activation \"\"");
    o.hidden_count = 3;
    assert_refused(train_activations_read("elu,elu", &functions, &o), "one for each of the 3");
}

/* A table that is no activation by name is trained, written, read and gone on from. */
static void a_table(void **state)
{
    (void)state;
    char path[] = "/tmp/annulus-table-XXXXXX", list[64];
    static const char text[] = "# a hat\n-2,0\n0, 1\n2,0\n";
    const int file = mkstemp(path);
    assert_true(file >= 0 && write(file, text, sizeof text - 1) == sizeof text - 1);
    close(file);
    dataset *d = rings(11, 800);
    train_options o = small();
    network *n = NULL, *again = NULL, *more = NULL;
    double validation = 0;
    (void)snprintf(list, sizeof list, "table=%s,gelu", path);
    assert_ok(train_activations_read(list, &functions, &o));
    o.layer_acts[0].bits = 3, o.layer_acts[1].bits = 5;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
    assert_true(validation > 0.95);
    const dense_layer *l = n->layers;
    assert_true(l[0].act == ACTIVATION_FUNCTION && l[0].out_q.bits == 3 && !l[0].out_q.is_signed);
    assert_true(l[1].act == ACTIVATION_GELU && l[1].out_q.bits == 5 && l[1].out_q.is_signed);
    assert_true(dense_layer_act(l, 0, -3) == 0 && fabs(dense_layer_act(l, 0, -1) - 0.5) < 1e-7 &&
                dense_layer_act(l, 0, 0) == 1);
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_ok(onnx_model_encode(n, &bytes, &len));
    assert_ok(onnx_model_decode(bytes, len, "model", &again));
    for (size_t i = 0; i < 100; i++) {
        double a[2], b[2];
        assert_ok(network_apply(n, d->x + 3 * i, a));
        assert_ok(network_apply(again, d->x + 3 * i, b));
        assert_true(a[0] == b[0] && a[1] == b[1]);
    }
    o = small(), o.from = again, o.epochs = 2, o.learning_rate = 1e-3;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
    assert_true(validation > 0.95 && more->layers[0].act == ACTIVATION_FUNCTION && more->layers[1].out_q.bits == 5);
    network_destroy(n), network_destroy(again), network_destroy(more);
    mem_free(bytes);
    drop(d);
    const int other = open(path, O_WRONLY | O_TRUNC);
    assert_true(other >= 0 && write(other, "1,2\n1,3\n", 8) == 8);
    close(other);
    assert_refused(train_activations_read(list, &functions, &o), "point 2 of a table");
    unlink(path);
}

/* Numbers have points, whatever the locale. */
static void any_locale(void **state)
{
    (void)state;
    train_options o;
    train_activation act = {0};
    comma_locale_begin();
    assert_ok(train_activation_read("leaky_relu=0.25", 0.25, functions.of, &act));
    assert_true(act.rise == 0.25);
    assert_refused(train_activation_read("leaky_relu=0,25", 0.25, functions.of, &act),
                   "a number from 0 to 1 is needed");
    assert_ok(read_text("dense 4 drop=0.5\noutput\n", &o));
    assert_true(o.layer_dropout[0] == 0.5);
    comma_locale_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_network), cmocka_unit_test(errors_name_the_line),
                                       cmocka_unit_test(lists), cmocka_unit_test(a_table),
                                       cmocka_unit_test(any_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
