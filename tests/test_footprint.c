/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a run is what circuit_footprint predicts: of everything that the library allocates (linked with --wrap)
 * from reading the files to writing the answers, the most that is held at once. */
#include "random_networks.h"

#include "circuit/footprint.h"
#include "deploy/deploy_priv.h"
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#define BLOCKS_MOST 65536u

/* How inputs are taken and answers sent, else both packed; split look-ups; exactly rounded layers; a convolution of
 * three square channels of inputs before the first layer; look-ups on equal sums, side by side. */
enum { BY_VALUE = 1, UNPACKED = 2, SPLIT = 4, EXACT = 8, CONVOLUTION = 16, SLOTS = 32 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void *p;
    size_t bytes;
} blocks[BLOCKS_MOST];
static size_t blocks_count, held, most;

void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
annulus_status __real_scratch_create_apart(size_t bytes, scratch *out);
annulus_status __wrap_scratch_create_apart(size_t bytes, scratch *out);
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void __real_free(void *p);
void __wrap_free(void *p);

static void *note(void *p, size_t bytes)
{
    if (p == NULL) return p;
    (void)pthread_mutex_lock(&lock);
    REQUIRE(blocks_count < BLOCKS_MOST);
    blocks[blocks_count].p = p;
    blocks[blocks_count++].bytes = bytes;
    held += bytes;
    most = held > most ? held : most;
    (void)pthread_mutex_unlock(&lock);
    return p;
}

/* What lies behind scratches is never touched. */
static _Thread_local int apart;

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    const size_t behind = apart ? (SCRATCH_APART + align - 1) / align * align : 0;
    return note(__real_aligned_alloc(align, bytes), bytes - behind);
}

annulus_status __wrap_scratch_create_apart(size_t bytes, scratch *out)
{
    apart = 1;
    const annulus_status st = __real_scratch_create_apart(bytes, out);
    apart = 0;
    return st;
}

void *__wrap_malloc(size_t bytes)
{
    return note(__real_malloc(bytes), bytes);
}

/* Blocks from elsewhere are not known. */
void __wrap_free(void *p)
{
    (void)pthread_mutex_lock(&lock);
    for (size_t i = blocks_count; p != NULL && i-- > 0;)
        if (blocks[i].p == p) {
            held -= blocks[i].bytes;
            blocks[i] = blocks[--blocks_count];
            break;
        }
    (void)pthread_mutex_unlock(&lock);
    __real_free(p);
}

static struct {
    char folder[64], circuit[96], key[96], input[96], output[96], checkpoint[96];
} files;

static void in_folder(char *path, size_t size, const char *name)
{
    (void)snprintf(path, size, "%s/%s", files.folder, name);
}

static int setup(void **state)
{
    (void)state;
    strcpy(files.folder, "/tmp/annulus-footprint-XXXXXX");
    if (mkdtemp(files.folder) == NULL) return 1;
    in_folder(files.circuit, sizeof files.circuit, "circuit");
    in_folder(files.key, sizeof files.key, "key");
    in_folder(files.input, sizeof files.input, "input");
    in_folder(files.output, sizeof files.output, "output");
    in_folder(files.checkpoint, sizeof files.checkpoint, "checkpoint");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(files.circuit), (void)unlink(files.key), (void)unlink(files.input);
    (void)unlink(files.output), (void)unlink(files.checkpoint);
    return rmdir(files.folder);
}

/* widths[0] inputs, a convolution into four channels, and scores. */
static network *convolution_of(uint64_t *seed, const size_t *widths)
{
    const size_t side = (size_t)sqrt((double)widths[0] / 3);
    const gather_windows w = {.channels = 3,
                              .size = {side, side},
                              .kernel = {5, 5},
                              .stride = {side / 3, side / 3},
                              .dilation = {1, 1},
                              .pad = {2, 2, 2, 2}};
    graph g = {.seed = seed, .of = {{.c = 3, .size = {side, side}}}, .hidden = 1};
    graph_tensor shape = {.c = 4};
    int32_t W[4 * 3 * 25];
    circuit_linear l = {0};
    assert_ok(network_create(widths[0], 2, &g.n));
    g.n->input = (quantizer){.scale = 0.25, .bits = 3};
    graph_weights(&g, W, sizeof W / sizeof *W);
    assert_ok(gather_count(&w, shape.size));
    assert_ok(gather_convolution(&w, W, 4, 1, &l));
    graph_layer(&g, (const uint32_t[]){0}, 1, &l, shape, 0);
    const size_t in = graph_values(&shape);
    graph_weights(&g, W, 3 * in);
    assert_ok(linear_dense(W, 3, in, &l));
    graph_layer(&g, (const uint32_t[]){1}, 1, &l, (graph_tensor){.c = 3, .size = {1, 1}}, 1);
    assert_ok(network_set_labels(g.n, NULL, 3));
    assert_ok(network_check(g.n));
    return g.n;
}

/* Files of a random network of these widths; form: of the above. */
static void write_files(const size_t *widths, size_t layers, size_t samples, unsigned form)
{
    uint64_t seed = 9;
    lower_options o;
    circuit *c = NULL;
    annulus_client_key *client = NULL;
    annulus_evaluation_key *key = NULL;
    annulus_input *in = NULL;
    lower_options_init(&o);
    o.ranges_measured = 0;
    o.log2_error = -8;
    if (form & SPLIT) o.rounding_bits = 0, o.log2_error = -60;
    if (form & EXACT) o.rounding_bits = 5, o.method = ROUNDING_EXACT;
    network *n =
        form & CONVOLUTION ? convolution_of(&seed, widths) : random_network(&seed, widths, layers, ACTIVATION_RELU, 3);
    float *x = random_inputs(&seed, 60, widths[0]);
    dense_layer *first = &n->layers[0];
    if (form & SLOTS) {
        o.share_ways = 1u << SHARE_SLOTS;
        memcpy(first->W + first->in * (first->out / 2), first->W, first->in * (first->out / 2) * sizeof *first->W);
    }
    assert_ok(network_lower(n, x, 60, &o, &c));
    assert_int_equal(c->layers[0].slot_bits > 0, (form & SLOTS) != 0);
    if (form & BY_VALUE) {
        int32_t *W = weights_of(&c->layers[0]);
        W[0] = 30000, W[1] = 1; /* too large a norm for products */
        assert_ok(circuit_predict(c));
        assert_ok(circuit_digest(c));
    }
    assert_int_equal(c->inputs_packed, (form & BY_VALUE) == 0);
    if (form & UNPACKED) {
        c->choice.families.answers = (tfhe_answers){0};
        assert_ok(circuit_predict(c));
        assert_ok(circuit_digest(c));
    }
    assert_int_equal(c->choice.families.answers.bits == 0, (form & UNPACKED) != 0);
    assert_int_equal(c->layers[0].split > 0, (form & SPLIT) != 0);
    annulus_circuit whole = {c};
    dataset d = {.count = samples, .features = widths[0], .x = x};
    const annulus_dataset data = {&d};
    assert_ok(annulus_circuit_write(&whole, files.circuit));
    assert_ok(annulus_keygen(&whole, 0, NULL, &client, &key));
    assert_ok(annulus_encrypt(client, &whole, &data, 0, &in));
    assert_ok(annulus_evaluation_key_write(key, files.key));
    assert_ok(annulus_input_write(in, files.input));
    annulus_input_destroy(in);
    annulus_evaluation_key_destroy(key);
    annulus_client_key_destroy(client);
    circuit_destroy(c);
    network_destroy(n);
    free(x);
}

/* As `annulus run` does it; returns what was held at most beyond what was before, and what was predicted. */
static double run_files(size_t samples, size_t together, unsigned threads, footprint *predicted)
{
    annulus_circuit *c = NULL;
    annulus_evaluation_key *key = NULL;
    annulus_input *x = NULL;
    annulus_output *y = NULL;
    const annulus_run_options o = {.threads = threads, .together = together};
    const size_t before = held;
    most = held;
    assert_ok(annulus_circuit_read(files.circuit, &c));
    assert_ok(annulus_input_read(files.input, &x));
    assert_ok(annulus_evaluation_key_read(files.key, c, threads, NULL, &key));
    assert_ok(annulus_run(c, key, x, &o, NULL, NULL, &y));
    assert_ok(annulus_output_write(y, files.output));
    const double taken = (double)(most - before);
    *predicted = circuit_footprint(c->c, samples, together, threads, 0);
    assert_true(annulus_circuit_memory(c, samples, &o) == predicted->peak);
    annulus_output_destroy(y);
    annulus_input_destroy(x);
    annulus_evaluation_key_destroy(key);
    annulus_circuit_destroy(c);
    return taken;
}

/* Within `most_off` of all but the process itself; several samples as many together as suit, and one by one. */
static void check(const size_t *widths, size_t layers, size_t samples, unsigned form, double most_off, footprint *out)
{
    write_files(widths, layers, samples, form);
    for (unsigned k = 0; k < (samples > 1 ? 4 : 2); k++) {
        const unsigned threads = 1 + k % 2;
        const double taken = run_files(samples, k / 2, threads, out);
        const double expected = (double)(out->peak - FOOTPRINT_PROCESS);
        if (fabs(taken / expected - 1) > most_off) {
            print_error("%u threads: %.2f MB taken, %.2f MB predicted\n", threads, taken / 1e6, expected / 1e6);
            _fail(__FILE__, __LINE__);
        }
    }
}

static void test_packed(void **state)
{
    (void)state;
    footprint f;
    check((const size_t[]){600, 40, 3}, 2, 1, 0, 0.01, &f);
    assert_true(f.tables > 40 * 600 * sizeof(double));
}

/* Layers of bits beside the table, all of which take inputs; and a convolution. */
static void test_packed_layers(void **state)
{
    (void)state;
    footprint f;
    check((const size_t[]){600, 5, 3}, 2, 1, EXACT, 0.01, &f);
    check((const size_t[]){3 * 36 * 36, 0, 3}, 2, 2, CONVOLUTION, 0.01, &f);
    assert_true(f.tables > 12 * 2 * 2048 * sizeof(double));
}

/* Inputs one by one: their ciphertexts are a good part of the whole. */
static void test_by_value(void **state)
{
    (void)state;
    footprint f;
    check((const size_t[]){6000, 6, 3}, 2, 1, BY_VALUE, 0.01, &f);
    assert_true((double)f.values > 0.3 * (double)f.peak);
}

/* Many answers: packed they are less than the sums of one sample, else most is held when they are written. Five samples
 * of them are little less than a power of two of bytes, as which rooms of files grow. */
static void test_answers(void **state)
{
    (void)state;
    footprint f, one;
    check((const size_t[]){4, 2, 400}, 2, 5, 0, 0.01, &f);
    assert_true(20 * f.samples < f.values);
    check((const size_t[]){4, 2, 400}, 2, 5, UNPACKED, 0.01, &f);
    assert_true(f.samples > f.values + f.work + f.tables);
    circuit *c = NULL;
    annulus_circuit *whole = NULL;
    assert_ok(annulus_circuit_read(files.circuit, &whole));
    c = whole->c;
    one = circuit_footprint(c, 1, 1, 1, 0);
    assert_true(one.samples < f.samples && one.keys == f.keys && one.peak < f.peak);
    assert_true(circuit_footprint(c, 5, 1, 1, 1).peak >= circuit_footprint(c, 5, 1, 1, 0).peak);
    annulus_circuit_destroy(whole);
}

/* Of split look-ups, whose rooms and tables hold more than those of whole ones. */
static void test_split(void **state)
{
    (void)state;
    footprint f;
    check((const size_t[]){24, 24, 3}, 2, 1, SPLIT, 0.01, &f);
    assert_true((double)f.work > 0.01 * (double)f.peak);
}

/* Of tables side by side, which each neuron has of its own. */
static void test_slots(void **state)
{
    (void)state;
    footprint f;
    check((const size_t[]){24, 400, 3}, 2, 1, SLOTS, 0.01, &f);
    assert_true((double)f.tables > 0.025 * (double)f.peak);
}

/* Stops a run that has written its checkpoint. */
static int stop(void *context, const char *what, size_t done, size_t count)
{
    (void)context, (void)what, (void)done, (void)count;
    return access(files.checkpoint, F_OK) == 0;
}

/* A run that goes on holds the values that it read beside those that it makes and the file of them. */
static void test_resumed(void **state)
{
    (void)state;
    enum { SAMPLES = 4 };
    const annulus_run_options o = {.threads = 2, .together = SAMPLES, .checkpoint = files.checkpoint};
    const annulus_progress stopping = {.report = stop};
    write_files((const size_t[]){60, 60, 60, 3}, 3, SAMPLES, 0);
    for (int resumes = 0; resumes < 2; resumes++) {
        annulus_circuit *c = NULL;
        annulus_evaluation_key *key = NULL;
        annulus_input *x = NULL;
        annulus_output *y = NULL;
        const size_t before = held;
        most = held;
        assert_ok(annulus_circuit_read(files.circuit, &c));
        assert_ok(annulus_input_read(files.input, &x));
        assert_ok(annulus_evaluation_key_read(files.key, c, 2, NULL, &key));
        const double expected = (double)(annulus_circuit_memory(c, SAMPLES, &o) - FOOTPRINT_PROCESS);
        if (resumes)
            assert_ok(annulus_run(c, key, x, &o, NULL, NULL, &y));
        else
            assert_int_equal(annulus_run(c, key, x, &o, &stopping, NULL, &y), ANNULUS_ERR_CANCELLED);
        const double taken = (double)(most - before);
        assert_true(fabs(taken / expected - 1) < 0.01);
        annulus_output_destroy(y);
        annulus_input_destroy(x);
        annulus_evaluation_key_destroy(key);
        annulus_circuit_destroy(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packed),   cmocka_unit_test(test_packed_layers),
                                       cmocka_unit_test(test_by_value), cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_split),    cmocka_unit_test(test_slots),
                                       cmocka_unit_test(test_resumed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
