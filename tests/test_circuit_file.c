/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"

#include <math.h>

static circuit *circuit_of(const lower_options *o)
{
    uint64_t seed = 7;
    const size_t widths[] = {6, 5, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_SIGMOID, 3);
    float *x = random_inputs(&seed, 100, 6);
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 100, o, &c));
    free(x);
    network_destroy(n);
    return c;
}

static circuit *small_circuit(void)
{
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 3;
    o.log2_error = -7;
    return circuit_of(&o);
}

/* The circuit as the file of it says. */
static circuit *reread(const circuit *c)
{
    circuit *back = NULL;
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_ok(circuit_read(&r, &back));
    assert_ok(read_end(&r));
    writer_clear(&w);
    return back;
}

/* What was asked for, what was held and what is predicted are the same again. */
static void test_errors_round_trip(void **state)
{
    (void)state;
    const layer_error own = {"output", -33};
    for (int global = 0; global < 2; global++) {
        lower_options o;
        lower_options_init(&o);
        o.rounding_bits = 3;
        o.target = global ? ERROR_GLOBAL : ERROR_PER_LOOKUP;
        o.log2_error = -9;
        o.layer_errors = &own;
        o.layer_errors_count = 1;
        circuit *c = circuit_of(&o);
        if (global) c->choice.log2_error -= 2; /* else what was asked for may be what is held */
        circuit *back = reread(c);
        assert_true(back->target == o.target && back->log2_error == -9);
        assert_true(back->choice.families.answers.bits > 0);
        assert_true(back->layers[0].log2_error == 0 && back->layers[1].log2_error == -33);
        assert_true(back->choice.log2_error == c->choice.log2_error);
        assert_true(global ? back->choice.log2_error < -9 : back->choice.log2_error == -9);
        assert_true(circuit_bound(back, &back->layers[1]) == -33 && circuit_largest_bound(back) > -33);
        assert_true(fabs(back->choice.log2_global_failure - c->choice.log2_global_failure) < 1e-9);
        assert_true(back->choice.layers[1].log2_failure <= -33);
        circuit_destroy(back);
        circuit_destroy(c);
    }
}

static void test_tasks(void **state)
{
    (void)state;
    circuit *c = small_circuit(), *back = NULL;
    for (int task = CIRCUIT_CLASSIFICATION; task <= CIRCUIT_TOP_1; task++) {
        c->task = (circuit_task)task;
        back = reread(c);
        assert_int_equal(back->task, task);
        circuit_destroy(back);
    }
    back = NULL;
    c->task = (circuit_task)(CIRCUIT_TOP_1 + 1);
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_refused(circuit_read(&r, &back), "task is 4, must be 0 to 3");
    writer_clear(&w);
    circuit_destroy(c);
}

/* Scores that depend on no input. */
static void test_no_weights(void **state)
{
    (void)state;
    circuit *c = small_circuit();
    linear_clear(&c->layers[1].linear);
    assert_ok(linear_create(0, &c->layers[1].linear));
    circuit *back = reread(c);
    assert_int_equal(back->layers[1].linear.blocks_count, 0);
    circuit_destroy(back);
    circuit_destroy(c);
}

static void test_refused(void **state)
{
    (void)state;
    circuit *c = small_circuit();
    c->layers[1].log2_error = 3;
    refused_as(c, "error probability 2^3 of layer output");
    c->layers[1].log2_error = -513;
    refused_as(c, "error probability 2^-513 of layer output");
    c->layers[1].log2_error = NAN;
    refused_as(c, "model.circuit");
    c->layers[1].log2_error = 0;
    c->choice.log2_error = -8;
    refused_as(c, "error probability 2^-8 of a look-up, 2^-7 asked for");
    c->target = ERROR_GLOBAL;
    c->choice.log2_error = -6;
    refused_as(c, "error probability 2^-6 of a look-up, 2^-7 asked for");
    c->choice.log2_error = c->log2_error = 0;
    refused_as(c, "error probability 2^0");
    circuit_destroy(c);
    c = small_circuit();
    c->labels[1][0] = (char)0xfc; /* of Latin-1 */
    refused_as(c, "label 2 is not UTF-8, or has control characters");
    circuit_destroy(c);
    c = small_circuit();
    c->layers[0].name[0] = 0x1b; /* as terminals take commands */
    refused_as(c, "a name is not UTF-8, or has control characters");
    circuit_destroy(c);
}

/* Answers without a bound of their own take what the look-ups leave of a global one, and little less. */
static void test_global_answers(void **state)
{
    (void)state;
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 3;
    o.target = ERROR_GLOBAL;
    o.log2_error = -9;
    circuit *c = circuit_of(&o);
    const layer_choice *output = &c->choice.layers[c->layers_count - 1];
    assert_true(c->choice.families.answers.bits > 0 && c->choice.log2_global_failure <= -9);
    c->choice.families.answers.bits--; /* what is not so little that a bit less would do */
    const double bound = c->choice.log2_error, failure = output->log2_failure;
    assert_ok(circuit_predict(c));
    assert_true(c->choice.log2_global_failure > -9 && output->log2_failure > failure && c->choice.log2_error == bound);
    circuit_destroy(c);
}

/* Parameters on the curve of 128 bits are below that of 132. */
static void test_levels(void **state)
{
    (void)state;
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 3;
    o.log2_error = -7;
    circuit *c = circuit_of(&o);
    c->level = SECURITY_132;
    refused_as(c, "below 132-bit security");
    circuit_destroy(c);
    o.level = SECURITY_132;
    c = circuit_of(&o);
    circuit *back = reread(c);
    assert_int_equal(back->level, SECURITY_132);
    circuit_destroy(back);
    c->choice.families.of[0].glwe_noise -= 1;
    refused_as(c, "below 132-bit security");
    circuit_destroy(c);
}

static void test_round_trip(void **state)
{
    (void)state;
    circuit *c = small_circuit(), *back = NULL;
    writer w, again;
    writer_init(&w, 0), writer_init(&again, 0);
    circuit_write(&w, c);
    assert_ok(w.status);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_ok(circuit_read(&r, &back));
    assert_ok(read_end(&r));
    circuit_write(&again, back);
    assert_int_equal(w.len, again.len);
    assert_memory_equal(w.p, again.p, w.len);
    assert_memory_equal(c->digest, back->digest, 32);
    assert_true(fabs(c->choice.seconds - back->choice.seconds) < 1e-12);
    assert_true(fabs(c->choice.layers[0].log2_failure - back->choice.layers[0].log2_failure) < 1e-9);
    circuit_destroy(back);
    back = NULL;
    for (size_t len = 0; len < w.len; len++) { /* cut anywhere: refused, nothing made */
        reader cut = {.p = w.p, .len = len, .name = "model.circuit"};
        assert_refused(circuit_read(&cut, &back), "model.circuit");
        assert_null(back);
    }
    writer_clear(&w), writer_clear(&again);
    circuit_destroy(c);
}

/* Damaged files are refused or read as another valid circuit; neither crashes nor leaks (sanitizers watch). */
static void test_damage(void **state)
{
    (void)state;
    circuit *c = small_circuit();
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    uint64_t seed = 8;
    size_t refused = 0;
    for (size_t i = 0; i < 20000; i++) {
        const size_t at = test_random(&seed) % w.len;
        const uint8_t kept = w.p[at];
        w.p[at] ^= (uint8_t)(1u << test_random(&seed) % 8);
        reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
        circuit *back = NULL;
        if (circuit_read(&r, &back) != ANNULUS_OK) refused++;
        circuit_destroy(back);
        w.p[at] = kept;
    }
    assert_true(refused > 2000);
    writer_clear(&w);
    circuit_destroy(c);
}

static void test_insecure_parameters(void **state)
{
    (void)state;
    circuit *c = small_circuit(), *back = NULL;
    c->choice.families.of[0].glwe_noise -= 1;
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_refused(circuit_read(&r, &back), "below 128-bit security");
    assert_null(back);
    writer_clear(&w);
    circuit_destroy(c);
}

/* The keys that answers are packed and sent under are held to the curve like any other: less noise, or fewer dimensions
 * with the noise of more, are refused; more are read. */
static void test_insecure_answers(void **state)
{
    (void)state;
    circuit *c = small_circuit();
    tfhe_answers *a = &c->choice.families.answers;
    const tfhe_answers secure = *a;
    assert_true(a->bits > 0 && a->noise > 0 && a->sent_k > 0 && a->sent_noise > 0);
    const struct {
        uint32_t *k, *noise;
        const char *what;
    } of[] = {{&a->k, &a->noise, ": answers' dimension"}, {&a->sent_k, &a->sent_noise, ": sent answers' dimension"}};
    for (size_t i = 0; i < 2; i++) {
        --*of[i].noise;
        refused_as(c, of[i].what);
        refused_as(c, "below 128-bit security");
        *of[i].noise = 0;
        refused_as(c, "below 128-bit security");
        *a = secure;
        for (*of[i].k -= 128 / a->N; *of[i].k * a->N >= 450; *of[i].k /= 2) refused_as(c, "below 128-bit security");
        for (; *of[i].k > 0; *of[i].k /= 2) refused_as(c, "not secure");
        *a = secure;
        ++*of[i].noise;
        circuit_destroy(reread(c));
        *a = secure;
        ++*of[i].k;
        circuit_destroy(reread(c));
        *a = secure;
    }
    c->level = SECURITY_132;
    c->choice.families.of[0].lwe_noise += 2, c->choice.families.of[0].glwe_noise += 2;
    refused_as(c, "answers' dimension");
    refused_as(c, "below 132-bit security");
    circuit_destroy(c);
}

/* Writes the circuit with this encoding of layer 0 and expects it refused with the text, or read if that is NULL. */
static void read_as(circuit *c, uint32_t EF, uint32_t price, const char *text)
{
    circuit *back = NULL;
    writer w;
    c->layers[0].EF = EF;
    c->layers[0].price = price;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    if (text != NULL) {
        assert_refused(circuit_read(&r, &back), text);
        assert_null(back);
    } else {
        assert_ok(circuit_read(&r, &back));
        assert_int_equal(back->layers[0].EF, EF);
        assert_int_equal(back->layers[0].price, price);
        assert_int_equal(back->choice.layers[0].price, price);
    }
    circuit_destroy(back);
    writer_clear(&w);
}

static void test_extension(void **state)
{
    (void)state;
    const char *const refused = "the encoding of layer layer 1 is out of range";
    circuit *c = small_circuit();
    c->choice.families.of[0].pbs_group = 2;
    read_as(c, 1, 0, NULL);
    read_as(c, 2, 0, "layer layer 1 is extended, with 2 key bits a step");
    c->choice.families.of[0].pbs_group = 4;
    read_as(c, 1, 0, "parameter pbs_group = 4");
    c->choice.families.of[0].pbs_group = 1;
    read_as(c, 1, 0, NULL);
    read_as(c, 2, 0, NULL);
    read_as(c, 32, 31, NULL);
    read_as(c, 1, 1, refused);
    read_as(c, 2, 32, refused);
    read_as(c, 4, UINT32_MAX, refused);
    read_as(c, 3, 0, refused);
    read_as(c, 64, 0, refused);
    read_as(c, 0, 0, refused);
    c->layers[0].EF = 1;
    c->layers[0].price = 0;
    c->layers[1].price = 1;
    read_as(c, 1, 0, "the encoding of output layer");
    circuit_destroy(c);
}

static int is_chain(const circuit *c)
{
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].sources_count != 1 || c->layers[i].sources[0] != i) return 0;
    return 1;
}

/* A circuit with branches: the first random network that has some. */
static circuit *branched(void)
{
    for (uint64_t seed = 1;; seed++) {
        uint64_t state = seed;
        circuit *c = NULL;
        lower_options o;
        network *n = random_graph(&state);
        float *x = random_inputs(&state, 40, n->inputs);
        lower_options_init(&o);
        o.rounding_bits = 3, o.log2_error = -7, o.ranges_measured = 0;
        assert_ok(network_lower(n, x, 40, &o, &c));
        free(x);
        network_destroy(n);
        int shared = 0;
        for (size_t i = 0; i < c->layers_count; i++) shared |= circuit_first_use(c, i) != circuit_last_use(c, i);
        if (shared && !is_chain(c) && c->layers_count > 3) return c;
        circuit_destroy(c);
    }
}

static void test_branches(void **state)
{
    (void)state;
    circuit *c = branched(), *back = reread(c);
    assert_memory_equal(c->digest, back->digest, 32);
    circuit_destroy(back);
    size_t shared = 0; /* a source that several layers take */
    while (circuit_first_use(c, shared) == circuit_last_use(c, shared)) shared++;
    circuit_layer *l = &c->layers[circuit_last_use(c, shared)], *first = &c->layers[0];
    const uint32_t source = l->sources[0], table = first->table_of[0], input = first->linear.blocks[0].from[0];
    l->step *= 2, l->period *= 2;
    refused_as(c, "take the same values in different units");
    l->step /= 2, l->period /= 2;
    l->sources[0] = (uint32_t)c->layers_count;
    refused_as(c, "is behind it or a second time");
    l->sources[0] = source, l->sources_count += 40;
    refused_as(c, "sources");
    l->sources_count -= 40;
    first->table_of[0] = (uint32_t)first->tables;
    refused_as(c, "neuron 1 of layer layer 1 has table");
    first->table_of[0] = table, first->linear.blocks[0].from[0] = (uint32_t)first->in;
    refused_as(c, "takes an input or gives an output that there is not");
    first->linear.blocks[0].from[0] = input;
    circuit_destroy(c);
}

static void put_u32s(uint8_t *at, const uint32_t *v, size_t n)
{
    for (size_t i = 0; i < 4 * n; i++) at[i] = (uint8_t)(v[i / 4] >> 8 * (i % 4));
}

/* Dimensions come back, those that fit; of others in a file it is refused. */
static void test_shapes(void **state)
{
    (void)state;
    static const uint32_t bad[][3] = {{1, 2, 2}, {6, 0, 1}, {0, 6, 1}, {65537, 1, 1}, {UINT32_MAX, UINT32_MAX, 6}};
    uint8_t pattern[24];
    circuit *c = small_circuit(), *back = NULL;
    const linear_shape first = {{1, 2, 3}, {5, 7, 0}};
    c->layers[0].shape = first;
    c->layers[1].shape = (linear_shape){{2, 2, 1}, {3, 0, 0}}; /* it takes 5 values */
    back = reread(c);
    assert_memory_equal(&back->layers[0].shape, &first, sizeof first);
    assert_true(back->layers[1].shape.in[0] == 0 && back->layers[1].shape.in[1] == 0);
    assert_int_equal(back->layers[1].shape.out[0], 3);
    circuit_destroy(back);
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    put_u32s(pattern, first.in, 6);
    uint8_t *at = w.p;
    while (at + sizeof pattern <= w.p + w.len && memcmp(at, pattern, sizeof pattern) != 0) at++;
    assert_true(at + sizeof pattern <= w.p + w.len);
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
        back = NULL;
        put_u32s(at, first.in, 6);
        put_u32s(at + i % 2 * 12, bad[i / 2], 3);
        assert_refused(circuit_read(&r, &back), "layer layer 1 has dimensions ");
        assert_null(back);
    }
    writer_clear(&w);
    circuit_destroy(c);
}

/* The program of a convolution of one dimension, whole. */
static void test_text(void **state)
{
    (void)state;
    static const char want[] = "input = 4 integers in [0, 3], 0.5 each\n"
                               "layer 1 = linear(input)  # 1x4 -> 1x5 (4) sums, conv 3\n"
                               "  matrix 1: 1 x 3 at 4 places\n"
                               "    row 1: 1 -1 0\n"
                               "    place 1: - 0 1 -> 0\n"
                               "    place 2: 0..2 -> 1\n"
                               "    place 3: 1..3 -> 2\n"
                               "    place 4: 2 3 - -> 3\n"
                               "layer 1 = look-up(layer 1)  # relu, 1 table of 7 cells, step 1\n"
                               "  table 1: 0*4 2 3 3\n"
                               "  neurons 0..3: table 1, offset 3, sums in [-3, 3], proven [-3, 3]\n"
                               "output = linear(layer 1)  # 4 -> 1 sums, dense\n"
                               "  matrix 1: 1 x 4 at 1 place\n"
                               "    row 1: 1*4\n"
                               "    place 1: 0..3 -> 0\n";
    const gather_windows g = {
        .channels = 1, .size = {1, 4}, .kernel = {1, 3}, .stride = {1, 1}, .dilation = {1, 1}, .pad = {0, 1, 0, 1}};
    network *n = NULL;
    circuit_linear l = {0};
    circuit *c = NULL;
    lower_options o;
    assert_ok(network_create(4, 2, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    assert_ok(gather_convolution(&g, (int32_t[]){1, -1, 0}, 1, 1, &l));
    assert_ok(gathered_layer_create(4, 4, &l, &n->layers[0]));
    assert_ok(dense_layer_create(4, 1, &n->layers[1]));
    (void)snprintf(n->layers[0].op, sizeof n->layers[0].op, "conv 3");
    n->layers[0].shape = (linear_shape){{1, 4}, {1, 5}};
    n->layers[0].act = ACTIVATION_RELU, n->layers[0].out_q = (quantizer){.scale = 0.25, .bits = 2};
    for (size_t i = 0; i < 4; i++) n->layers[0].w_scale[i] = 1, n->layers[1].W[i] = 1;
    n->layers[1].w_scale[0] = 1, n->layers[1].weight_bits = 2;
    assert_ok(network_set_labels(n, NULL, 1));
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 0, o.log2_error = -7, o.tables_whole = 1;
    assert_ok(network_lower(n, NULL, 0, &o, &c));
    char *text = printed(c);
    text[sizeof want - 1] = 0;
    assert_string_equal(text, want);
    free(text);
    circuit_destroy(c);
    network_destroy(n);
}

static void test_quantize(void **state)
{
    (void)state;
    circuit *c = small_circuit();
    float x[6] = {0, 0.5f, 1, 1.75f, 1.8f, 0.3f};
    int32_t q[6];
    assert_ok(circuit_quantize(c, x, 0, q));
    const int32_t want[6] = {0, 2, 4, 7, 7, 1};
    assert_memory_equal(q, want, sizeof want);
    x[2] = 9;
    assert_refused(circuit_quantize(c, x, 0, q), "feature 3 is 9, outside the range 0 to 1.75");
    assert_ok(circuit_quantize(c, x, 1, q));
    assert_int_equal(q[2], 7);
    x[5] = NAN;
    assert_refused(circuit_quantize(c, x, 1, q), "feature 6 is not a finite number");
    circuit_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_insecure_parameters),
                                       cmocka_unit_test(test_insecure_answers),
                                       cmocka_unit_test(test_extension),
                                       cmocka_unit_test(test_quantize),
                                       cmocka_unit_test(test_global_answers),
                                       cmocka_unit_test(test_errors_round_trip),
                                       cmocka_unit_test(test_tasks),
                                       cmocka_unit_test(test_no_weights),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_levels),
                                       cmocka_unit_test(test_branches),
                                       cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
