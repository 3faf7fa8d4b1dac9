/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that are stopped and go on give the bytes of one that never was; checkpoints of something else are refused. */
#include "testing.h"

#include "deploy/checkpoint.h"
#include "deploy/container.h"
#include "tfhe/lwe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLES 3u

typedef struct world {
    char folder[64], path[96], taken[96];
    annulus_circuit *c;
    annulus_client_key *client;
    annulus_evaluation_key *evaluation;
    annulus_input *x, *other;
    annulus_output *whole;
} world;
static world w;
static const annulus_run_options alone = {.threads = 1, .together = 1};

/* Two layers of look-ups, so that a sample reports four times: each layer at its begin and at its end. */
static int setup(void **state)
{
    (void)state;
    uint64_t seed = 5;
    annulus_dataset *d, *few;
    annulus_model *m;
    annulus_train_options t;
    annulus_compile_options o;
    strcpy(w.folder, "/tmp/annulus-checkpoint-XXXXXX");
    if (mkdtemp(w.folder) == NULL) return 1;
    (void)snprintf(w.path, sizeof w.path, "%s/state", w.folder);
    (void)snprintf(w.taken, sizeof w.taken, "%s/taken", w.folder);
    FILE *f = fopen(w.path, "w");
    fprintf(f, "a,b,kind\n");
    for (int i = 0; i < 100; i++) {
        const double a = (double)(test_random(&seed) % 1000) / 1000, b = (double)(test_random(&seed) % 1000) / 1000;
        fprintf(f, "%.3f,%.3f,%s\n", a, b, a > b ? "below" : "above");
    }
    (void)fclose(f);
    annulus_train_options_init(&t);
    annulus_compile_options_init(&o);
    t.hidden_count = 2, t.hidden[0] = 3, t.hidden[1] = 2, t.batch = 32, t.epochs = 3;
    o.rounding_bits = 3, o.log2_error = -8;
    assert_ok(annulus_dataset_read_csv(w.path, ANNULUS_CLASSIFICATION, NULL, NULL, &d));
    (void)unlink(w.path);
    assert_ok(annulus_train(d, &t, NULL, NULL, NULL, &m));
    assert_ok(annulus_compile(m, d, &o, &w.c));
    assert_ok(annulus_keygen(w.c, 0, NULL, &w.client, &w.evaluation));
    assert_ok(annulus_dataset_slice(d, 0, SAMPLES, &few));
    assert_ok(annulus_encrypt(w.client, w.c, few, 0, &w.x));
    assert_ok(annulus_encrypt(w.client, w.c, few, 0, &w.other));
    assert_ok(annulus_run(w.c, w.evaluation, w.x, &alone, NULL, NULL, &w.whole));
    annulus_dataset_destroy(few);
    annulus_dataset_destroy(d);
    annulus_model_destroy(m);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(w.path);
    (void)rmdir(w.folder);
    annulus_output_destroy(w.whole);
    annulus_input_destroy(w.other);
    annulus_input_destroy(w.x);
    annulus_evaluation_key_destroy(w.evaluation);
    annulus_client_key_destroy(w.client);
    annulus_circuit_destroy(w.c);
    return 0;
}

typedef struct interruption {
    size_t reports, stop, copy; /* seen; the one that stops the run; that at which the file is taken away; 0: none */
    size_t first, last, total;
} interruption;

static int interrupt(void *context, const char *what, size_t done, size_t total)
{
    interruption *i = context;
    if (strcmp(what, ANNULUS_PROGRESS_RUN) == 0) {
        assert_true(done >= i->last && done <= total && (i->total == 0 || total == i->total));
        if (i->total == 0) i->first = done;
        i->last = done;
        i->total = total;
        return 0;
    }
    i->reports++;
    if (i->reports == i->copy) assert_int_equal(rename(w.path, w.taken), 0);
    return i->reports == i->stop;
}

static annulus_status run_together(const annulus_input *x, size_t together, size_t stop, interruption *i,
                                   double *seconds, annulus_output **y)
{
    *i = (interruption){.stop = stop};
    const annulus_progress progress = {interrupt, i};
    const annulus_run_options o = {.threads = 1, .together = together, .checkpoint = w.path};
    return annulus_run(w.c, w.evaluation, x, &o, &progress, seconds, y);
}

static annulus_status run(const annulus_input *x, size_t stop, interruption *i, double *seconds, annulus_output **y)
{
    return run_together(x, 1, stop, i, seconds, y);
}

static void assert_whole(const annulus_output *y)
{
    assert_memory_equal(y->answers, w.whole->answers, SAMPLES * y->bytes);
}

/* Units of progress of a sample, and of its first layer. */
static size_t sample_units(void)
{
    return exec_units(w.c->c, 1, NULL);
}

static size_t first_units(void)
{
    size_t layers[CIRCUIT_MAX_LAYERS];
    (void)exec_units(w.c->c, 1, layers);
    return layers[0];
}

/* Stopped in the second layer, at its begin and its end, and in the first of a sample: goes on behind what was
 * finished. */
static void test_resume(void **state)
{
    (void)state;
    static const size_t stops[] = {3, 4, 5, 6, 11}, finished[] = {0, 0, 1, 1, 2};
    const size_t all = sample_units(), first = first_units(), done[] = {first, first, all, all, 2 * all + first};
    for (size_t k = 0; k < 5; k++) {
        annulus_output *y = NULL;
        interruption i;
        double seconds[SAMPLES];
        assert_int_equal(run(w.x, stops[k], &i, NULL, &y), ANNULUS_ERR_CANCELLED);
        assert_null(y);
        assert_int_equal(access(w.path, F_OK), 0);
        assert_ok(run(w.x, 0, &i, seconds, &y));
        assert_whole(y);
        annulus_output_destroy(y);
        assert_int_equal(i.total, SAMPLES * all);
        assert_int_equal(i.first, done[k]); /* nothing is done twice */
        assert_int_equal(i.last, i.total);
        for (size_t s = 0; s < SAMPLES; s++) assert_true((seconds[s] == 0) == (s < finished[k]));
        (void)unlink(w.path);
    }
}

/* Nothing is finished, nothing is written; a run that goes on and is stopped at once leaves its file as it was. */
static void test_stopped_at_once(void **state)
{
    (void)state;
    annulus_output *y = NULL;
    interruption i;
    assert_int_equal(run(w.x, 2, &i, NULL, &y), ANNULUS_ERR_CANCELLED);
    assert_int_equal(access(w.path, F_OK), -1);
    assert_int_equal(run(w.x, 7, &i, NULL, &y), ANNULUS_ERR_CANCELLED);
    assert_int_equal(link(w.path, w.taken), 0);
    assert_int_equal(run(w.x, 1, &i, NULL, &y), ANNULUS_ERR_CANCELLED);
    struct stat before, after;
    assert_int_equal(stat(w.taken, &before), 0);
    assert_int_equal(stat(w.path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* a new one would be another */
    (void)unlink(w.taken);
    assert_ok(run(w.x, 0, &i, NULL, &y));
    assert_whole(y);
    assert_int_equal(i.first, sample_units() + first_units());
    annulus_output_destroy(y);
    (void)unlink(w.path);
}

/* Killed in the second layer: the file has the first. */
static void test_killed(void **state)
{
    (void)state;
    annulus_output *y = NULL;
    interruption i = {.copy = 3};
    const annulus_progress progress = {interrupt, &i};
    const annulus_run_options o = {.threads = 1, .together = 1, .checkpoint = w.path};
    assert_ok(annulus_run(w.c, w.evaluation, w.x, &o, &progress, NULL, &y));
    annulus_output_destroy(y);
    y = NULL;
    assert_int_equal(rename(w.taken, w.path), 0);
    assert_ok(run(w.x, 0, &i, NULL, &y));
    assert_whole(y);
    assert_int_equal(i.first, first_units());
    annulus_output_destroy(y);
    (void)unlink(w.path);
}

/* Whatever number runs together, also behind an interruption in another grouping. */
static void test_together(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++)
        for (size_t together = 0; together <= SAMPLES; together++) {
            annulus_output *y = NULL;
            const annulus_run_options o = {.threads = threads, .together = together};
            assert_ok(annulus_run(w.c, w.evaluation, w.x, &o, NULL, NULL, &y));
            assert_whole(y);
            annulus_output_destroy(y);
        }
    for (size_t then = 1; then <= SAMPLES; then++) {
        annulus_output *y = NULL;
        interruption i;
        assert_int_equal(run_together(w.x, 2, 3, &i, NULL, &y), ANNULUS_ERR_CANCELLED);
        assert_ok(run_together(w.x, then, 0, &i, NULL, &y));
        assert_whole(y);
        annulus_output_destroy(y);
        assert_int_equal(i.first, 2 * first_units()); /* first layer of two samples is done */
        assert_int_equal(i.total, SAMPLES * sample_units());
        (void)unlink(w.path);
    }
}

/* A checkpoint at this place, whatever the time. */
static void keep_at(const annulus_input *x, size_t sample)
{
    annulus_output y = *w.whole;
    checkpoint p;
    (void)unlink(w.path);
    assert_ok(checkpoint_open(w.path, w.c->c, x, &y, &p));
    assert_true(p.sample == 0 && p.layer == 0 && p.values == NULL);
    p.sample = sample;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0));
    checkpoint_close(&p);
}

static int kept(void)
{
    return unlink(w.path) == 0;
}

/* Writing takes 1/20 of the time at most, by what the last took and the bytes then. */
static void test_how_often(void **state)
{
    (void)state;
    annulus_output y = *w.whole;
    checkpoint p;
    (void)unlink(w.path);
    assert_ok(checkpoint_open(w.path, w.c->c, w.x, &y, &p));
    p.sample = 1;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0)); /* the first, at once */
    assert_true(kept() && p.last.took > 0);
    p.last.took = 100;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0));
    assert_false(kept());
    p.last.end -= 1900;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0));
    assert_false(kept());
    p.last.end -= 200;
    p.sample = 2;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0)); /* twice the bytes */
    assert_false(kept());
    p.last.end -= 2000;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0));
    assert_true(kept() && p.last.took < 100);
    p.last.took = 1e9;
    assert_ok(checkpoint_stop(&p, &y, 0, NULL, 0)); /* it was just written */
    assert_false(kept());
    p.sample = 3;
    assert_ok(checkpoint_keep(&p, &y, 0, NULL, 0));
    assert_false(kept());
    assert_ok(checkpoint_stop(&p, &y, 0, NULL, 0));
    assert_true(kept());
    checkpoint_close(&p);
}

static void test_ends(void **state)
{
    (void)state;
    for (size_t sample = 0; sample <= SAMPLES; sample++) {
        annulus_output *y = NULL;
        interruption i;
        keep_at(w.x, sample);
        assert_ok(run(w.x, 0, &i, NULL, &y));
        assert_whole(y);
        assert_int_equal(i.reports, 4 * (SAMPLES - sample));
        annulus_output_destroy(y);
    }
}

static void put(const binding *of, const checkpoint *p, uint64_t count, uint64_t sample, uint64_t layer,
                uint64_t together, size_t bytes)
{
    writer b;
    writer_init(&b, 0);
    binding_write(&b, of);
    write_bytes(&b, p->inputs, sizeof p->inputs);
    write_u64(&b, count);
    write_u64(&b, sample);
    write_u64(&b, layer);
    write_u64(&b, together);
    for (size_t i = 0; i < bytes; i++) write_u8(&b, (uint8_t)i);
    assert_ok(container_write(w.path, CONTAINER_CHECKPOINT, &b));
    writer_clear(&b);
}

static void test_refusals(void **state)
{
    (void)state;
    annulus_output *y = NULL;
    interruption i;
    keep_at(w.other, 1);
    assert_refused(run(w.x, 0, &i, NULL, &y), "this run had other encrypted samples");
    assert_ok(annulus_input_write(w.x, w.path));
    assert_refused(run(w.x, 0, &i, NULL, &y), "a file of kind checkpoint is needed here");
    annulus_output room = *w.whole;
    checkpoint p;
    (void)unlink(w.path);
    assert_ok(checkpoint_open(w.path, w.c->c, w.x, &room, &p));
    binding of = w.x->of;
    const size_t answer = w.whole->bytes, values = 8 * exec_live_words(w.c->c, 1);
    put(&of, &p, SAMPLES, 1, 1, 1, answer + values);
    annulus_output *right;
    assert_ok(run(w.x, 0, &i, NULL, &right)); /* the form of a right one */
    annulus_output_destroy(right);
    put(&of, &p, SAMPLES, 1, 1, 1, answer + values - 1);
    assert_refused(run(w.x, 0, &i, NULL, &y), w.path);
    put(&of, &p, SAMPLES, 1, 1, 1, answer + values + 1);
    assert_refused(run(w.x, 0, &i, NULL, &y), w.path);
    put(&of, &p, SAMPLES, 1, 3, 1, answer + values);
    assert_refused(run(w.x, 0, &i, NULL, &y), "stands at layer 3 of sample 1");
    put(&of, &p, SAMPLES, SAMPLES, 1, 1, SAMPLES * answer + values);
    assert_refused(run(w.x, 0, &i, NULL, &y), "stands at layer 1 of sample 3");
    put(&of, &p, SAMPLES, 1, 1, 3, answer + 3 * values);
    assert_refused(run(w.x, 0, &i, NULL, &y), "stands at layer 1 of sample 1, 3 together");
    put(&of, &p, SAMPLES, 1, 1, 0, answer);
    assert_refused(run(w.x, 0, &i, NULL, &y), "stands at layer 1 of sample 1, 0 together");
    put(&of, &p, SAMPLES, UINT64_MAX, 0, 0, 0);
    assert_refused(run(w.x, 0, &i, NULL, &y), "stands at");
    put(&of, &p, SAMPLES + 1, 1, 0, 0, answer);
    assert_refused(run(w.x, 0, &i, NULL, &y), "this run had other encrypted samples");
    of.key[0] ^= 1;
    put(&of, &p, SAMPLES, 1, 0, 0, answer);
    assert_refused(run(w.x, 0, &i, NULL, &y), "this run had other keys; give its own, or remove the file");
    of.circuit[0] ^= 1;
    put(&of, &p, SAMPLES, 1, 0, 0, answer);
    assert_refused(run(w.x, 0, &i, NULL, &y), "this run had another circuit; give its own, or remove the file");
    FILE *f = fopen(w.path, "r+");
    assert_non_null(f);
    assert_true(fseek(f, -1, SEEK_END) == 0);
    const int last = getc(f);
    assert_true(fseek(f, -1, SEEK_END) == 0 && putc(last ^ 1, f) != EOF && fclose(f) == 0);
    assert_refused(run(w.x, 0, &i, NULL, &y), "(its check sum is wrong); remove it to start anew");
    assert_int_equal(truncate(w.path, 100), 0);
    assert_refused(run(w.x, 0, &i, NULL, &y), "cut off or has bytes too many; remove it to start anew");
    assert_null(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resume),   cmocka_unit_test(test_stopped_at_once),
                                       cmocka_unit_test(test_killed),   cmocka_unit_test(test_how_often),
                                       cmocka_unit_test(test_together), cmocka_unit_test(test_ends),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
