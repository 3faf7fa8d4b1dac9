/* SPDX-License-Identifier: Apache-2.0 */
/* Values lost while training, layer by layer. */
#include "train_fixture.h"

#include "onnx/onnx_model.h"
#include "train/train_priv.h"
#include "train/train_text.h"

#include <string.h>

#define BATCH 64u

/* Two convolutions of which the second takes averages, a dense layer and the scores, each with its part of what it
 * takes. */
static train_options dropping(void)
{
    train_options o = small();
    o.conv[0] = (train_convolution){.channels = 12, .kernel = 3, .stride = 1, .pool = 2};
    o.conv[1] = (train_convolution){.channels = 10, .kernel = 2, .stride = 1};
    o.conv_count = 2, o.hidden[0] = 8, o.hidden_count = 1, o.threads = 1;
    static const double parts[] = {0.1, 0.5, 0.25, 0.4};
    memcpy(o.layer_dropout, parts, sizeof parts);
    o.layer_dropout_count = 4;
    return o;
}

/* Convolutions lose channels whole, inputs and dense layers each value by itself; what is left is scaled up. Of n masks
 * of probability p the share lost is within 5 deviations, which fails with probability 6e-7 for each layer. */
static void what_is_lost(void **state)
{
    (void)state;
    dataset *d = lines(3, BATCH, 1);
    train_options o = dropping();
    train_data t;
    train_model m;
    double loss;
    o.validation = 0, o.batch = BATCH;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 1, &m));
    const train_source source = {.data = &t, .order = t.order};
    assert_ok(train_weights_quantize(&m));
    assert_ok(train_forward(&m, &source, BATCH, 1, &loss));
    for (size_t i = 0; i < 4; i++) {
        const train_layer *l = &m.layer[i];
        const double p = o.layer_dropout[i];
        const size_t apart = i == 1 ? 12 : l->takes;
        size_t lost = 0;
        for (size_t k = 0; k < BATCH * l->takes; k++) {
            const float factor = l->mask[k];
            assert_true(factor == 0 || fabs((double)factor - 1 / (1 - p)) < 1e-6);
            assert_true(factor == l->mask[k / l->takes * l->takes + k % l->takes % apart]);
            lost += k % l->takes < apart && factor == 0;
        }
        const double n = (double)(BATCH * apart), share = (double)lost / n;
        assert_true(fabs(share - p) < 5 * sqrt(p * (1 - p) / n));
    }
    for (size_t k = 0; k < BATCH * t.features; k++) /* of what is in the batch */
        assert_true(m.layer[0].x[k] == m.x[k] * m.layer[0].mask[k]);
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

static void same_files(const network *a, const network *b, int same)
{
    uint8_t *x = NULL, *y = NULL;
    size_t m = 0, n = 0;
    assert_ok(onnx_model_encode(a, &x, &m));
    assert_ok(onnx_model_encode(b, &y, &n));
    assert_true((m == n && memcmp(x, y, m) == 0) == same);
    mem_free(x), mem_free(y);
}

/* One number is that of all dense layers but the first; none is lost when the network is used. */
static void one_or_each(void **state)
{
    (void)state;
    dataset *d = rings(7, 400);
    train_options o = small();
    network *one = NULL, *each = NULL, *other = NULL;
    o.threads = 1, o.epochs = 6, o.dropout = 0.2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &one));
    o.layer_dropout[1] = o.layer_dropout[2] = 0.2, o.layer_dropout_count = 3, o.dropout = 0, o.threads = 2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &each));
    same_files(one, each, 1);
    o.layer_dropout[0] = 0.1;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &other));
    same_files(one, other, 0);
    network_destroy(one), network_destroy(each), network_destroy(other);
    drop(d);
}

static void learns(void **state)
{
    (void)state;
    dataset *d = lines(11, 900, 1);
    train_options o = dropping();
    network *n = NULL, *more = NULL;
    double validation = 0;
    for (size_t i = 0; i < 4; i++) o.layer_dropout[i] = 0.1;
    o.epochs = 14;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
    assert_true(validation > 0.9);
    o.from = n, o.epochs = 2, o.learning_rate = 1e-3;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
    assert_true(validation > 0.9);
    network_destroy(n), network_destroy(more);
    drop(d);
}

static annulus_status read_text(const char *text, train_options *o)
{
    static train_functions functions;
    train_options_init(o);
    return train_network_text(text, strlen(text), "net.txt", &functions, o);
}

static void from_a_file(void **state)
{
    (void)state;
    train_options o;
    assert_ok(read_text("conv 4 k=3 drop=0.1\nconv 4 k=3\ndense 8 relu drop=0.25\noutput drop=0.5\n", &o));
    assert_true(o.layer_dropout_count == 4 && o.layer_dropout[0] == 0.1 && o.layer_dropout[1] == 0);
    assert_true(o.layer_dropout[2] == 0.25 && o.layer_dropout[3] == 0.5);
    assert_ok(read_text("dense 8\noutput\n", &o));
    assert_int_equal(o.layer_dropout_count, 0);
    assert_refused(read_text("dense 8\ndense 8 drop=0.95\noutput\n", &o),
                   "net.txt, line 2: \"drop=0.95\": a number from 0 to 0.9");
    assert_refused(read_text("dense 8 drop=\noutput\n", &o), "a number from 0 to 0.9");
    assert_refused(read_text("dense 8 drop=0 drop=0\noutput\n", &o), "given twice");
}

static void refusals(void **state)
{
    (void)state;
    dataset *d = rings(5, 100);
    train_options o = small();
    network *n = NULL;
    o.layer_dropout_count = 2;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "dropout of 2 layers, the network has 3");
    o.layer_dropout_count = 3, o.layer_dropout[1] = 0.95;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "the dropout of a layer is 0.95");
    assert_null(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_lost), cmocka_unit_test(one_or_each),
                                       cmocka_unit_test(learns), cmocka_unit_test(from_a_file),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
