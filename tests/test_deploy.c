/* SPDX-License-Identifier: Apache-2.0 */
/* The public interface: roles, files, and parts that do not belong together. Parameters hold 2^-40 per look-up, so that
 * encrypted and clear answers differ with probability below 2^-33 in the whole test. */
#include "comma_locale.h"

#include "annulus/annulus.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct world {
    char folder[64];
    annulus_dataset *d;
    annulus_model *m;
    annulus_circuit *c, *other;
    annulus_client_key *client;
    annulus_evaluation_key *evaluation;
    annulus_input *x;
    annulus_output *y;
} world;
static world w;

static const char *path(const char *name)
{
    static char text[4][160];
    static unsigned at;
    at = (at + 1) % 4;
    (void)snprintf(text[at], sizeof text[at], "%s/%s", w.folder, name);
    return text[at];
}

static int setup(void **state)
{
    (void)state;
    uint64_t seed = 5;
    strcpy(w.folder, "/tmp/annulus-deploy-XXXXXX");
    if (mkdtemp(w.folder) == NULL) return 1;
    FILE *f = fopen(path("d.csv"), "w");
    fprintf(f, "a,b,kind\n");
    for (int i = 0; i < 300; i++) {
        const double a = (double)(test_random(&seed) % 1000) / 1000, b = (double)(test_random(&seed) % 1000) / 1000;
        fprintf(f, "%.3f,%.3f,%s\n", a, b, a > b ? "below" : "above");
    }
    (void)fclose(f);
    annulus_train_options t;
    annulus_compile_options o;
    annulus_train_options_init(&t);
    annulus_compile_options_init(&o);
    t.hidden_count = 1, t.hidden[0] = 5, t.batch = 32, t.epochs = 15;
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_CLASSIFICATION, NULL, NULL, &w.d));
    assert_ok(annulus_train(w.d, &t, NULL, NULL, NULL, &w.m));
    o.rounding_bits = 0; /* exact: only look-ups that fail could change an answer */
    assert_ok(annulus_compile(w.m, w.d, &o, &w.c));
    o.rounding_bits = 3;
    assert_ok(annulus_compile(w.m, w.d, &o, &w.other));
    assert_ok(annulus_keygen(w.c, 0, NULL, &w.client, &w.evaluation));
    annulus_dataset *few;
    assert_ok(annulus_dataset_slice(w.d, 0, 3, &few));
    assert_ok(annulus_encrypt(w.client, w.c, few, 0, &w.x));
    assert_ok(annulus_run(w.c, w.evaluation, w.x, NULL, NULL, NULL, &w.y));
    annulus_dataset_destroy(few);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"d.csv", "m", "c", "client", "evaluation", "x", "y", "cut"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) (void)unlink(path(names[i]));
    (void)rmdir(w.folder);
    annulus_output_destroy(w.y);
    annulus_input_destroy(w.x);
    annulus_evaluation_key_destroy(w.evaluation);
    annulus_client_key_destroy(w.client);
    annulus_circuit_destroy(w.other);
    annulus_circuit_destroy(w.c);
    annulus_model_destroy(w.m);
    annulus_dataset_destroy(w.d);
    return 0;
}

static void answers_survive_files(void **state)
{
    (void)state;
    double direct[6], filed[6], clear[6];
    annulus_evaluation e;
    annulus_dataset *few;
    struct stat info;
    assert_ok(annulus_dataset_slice(w.d, 0, 3, &few));
    assert_ok(annulus_evaluate(w.c, few, ANNULUS_CLEAR, 0, 0, NULL, clear, &e));
    assert_ok(annulus_decrypt(w.client, w.c, w.y, direct));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(annulus_argmax(direct + 2 * i, 2), annulus_argmax(clear + 2 * i, 2));
    assert_ok(annulus_model_write(w.m, path("m")));
    assert_ok(annulus_circuit_write(w.c, path("c")));
    assert_ok(annulus_client_key_write(w.client, path("client")));
    assert_ok(annulus_evaluation_key_write(w.evaluation, path("evaluation")));
    assert_ok(annulus_input_write(w.x, path("x")));
    assert_int_equal(stat(path("client"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    annulus_circuit *c;
    annulus_client_key *client;
    annulus_evaluation_key *evaluation;
    annulus_input *x;
    annulus_output *y, *y2;
    assert_ok(annulus_circuit_read(path("c"), &c));
    assert_ok(annulus_client_key_read(path("client"), &client));
    assert_ok(annulus_evaluation_key_read(path("evaluation"), c, 1, NULL, &evaluation));
    assert_ok(annulus_input_read(path("x"), &x));
    assert_int_equal(annulus_input_count(x), 3);
    assert_ok(annulus_run(c, evaluation, x, &(annulus_run_options){.threads = 1}, NULL, NULL, &y));
    assert_ok(annulus_output_write(y, path("y")));
    assert_ok(annulus_output_read(path("y"), &y2));
    assert_int_equal(annulus_output_count(y2), 3);
    assert_ok(annulus_decrypt(client, c, y2, filed));
    assert_memory_equal(direct, filed, sizeof direct); /* same ciphertexts and keys: the run is deterministic */
    annulus_output_destroy(y2);
    annulus_output_destroy(y);
    annulus_input_destroy(x);
    annulus_evaluation_key_destroy(evaluation);
    annulus_client_key_destroy(client);
    annulus_circuit_destroy(c);
    annulus_dataset_destroy(few);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    annulus_client_key *client;
    annulus_evaluation_key *evaluation, *read = NULL;
    annulus_input *x = NULL;
    annulus_output *y = NULL;
    double values[6];
    assert_ok(annulus_keygen(w.c, 0, NULL, &client, &evaluation));
    assert_refused(annulus_encrypt(w.client, w.other, w.d, 0, &x), "circuit");
    assert_refused(annulus_run(w.other, w.evaluation, w.x, NULL, NULL, NULL, &y), "circuit");
    assert_refused(annulus_run(w.c, evaluation, w.x, NULL, NULL, NULL, &y), "key");
    assert_ok(annulus_evaluation_key_write(w.evaluation, path("evaluation")));
    assert_refused(annulus_evaluation_key_read(path("evaluation"), w.other, 1, NULL, &read),
                   "evaluation: the evaluation key belongs to another circuit");
    assert_null(read);
    assert_refused(annulus_decrypt(client, w.c, w.y, values), "key");
    assert_refused(annulus_decrypt(w.client, w.other, w.y, values), "circuit");
    assert_null(x);
    assert_null(y);
    annulus_client_key_destroy(client);
    annulus_evaluation_key_destroy(evaluation);
}

/* Copies with one bit flipped or the end cut off: refused by every reader, whatever the place. */
static void damaged_files_are_refused(void **state)
{
    (void)state;
    uint64_t seed = 9;
    static const char *const names[] = {"c", "client", "x"};
    assert_ok(annulus_circuit_write(w.c, path("c")));
    assert_ok(annulus_client_key_write(w.client, path("client")));
    assert_ok(annulus_input_write(w.x, path("x")));
    for (size_t k = 0; k < 3; k++) {
        struct stat info;
        assert_int_equal(stat(path(names[k]), &info), 0);
        const size_t len = (size_t)info.st_size;
        unsigned char *bytes = malloc(len);
        FILE *f = fopen(path(names[k]), "rb");
        assert_int_equal(fread(bytes, 1, len, f), len);
        (void)fclose(f);
        for (int i = 0; i < 150; i++) {
            const size_t at = test_random(&seed) % len, keep = i % 3 == 0 ? at : len;
            bytes[at] ^= (unsigned char)(1u << test_random(&seed) % 8);
            f = fopen(path("cut"), "wb");
            assert_int_equal(fwrite(bytes, 1, keep, f), keep);
            (void)fclose(f);
            annulus_circuit *c = NULL;
            annulus_client_key *client = NULL;
            annulus_input *x = NULL;
            assert_refused(annulus_circuit_read(path("cut"), &c), "cut");
            assert_refused(annulus_client_key_read(path("cut"), &client), "cut");
            assert_refused(annulus_input_read(path("cut"), &x), "cut");
            f = fopen(path(names[k]), "rb");
            assert_int_equal(fread(bytes, 1, len, f), len);
            (void)fclose(f);
        }
        free(bytes);
    }
}

static void inputs_out_of_range(void **state)
{
    (void)state;
    annulus_dataset *far;
    annulus_input *x = NULL;
    FILE *f = fopen(path("d.csv"), "w");
    fprintf(f, "a,b\n1e6,0\n");
    (void)fclose(f);
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_UNLABELED, NULL, NULL, &far));
    assert_refused(annulus_encrypt(w.client, w.c, far, 0, &x), "range");
    assert_null(x);
    assert_ok(annulus_encrypt(w.client, w.c, far, 1, &x));
    annulus_input_destroy(x);
    annulus_dataset_destroy(far);
}

static void simulation_repeats(void **state)
{
    (void)state;
    annulus_evaluation a, b;
    double one[600], two[600];
    assert_ok(annulus_evaluate(w.c, w.d, ANNULUS_SIMULATE, 7, 1, NULL, one, &a));
    assert_ok(annulus_evaluate(w.c, w.d, ANNULUS_SIMULATE, 7, 2, NULL, two, &b));
    assert_memory_equal(one, two, sizeof one);
    assert_true(a.score > 0.85 && a.count == 300);
    assert_ok(annulus_evaluate(w.c, w.d, ANNULUS_SIMULATE, 8, 2, NULL, two, &b));
    assert_memory_not_equal(one, two, sizeof one);
}

/* Layers by name, their counts and the whole's, in each mode. The circuit rounds, so that simulated look-ups near the
 * border of two cells read either: 73 of 1500 are expected, none with probability below 1e-30. */
static void test_counts(void **state)
{
    (void)state;
    annulus_dataset *few;
    annulus_evaluation e[3];
    assert_ok(annulus_dataset_slice(w.d, 0, 2, &few));
    assert_ok(annulus_evaluate(w.other, w.d, ANNULUS_CLEAR, 0, 0, NULL, NULL, &e[0]));
    assert_ok(annulus_evaluate(w.other, w.d, ANNULUS_SIMULATE, 1, 0, NULL, NULL, &e[1]));
    assert_ok(annulus_evaluate(w.other, few, ANNULUS_ENCRYPTED, 0, 0, NULL, NULL, &e[2]));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(e[i].layers_count, 2);
        const annulus_layer_counts *l = e[i].layers, *out = l + 1;
        const size_t samples = i == 2 ? 2 : 300;
        assert_string_equal(l->name, "layer 1");
        assert_string_equal(out->name, "output");
        assert_true(!l->is_output && out->is_output);
        assert_true(l->look_ups == 5 * samples && out->look_ups == 2 * samples);
        assert_true(e[i].out_of_range == l->out_of_range + out->out_of_range);
        assert_true(l->saturated + l->wrapped <= l->out_of_range && out->wrapped == 0);
        assert_true(e[i].failure > 0 && e[i].failure < 7 * 0x1p-40);
        assert_true(e[i].samples_failed == 0 && l->failures == 0 && out->failures == 0);
        if (i == 1) continue;
        assert_true(e[i].samples_erred == 0 && l->index_errors == 0 && l->index_errors_expected == 0);
    }
    const annulus_layer_counts *l = e[1].layers;
    assert_true(l->index_errors > 0 && l->index_errors < 1500 && l->index_errors_expected > 50);
    assert_true(e[1].samples_erred > 0 && e[1].samples_erred <= l->index_errors);
    assert_true(l->failures_expected > 0 && l->failures_expected <= 1500 * 0x1p-40);
    annulus_dataset_destroy(few);
}

/* Presets, both probabilities at once, own probabilities of layers: as options. */
static void test_error_options(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double p_error;
        int shared;
    } presets[] = {{"exact", 0x1p-40, 0}, {"relaxed", 1e-3, 0}, {"fast", 1e-2, 0}, {"shared-output", 0x1p-128, 1}};
    annulus_compile_options o;
    annulus_circuit *c = NULL;
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        annulus_compile_options_init(&o);
        assert_ok(annulus_compile_options_preset(&o, presets[i].name));
        assert_true(fabs(exp2(o.log2_error) / presets[i].p_error - 1) < 1e-9);
        assert_int_equal(o.shared_output, presets[i].shared);
        assert_int_equal(o.rounding_bits == 0, presets[i].shared);
        o.rounding_bits = 4;
        assert_ok(annulus_compile_options_preset(&o, presets[i].name));
        assert_int_equal(o.rounding_bits, 4);
    }
    assert_refused(annulus_compile_options_preset(&o, "slow"), "exact, relaxed, fast or shared-output");
    annulus_compile_options_init(&o);
    assert_true(annulus_circuit_log2_error(w.c) == -40 && !annulus_circuit_shared_output(w.c));
    const annulus_layer_error own[] = {{"output", -4}, {"nothing", -4}};
    o.log2_error = -10, o.layer_errors = own, o.layer_errors_count = 1;
    assert_ok(annulus_compile(w.m, w.d, &o, &c));
    assert_true(annulus_circuit_log2_error(c) == -4);
    annulus_circuit_destroy(c);
    c = NULL;
    o.layer_errors_count = 2;
    assert_refused(annulus_compile(w.m, w.d, &o, &c), "nothing: no such layer, there are layer 1, output");
    o.layer_errors_count = 0, o.log2_global_error = -20; /* 5 look-ups, 2 scores */
    assert_refused(annulus_compile(w.m, w.d, &o, &c), "with 7 look-ups and scores p-error 0.000977 means "
                                                      "global-p-error 0.00682, and global-p-error 2^-20.00 means "
                                                      "p-error 2^-22.81; give one");
    o.log2_error = 0, o.log2_global_error = -600;
    assert_refused(annulus_compile(w.m, w.d, &o, &c), "must be in [2^-512, 1)");
    o.log2_global_error = -20;
    assert_ok(annulus_compile(w.m, w.d, &o, &c));
    assert_true(annulus_circuit_log2_error(c) <= -20 && annulus_circuit_log2_error(c) >= -22.82);
    annulus_circuit_destroy(c);
}

typedef struct reported {
    size_t reports, stop_at;
} reported;

static int count_reports(void *context, const char *what, size_t done, size_t total)
{
    reported *r = context;
    assert_string_equal(what, "compiling");
    assert_true(done == r->reports && done < total);
    return ++r->reports == r->stop_at;
}

/* Ways to lower a network are reported, and compiling can be stopped between them. */
static void test_compile_progress(void **state)
{
    (void)state;
    annulus_compile_options o;
    annulus_circuit *c = NULL;
    reported r = {.stop_at = 0};
    const annulus_progress progress = {count_reports, &r};
    annulus_compile_options_init(&o);
    o.rounding_bits = 0, o.progress = &progress;
    assert_ok(annulus_compile(w.m, w.d, &o, &c));
    annulus_circuit_destroy(c);
    assert_true(r.reports >= 2);
    for (size_t stop_at = r.reports; stop_at > 0; stop_at--) {
        c = NULL;
        r = (reported){.stop_at = stop_at};
        assert_int_equal(annulus_compile(w.m, w.d, &o, &c), ANNULUS_ERR_CANCELLED);
        assert_true(r.reports == stop_at && c == NULL);
    }
}

static void last_loss(void *context, const annulus_epoch *e)
{
    *(double *)context = e->loss;
}

static void pruned(void **state)
{
    (void)state;
    annulus_prune_options o;
    annulus_prune_report r;
    annulus_model *small = NULL;
    annulus_prune_options_init(&o);
    o.percent = 40, o.train.epochs = 3, o.train.batch = 32;
    assert_ok(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small));
    assert_int_equal(annulus_model_layers(small), 2);
    assert_int_equal(annulus_model_features(small), annulus_dataset_features(w.d));
    const annulus_layer_sums s = annulus_model_sums(small, 0);
    assert_true(s.inputs == 2 && s.neurons == r.look_ups && r.look_ups <= 3 && r.look_ups_before == 5);
    assert_true(s.weights == 2 * s.neurons && s.nonzero <= s.weights && s.nonzero > 0);
    assert_true(s.values <= UINT64_C(1) << s.bits && s.values > UINT64_C(1) << (s.bits - 1));
    annulus_model_destroy(small);
    small = NULL;
    /* a teacher, one that there is, and a text file of one */
    double alone = 0, taught = 0;
    assert_ok(annulus_prune(w.m, w.d, &o, last_loss, &alone, NULL, &r, &small));
    annulus_model_destroy(small);
    o.train.distill_model = w.m;
    assert_ok(annulus_prune(w.m, w.d, &o, last_loss, &taught, NULL, &r, &small));
    assert_true(alone != taught);
    annulus_model_destroy(small);
    small = NULL;
    o.train.distill_model = NULL, o.train.distill_network = "/absent/teacher.txt";
    assert_refused(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small), "/absent/teacher.txt");
    o.train.distill_network = NULL;
    o.train.checkpoint = "none", o.train.epochs = 0;
    assert_refused(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small), "a checkpoint is of fine-tuning");
    o.train.checkpoint = NULL, o.train.epochs = 3;
    assert_refused(annulus_prune(NULL, w.d, &o, NULL, NULL, NULL, &r, &small), "there is no model to prune");
    o.by = (annulus_prune_by)9;
    assert_refused(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small), "pruning by 9");
    o.by = ANNULUS_BY_NORM, o.look_ups = 2;
    assert_refused(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small), "one of neurons, look-ups and seconds");
    o.percent = NAN, o.look_ups = 0;
    assert_refused(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small), "one of neurons, look-ups and seconds");
    o.percent = 40, o.train.noise_of = w.c;
    assert_refused(annulus_prune(w.m, w.d, &o, NULL, NULL, NULL, &r, &small), "train afterwards");
    assert_null(small);
}

/* The noise of a circuit, and a model that goes on for it. */
static void noise_of_a_circuit(void **state)
{
    (void)state;
    annulus_layer_noise n[ANNULUS_MAX_HIDDEN + 1];
    annulus_train_options o;
    annulus_model *m = NULL;
    size_t count = 0;
    assert_ok(annulus_circuit_noise(w.c, n, &count));
    assert_int_equal(count, 2);
    assert_string_equal(n[0].name, "layer 1");
    assert_string_equal(n[1].name, "output");
    assert_true(!n[0].waves && n[0].phase > 0 && log2(n[0].error) <= annulus_circuit_log2_error(w.c));
    assert_true(n[0].values > 0 && n[1].values == 0 && n[1].phase > 0 && n[1].error == 0);
    annulus_train_options_init(&o);
    o.epochs = 1, o.batch = 32, o.from = w.m, o.noise_of = w.c;
    assert_ok(annulus_train(w.d, &o, NULL, NULL, NULL, &m));
    annulus_model_destroy(m);
    m = NULL, o.target_error = 0.1;
    assert_refused(annulus_train(w.d, &o, NULL, NULL, NULL, &m), "gives the noise of every layer");
    annulus_train_options_init(&o);
    o.conv_count = o.hidden_count = ANNULUS_MAX_HIDDEN;
    assert_refused(annulus_train(w.d, &o, NULL, NULL, NULL, &m), "at most 16 together");
    assert_refused(annulus_train_auto(w.d, &o, 0, NULL, NULL, NULL, NULL, &m), "at most 16 layers");
    assert_null(m);
}

static void reports_in_files(void **state)
{
    (void)state;
    const annulus_epoch epochs[] = {{1, 2, 0.75, NAN, 0.5, 0}, {2, 2, 0.5, 0.875, 0.25, 1}};
    char text[200] = "";
    comma_locale_begin();
    assert_ok(annulus_epochs_write_csv(epochs, 2, path("x")));
    comma_locale_end();
    FILE *f = fopen(path("x"), "r");
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    (void)fclose(f);
    assert_string_equal(text, "epoch,loss,validation,seconds\n1,0.75,,0.5\n2,0.5,0.875,0.25\n");
    const annulus_epoch twice[] = {
        {1, 2, 2, NAN, 1, 0}, {2, 2, 1.5, NAN, 1, 1}, {1, 1, 1, NAN, 1, 1}, {1, 1, 0.5, NAN, 1, 1}};
    memset(text, 0, sizeof text);
    assert_ok(annulus_epochs_write_csv(twice, 4, path("x")));
    f = fopen(path("x"), "r");
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    (void)fclose(f);
    assert_string_equal(text, "epoch,loss,validation,seconds\n1,2,,1\n2,1.5,,1\n3,1,,1\n4,0.5,,1\n");
    assert_ok(annulus_epochs_write_svg(epochs, 2, path("x")));
    assert_refused(annulus_epochs_write_svg(epochs, 0, path("x")), "no epochs");
    assert_refused(annulus_epochs_write_csv(epochs, 2, "/absent/x"), "/absent/x");
}

/* d.csv, whose columns near and far are targets or labels, and what trains and compiles it in no time. */
static void near_and_far(annulus_train_options *t, annulus_compile_options *o)
{
    FILE *f = fopen(path("d.csv"), "w");
    fprintf(f, "a,near,b,far\n");
    for (int i = 0; i < 10; i++) fprintf(f, "%d,%d,%d,%d\n", i, i < 5, i % 3, i >= 3);
    (void)fclose(f);
    annulus_train_options_init(t);
    annulus_compile_options_init(o);
    t->hidden_count = 1, t->hidden[0] = 3, t->batch = 2, t->epochs = 2;
}

/* Targets are the circuit's, by name: data that were read without it, in another order, are not scored. */
static void targets_of_the_circuit(void **state)
{
    (void)state;
    annulus_train_options t;
    annulus_compile_options o;
    annulus_dataset *d, *turned, *labels, *other;
    annulus_model *m;
    annulus_circuit *c;
    annulus_evaluation e, again;
    annulus_target_score scores[2], other_scores[2];
    double values[20];
    near_and_far(&t, &o);
    o.proven_ranges = 1, o.log2_error = -20;
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_REGRESSION, "near,far", NULL, &d));
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_REGRESSION, "far,near", NULL, &turned));
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_MULTI_LABEL, "near,far", NULL, &labels));
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_REGRESSION, "near,b", NULL, &other));
    assert_ok(annulus_train(d, &t, NULL, NULL, NULL, &m));
    c = NULL;
    assert_refused(annulus_compile(m, other, &o, &c), "label 2 of the model is far, the data have near, ...");
    assert_null(c);
    assert_ok(annulus_compile(m, turned, &o, &c));
    assert_ok(annulus_evaluate(c, d, ANNULUS_CLEAR, 0, 0, NULL, values, &e));
    assert_ok(annulus_score_targets(c, d, values, scores));
    assert_refused(annulus_evaluate(c, turned, ANNULUS_CLEAR, 0, 0, NULL, NULL, &again),
                   "label 1 of the circuit is near, the data have far: name the same ones in the same order");
    assert_refused(annulus_score_targets(c, turned, values, other_scores), "label 1 of the circuit is near");
    assert_refused(annulus_evaluate(c, labels, ANNULUS_CLEAR, 0, 0, NULL, NULL, &again), "the data have labels");
    assert_refused(annulus_score_targets(c, labels, values, other_scores), "the data have labels");
    annulus_dataset_destroy(turned);
    assert_ok(annulus_dataset_read_csv(path("d.csv"), ANNULUS_REGRESSION, "far,near", c, &turned));
    assert_ok(annulus_evaluate(c, turned, ANNULUS_CLEAR, 0, 0, NULL, values, &again));
    assert_ok(annulus_score_targets(c, turned, values, other_scores));
    assert_true(again.score == e.score);
    assert_memory_equal(scores, other_scores, sizeof scores);
    annulus_dataset_destroy(d), annulus_dataset_destroy(turned);
    annulus_dataset_destroy(labels), annulus_dataset_destroy(other);
    annulus_circuit_destroy(c);
    annulus_model_destroy(m);
}

/* Classes are the circuit's, by name or number: data that were read without it and lack some are not scored. */
static void classes_of_the_circuit(void **state)
{
    (void)state;
    static const char *const kinds[] = {"good", "stop", "watch"}, *const others[] = {"x", "y", "z"};
    annulus_train_options t;
    annulus_compile_options o;
    annulus_dataset *whole, *part, *numbers;
    annulus_model *m = NULL;
    annulus_circuit *c;
    annulus_evaluation e;
    FILE *all = fopen(path("all.csv"), "w"), *some = fopen(path("some.csv"), "w"), *n = fopen(path("n.csv"), "w");
    fprintf(all, "a,b,kind\n"), fprintf(some, "a,b,kind\n"), fprintf(n, "a,b,kind\n");
    for (int i = 0; i < 36; i++) {
        fprintf(all, "%d,%d,%s\n", i, i % 7, kinds[i % 3]);
        fprintf(n, "%d,%d,%d\n", i, i % 7, i % 3);
        if (i % 3 > 0) fprintf(some, "%d,%d,%s\n", i, i % 7, kinds[i % 3]);
    }
    (void)fclose(all), (void)fclose(some), (void)fclose(n);
    annulus_train_options_init(&t);
    annulus_compile_options_init(&o);
    t.hidden_count = 1, t.hidden[0] = 3, t.batch = 4, t.epochs = 2;
    assert_ok(annulus_dataset_read_csv(path("all.csv"), ANNULUS_CLASSIFICATION, NULL, NULL, &whole));
    assert_ok(annulus_dataset_read_csv(path("some.csv"), ANNULUS_CLASSIFICATION, NULL, NULL, &part));
    assert_ok(annulus_dataset_read_csv(path("n.csv"), ANNULUS_CLASSIFICATION, NULL, NULL, &numbers));
    t.class_names = others, t.class_names_count = 3;
    assert_refused(annulus_train(whole, &t, NULL, NULL, NULL, &m), "output 1 is good in the data");
    assert_null(m);
    t.class_names = kinds;
    t.classes_balanced = 1, t.class_weights = (const double[]){1, 2, 3}, t.class_weights_count = 3;
    assert_refused(annulus_train(numbers, &t, NULL, NULL, NULL, &m), "class weights are given, and balanced ones");
    t.classes_balanced = 0, t.class_weights_count = 0, t.class_weights = NULL;
    assert_ok(annulus_train(numbers, &t, NULL, NULL, NULL, &m));
    assert_ok(annulus_compile(m, whole, &o, &c));
    assert_ok(annulus_evaluate(c, whole, ANNULUS_CLEAR, 0, 0, NULL, NULL, &e));
    const double score = e.score;
    assert_refused(annulus_evaluate(c, part, ANNULUS_CLEAR, 0, 0, NULL, NULL, &e),
                   "class 1 is stop in the data and good in the circuit");
    assert_ok(annulus_evaluate(c, numbers, ANNULUS_CLEAR, 0, 0, NULL, NULL, &e));
    assert_true(e.score == score);
    annulus_dataset_destroy(numbers), annulus_dataset_destroy(part);
    assert_ok(annulus_dataset_read_csv(path("n.csv"), ANNULUS_CLASSIFICATION, NULL, c, &numbers));
    assert_ok(annulus_dataset_read_csv(path("some.csv"), ANNULUS_CLASSIFICATION, NULL, c, &part));
    assert_ok(annulus_evaluate(c, numbers, ANNULUS_CLEAR, 0, 0, NULL, NULL, &e));
    assert_true(e.score == score);
    assert_ok(annulus_evaluate(c, part, ANNULUS_CLEAR, 0, 0, NULL, NULL, &e));
    annulus_dataset_destroy(whole), annulus_dataset_destroy(part), annulus_dataset_destroy(numbers);
    assert_true(annulus_circuit_memory(c, 1, NULL) > 0);
    assert_true(annulus_circuit_out_of_range(c, NULL) > 0);
    assert_int_equal(annulus_circuit_torus_native(c, NULL), 0);
    annulus_circuit_destroy(c);
    annulus_model_destroy(m);
}

/* An audit counts samples with other labels than in clear as an evaluation of the same seed does; of regression none.
 */
static void audit_of_labels(void **state)
{
    (void)state;
    annulus_train_options t;
    annulus_compile_options o;
    near_and_far(&t, &o);
    o.proven_ranges = 1, o.log2_error = -1, o.output_bits = 1; /* many samples get others */
    for (int labels = 0; labels < 2; labels++) {
        annulus_dataset *d;
        annulus_model *m;
        annulus_circuit *c;
        annulus_evaluation e;
        char *report, want[64];
        int accepted;
        uint64_t seed = 0;
        assert_ok(annulus_dataset_read_csv(path("d.csv"), labels ? ANNULUS_MULTI_LABEL : ANNULUS_REGRESSION, "near,far",
                                           NULL, &d));
        assert_ok(annulus_train(d, &t, NULL, NULL, NULL, &m));
        assert_ok(annulus_compile(m, d, &o, &c));
        do assert_ok(annulus_evaluate(c, d, ANNULUS_SIMULATE, ++seed, 0, NULL, NULL, &e));
        while (labels && e.mismatches < 2 && seed < 100);
        assert_int_equal(e.mismatches > 1, labels);
        assert_ok(annulus_audit(c, d, seed, 0, NULL, 1, &accepted, &report));
        (void)snprintf(want, sizeof want, "\"mismatches_simulated\": %zu,", e.mismatches);
        assert_int_equal(strstr(report, want) != NULL, labels);
        assert_int_equal(strstr(report, "\"first_mismatch_simulated\"") != NULL, labels);
        annulus_text_destroy(report);
        annulus_circuit_destroy(c);
        annulus_model_destroy(m);
        annulus_dataset_destroy(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_options),
        cmocka_unit_test(test_compile_progress),
        cmocka_unit_test(pruned),
        cmocka_unit_test(noise_of_a_circuit),
        cmocka_unit_test(reports_in_files),
        cmocka_unit_test(answers_survive_files),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(simulation_repeats),
        cmocka_unit_test(inputs_out_of_range),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(targets_of_the_circuit),
        cmocka_unit_test(classes_of_the_circuit),
        cmocka_unit_test(audit_of_labels),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
