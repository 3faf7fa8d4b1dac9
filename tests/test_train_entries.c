/* SPDX-License-Identifier: Apache-2.0 */
/* Activations that are tables of up to 256 entries. */
#include "train_encrypted.h"

#include "train/prune.h"
#include "train/train_priv.h"
#include "train/train_text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static train_functions functions;
static char path[] = "/tmp/annulus-entries-XXXXXX";

static void write_table(const char *text)
{
    const int file = open(path, O_WRONLY | O_TRUNC);
    assert_true(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static annulus_status read_entries(const char *text, train_activation *a)
{
    char name[64];
    write_table(text);
    (void)snprintf(name, sizeof name, "entries=%s", path);
    return train_activation_read(name, 0.25, &functions.of[0], a);
}

/* Entry i of a table of so many: no shape that has a name. */
static double entry(size_t i, size_t count)
{
    const double u = 6 * (double)i / (double)(count - 1) - 3;
    return fabs(fmod(u + 9, 1.5) - 0.75) + (u > 0) * u / 2;
}

static char *table_text(size_t count)
{
    char *text = calloc(count, 32), *at = text;
    for (size_t i = 0; i < count; i++) at += sprintf(at, "%.9g\n", entry(i, count));
    return text;
}

static void nearest_entries(void **state)
{
    (void)state;
    train_activation a;
    for (size_t count = 2; count <= 256; count = count * 3 / 2) {
        char *text = table_text(count);
        assert_ok(read_entries(text, &a));
        assert_true(a.act == ACTIVATION_FUNCTION && a.own->entries == count && !train_act_signed(&a));
        assert_ok(function_check(a.own));
        const double width = 6 / (double)(count - 1);
        assert_true(fabs(function_entry_width(a.own) - width) < 1e-6 * width);
        for (size_t i = 0; i < count; i++) {
            const double u = -3 + (double)i * width, y = (double)(float)entry(i, count);
            for (int k = -1; k <= 1; k++) /* up to half of the way to the next one */
                assert_true(function_apply(a.own, u + 0.49 * k * width) == y);
            if (i + 1 == count) continue;
            /* the slope between two entries wherever both are nearest */
            const double slope = ((double)(float)entry(i + 1, count) - y) / width;
            for (int k = 1; k < 4; k++)
                assert_true(fabs((double)train_function_slope(a.own, (float)(u + 0.25 * k * width)) - slope) <
                            1e-4 * (1 + fabs(slope)));
        }
        assert_true(function_apply(a.own, -50) == (double)a.own->table[0]);
        assert_true(function_apply(a.own, 50) == (double)a.own->table[count - 1]);
        assert_true(train_function_slope(a.own, 3.1f + (float)width) == 0);
        free(text);
    }
    assert_ok(read_entries("# of x, too\n0.1,-1\n0.2,0.5\n\n0.3, 0.25\n", &a));
    assert_true(a.own->entries == 3 && train_act_signed(&a) && function_apply(a.own, 0.24) == 0.5);
    assert_true(function_apply(a.own, 0.26) == 0.25 && function_apply(a.own, 0.14) == -1);
    function f = *a.own;
    f.entries = 0;
    assert_refused(function_check(&f), "no program");
    assert_true(function_gather(a.own->table, 3, -1) == 0.25 && isnan(function_gather(a.own->table, 3, 3)));
}

static void same_functions(const network *a, const network *b)
{
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_true(x->act == y->act && x->own.count == y->own.count && x->own.entries == y->own.entries);
        assert_memory_equal(x->own.table, y->own.table, x->own.entries * sizeof *x->own.table);
        for (size_t k = 0; x->own.entries > 0 && k < 4000; k++) {
            const double u = 0.002 * (double)k - 4;
            assert_true(dense_layer_act(x, 0, u) == dense_layer_act(y, 0, u));
        }
        for (size_t o = 0; o < x->out; o++) assert_true(x->w_scale[o] == y->w_scale[o] && x->bias[o] == y->bias[o]);
    }
}

/* Learned, behind and in front of a convolution, written, read the same, gone on from, pruned. */
static void learns_and_reads_back(void **state)
{
    (void)state;
    char *text = table_text(200), list[96];
    train_activation a;
    assert_ok(read_entries(text, &a));
    for (size_t k = 0; k < 2; k++) {
        dataset *d = k == 0 ? rings(11, 800) : lines(11, 700, 1);
        train_options o = small();
        network *n = NULL, *more = NULL, *half = NULL;
        double validation = 0;
        prune_options p;
        prune_report r;
        if (k == 1) {
            o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 2};
            o.conv_count = 1, o.hidden_count = 1;
        }
        (void)snprintf(list, sizeof list, "entries=%s,%s", path, k == 0 ? "relu" : "gelu");
        assert_ok(train_activations_read(list, &functions, &o));
        o.layer_acts[0].bits = 4, o.layer_acts[1].bits = 4;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.9 && n->layers[0].own.entries == 200);
        network *back = read_back(n, LINES_SIDE);
        same_functions(n, back);
        for (size_t i = 0; i < 100; i++) {
            double x[2], y[2];
            assert_ok(network_apply(n, d->x + d->features * i, x));
            assert_ok(network_apply(back, d->x + d->features * i, y));
            assert_true(x[0] == y[0] && x[1] == y[1]);
        }
        o.from = back, o.epochs = 2, o.learning_rate = 1e-3;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.9 && more->layers[0].own.entries == 200);
        prune_options_init(&p);
        p.train = o, p.train.epochs = 4, p.share = 0.25;
        assert_ok(prune_network(back, d, &p, NULL, NULL, NULL, &r, &half));
        assert_true(r.look_ups < r.look_ups_before && r.after > 0.8 && half->layers[0].own.entries == 200);
        network_destroy(n), network_destroy(back), network_destroy(more), network_destroy(half);
        drop(d);
    }
    free(text);
}

/* A table is the look-up: network, clear, simulated and encrypted with toy keys agree. */
static void runs_encrypted(void **state)
{
    (void)state;
    char *text = table_text(256);
    dataset *d = rings(13, 300);
    train_options o = small();
    train_activation a = {.bits = 3};
    network *n = NULL;
    assert_ok(read_entries(text, &a));
    o.hidden[0] = 6, o.hidden[1] = 4, o.weight_bits = 2, o.epochs = 4;
    o.layer_acts_count = 2, o.layer_acts[0] = o.layer_acts[1] = a;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    runs_as_trained(n, d);
    free(text);
    network_destroy(n);
    drop(d);
}

static void errors_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } bad[] = {{"", "a table of 0 entries: 2 or more"},
               {"1\n", "a table of 1 entries"},
               {"1\nx\n", "line 2: an entry"},
               {"1\n2,3\n", "line 2: an entry"},
               {"1,2\n3\n", "line 2: an entry"},
               {"0,1\n1,1\n3,1\n", "line 3: its x is not 1 behind the one before"},
               {"1,1\n0,1\n", "they must rise"},
               {"1,1\n1,1\n", "they must rise"},
               {"1e7\n1\n", "entry 1 of a table, 1e+07"},
               {"1\n\n1e999\n", "line 3: an entry"}};
    train_activation a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_refused(read_entries(bad[i].text, &a), bad[i].error);
        assert_refused(read_entries(bad[i].text, &a), path);
    }
    char *many = table_text(257);
    assert_refused(read_entries(many, &a), "line 257: at most 256 entries");
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nearest_entries), cmocka_unit_test(learns_and_reads_back),
                                       cmocka_unit_test(runs_encrypted), cmocka_unit_test(errors_name_the_line)};
    const int file = mkstemp(path);
    if (file < 0) return 1;
    close(file);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
