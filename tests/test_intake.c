/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs taken as they are packed, and one by one: the same words in every layer, and which of the two a layer does. */
#include "random_networks.h"

#include "circuit/intake.h"
#include "optimizer/noise.h"
#include "optimizer/cost.h"

#define TOGETHER 2u

/* Products cost nothing, or much more than inputs one by one: all layers that take inputs have products, or none. */
static void take(circuit *c, int packed)
{
    cost_model m = cost_model_shipped;
    m.fft = packed ? 1e-12 : 1e6, m.expand = packed ? 1e6 : 0, m.multiply = m.linear = m.output = 0;
    cost_model_use(&m);
    assert_ok(intake_set(c));
    cost_model_use(NULL);
    assert_int_equal(c->inputs_packed, packed);
    for (size_t i = 0; i < c->layers_count; i++) {
        int takes = 0;
        for (size_t k = 0; k < c->layers[i].sources_count; k++) takes |= c->layers[i].sources[k] == 0;
        assert_int_equal(c->layers[i].packed.groups > 0, packed && takes);
    }
}

/* The ciphertexts of a run: those of the sums of all layers, of the answers, and of the values that layer `next` takes
 * and those behind it. */
typedef struct seen {
    uint64_t *sums, *out, *live;
    size_t count, next;
    const circuit *c;
} seen;

static uint64_t *append(uint64_t *to, size_t *count, const uint64_t *words, size_t more)
{
    to = realloc(to, (*count + more) * sizeof *to);
    assert_non_null(to);
    memcpy(to + *count, words, more * sizeof *to);
    *count += more;
    return to;
}

static annulus_status see_sums(void *context, size_t layer, const uint64_t *sums, unsigned threads)
{
    (void)threads;
    seen *s = context;
    const size_t words = lwe_words(&s->c->choice.families.of[circuit_source(s->c, layer)]);
    s->sums = append(s->sums, &s->count, sums, TOGETHER * s->c->layers[layer].out * words);
    return ANNULUS_OK;
}

static annulus_status see_values(void *context, size_t next, const exec_ciphertexts *live, size_t count)
{
    seen *s = context;
    size_t words = 0;
    if (next != s->next) return ANNULUS_OK;
    for (size_t k = 0; k < count; k++) s->live = append(s->live, &words, live[k].ct, live[k].words);
    assert_int_equal(words, TOGETHER * exec_live_words(s->c, next));
    return ANNULUS_OK;
}

/* From the inputs, and again from layer `next` on, to the same words. */
static seen run(const circuit *c, const roles *r, const exec_inputs *in, size_t next, unsigned threads)
{
    const size_t words = TOGETHER * circuit_last(c)->out * lwe_words(circuit_outputs(c));
    seen s = {.out = calloc(words, 8), .next = next, .c = c};
    uint64_t *again = calloc(words, 8);
    const exec_tap tap = {.sums = see_sums, .values = see_values, .context = &s};
    exec_plan *plan = NULL;
    exec_memory *memory = NULL;
    assert_ok(exec_plan_create(c, &plan));
    assert_ok(exec_memory_create(c, TOGETHER, &memory));
    assert_ok(exec_encrypted(plan, r->eval, memory, in, TOGETHER, s.out, threads, &tap, NULL));
    assert_ok(exec_encrypted_from(plan, r->eval, memory, next, in, s.live, TOGETHER, again, threads, NULL, NULL));
    assert_memory_equal(again, s.out, words * 8);
    exec_plan_destroy(plan);
    exec_memory_destroy(memory);
    free(again);
    return s;
}

static void assert_answers(const circuit *c, const roles *r, const seen *s, const int32_t *q)
{
    const size_t outputs = circuit_last(c)->out, bytes = exec_answer_bytes(c);
    uint8_t *sent = malloc(TOGETHER * bytes);
    uint64_t *phase = malloc(outputs * 8);
    double *clear = malloc(TOGETHER * outputs * sizeof *clear), *got = malloc(outputs * sizeof *got);
    assert_ok(exec_clear(c, q, TOGETHER, 1, clear, NULL));
    assert_ok(exec_pack_answers(c, r->eval, s->out, TOGETHER, 1, sent));
    for (size_t i = 0; i < TOGETHER; i++) {
        assert_ok(exec_answer_phases(c, r->secret, sent + i * bytes, phase));
        exec_decode(c, phase, got);
        for (size_t k = 0; k < outputs; k++) assert_true(rint(got[k]) == clear[i * outputs + k]);
    }
    free(sent), free(phase), free(clear), free(got);
}

/* Layers that have products; of those, that take values as well; and groups of them, and rows. */
typedef struct counts {
    size_t layers, mixed, groups, rows;
} counts;

static void count_layers(const circuit *c, counts *n)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        n->layers += l->packed.groups > 0;
        n->mixed += l->packed.groups > 0 && l->sources_count > 1;
        n->groups += l->packed.groups, n->rows += l->packed.rows;
    }
}

/* Toy keys. Adds to the counts. */
static void compare(circuit *c, const float *x, counts *n)
{
    const size_t features = c->input.features;
    int32_t *q = quantize_all(c, x, TOGETHER);
    uint64_t *message = calloc(features, 8), *body = calloc(TOGETHER * features, 8);
    seed256 masks[TOGETHER];
    exec_inputs in[TOGETHER];
    roles r;
    seen s[2];
    toy_parameters(c);
    take(c, 0);
    roles_create(&r, c);
    for (size_t i = 0; i < TOGETHER; i++) {
        exec_encode(c, q + i * features, message);
        assert_ok(random_seed(&masks[i]));
        in[i] = (exec_inputs){&masks[i], body + i * features};
        assert_ok(packed_encrypt_seeded(r.secret->of[0], &masks[i], message, features, body + i * features));
    }
    for (int packed = 0; packed <= 1; packed++) {
        take(c, packed);
        s[packed] = run(c, &r, in, (c->layers_count + 1) / 2, 1 + (unsigned)packed);
    }
    count_layers(c, n);
    assert_int_equal(s[0].count, s[1].count);
    assert_memory_equal(s[0].sums, s[1].sums, s[0].count * 8);
    assert_answers(c, &r, &s[1], q);
    for (size_t i = 0; i < 2; i++) free(s[i].sums), free(s[i].out), free(s[i].live);
    roles_destroy(&r);
    free(q), free(message), free(body);
}

static circuit *lowered(const network *n, const float *x, size_t count, unsigned rounding_bits)
{
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.ranges_measured = 0, o.log2_error = -1, o.families_most = 1;
    o.rounding_bits = rounding_bits, o.method = ROUNDING_EXACT;
    assert_ok(network_lower(n, x, count, &o, &c));
    return c;
}

/* Convolutions, residual additions, concatenations and exactly rounded layers of which some take inputs and values. */
static void test_random_networks(void **state)
{
    (void)state;
    counts all = {0};
    for (uint64_t s = 1; s <= 24; s++) {
        uint64_t seed = s;
        network *n = random_graph(&seed);
        float *x = random_inputs(&seed, 40, n->inputs);
        circuit *c = lowered(n, x, 40, s % 2 == 0 ? 3 : 0);
        compare(c, x, &all);
        free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_true(all.layers >= 40 && all.mixed >= 15 && all.groups < all.rows / 2);
}

static circuit_linear convolution(graph *g, const gather_windows *w, size_t rows, size_t groups, graph_tensor *shape)
{
    circuit_linear l = {0};
    const size_t count = rows * w->channels / groups * w->kernel[0] * w->kernel[1];
    int32_t *W = malloc(count * sizeof *W);
    graph_weights(g, W, count);
    *shape = (graph_tensor){.c = rows};
    assert_ok(gather_count(w, shape->size));
    assert_ok(gather_convolution(w, W, rows, groups, &l));
    free(W);
    return l;
}

/* Every 61st weight is not 0. */
static circuit_linear sparse(graph *g, size_t out, size_t in)
{
    circuit_linear l = {0};
    int32_t *W = malloc(out * in * sizeof *W);
    graph_weights(g, W, out * in);
    for (size_t i = 0; i < out * in; i++) W[i] = i % 61 == 0 ? W[i] : 0;
    assert_ok(linear_dense(W, out, in, &l));
    free(W);
    return l;
}

/* Inputs of two ciphertexts, the second channel in both of them: convolutions with steps and padding, of all channels
 * and of each, and a layer of inputs and values. */
static void test_convolutions(void **state)
{
    (void)state;
    uint64_t seed = 5;
    graph g = {.seed = &seed, .of = {{.c = 3, .size = {20, 20}}}, .hidden = 3};
    graph_tensor shape;
    assert_ok(network_create(1200, 4, &g.n));
    g.n->input = (quantizer){.scale = 0.5, .bits = 2};
    gather_windows w = {
        .channels = 3, .size = {20, 20}, .kernel = {3, 4}, .stride = {4, 3}, .dilation = {1, 1}, .pad = {2, 1, 2, 1}};
    circuit_linear l = convolution(&g, &w, 2, 1, &shape);
    graph_layer(&g, (const uint32_t[]){0}, 1, &l, shape, 0);
    w.stride[0] = w.stride[1] = 7;
    l = convolution(&g, &w, 3, 3, &shape);
    graph_layer(&g, (const uint32_t[]){0}, 1, &l, shape, 0);
    const size_t in = graph_values(&g.of[2]) + 1200;
    l = sparse(&g, 5, in);
    graph_layer(&g, (const uint32_t[]){2, 0}, 2, &l, (graph_tensor){.c = 5, .size = {1, 1}}, 0);
    l = sparse(&g, 3, graph_values(&g.of[1]) + 5);
    graph_layer(&g, (const uint32_t[]){1, 3}, 2, &l, (graph_tensor){.c = 3, .size = {1, 1}}, 1);
    assert_ok(network_set_labels(g.n, NULL, 3));
    assert_ok(network_check(g.n));
    float *x = random_inputs(&seed, 40, 1200);
    circuit *c = lowered(g.n, x, 40, 0);
    counts n = {0};
    compare(c, x, &n);
    assert_true(n.layers == 3 && n.mixed == 1);
    const packed_size *first = &c->layers[0].packed;
    assert_int_equal(first->ciphertexts, 2);
    assert_true(first->groups < first->rows / 2 && first->groups >= 2 * 9);
    free(x);
    circuit_destroy(c);
    network_destroy(g.n);
}

/* A dense layer on all inputs, whose weights are random, and no two rows alike; of which nothing else is there. */
static void dense(circuit_layer *l, size_t out, size_t in)
{
    uint64_t seed = 6;
    int32_t *W = malloc(out * in * sizeof *W);
    for (size_t i = 0; i < out * in; i++) W[i] = (int32_t)(test_random(&seed) % 901) - 450;
    *l = (circuit_layer){.in = in, .out = out, .sources_count = 1};
    assert_ok(linear_dense(W, out, in, &l->linear));
    free(W);
}

/* Few inputs of many neurons are taken one by one; products that take longer are taken where that is less than what
 * the inputs' expansion takes; weights that are too large never. */
static void test_choice(void **state)
{
    (void)state;
    const tfhe_params p = {.k = 1, .N = 2048};
    const size_t widths[] = {2, 20, 130};
    const int packed[] = {0, 1, 1}, slower[] = {1, 1, 0};
    for (size_t i = 0; i < 3; i++) {
        circuit c;
        circuit_layer l;
        intake of;
        int by_value;
        dense(&l, 40, widths[i]);
        c = (circuit){.input = {.features = l.in}, .layers_count = 1, .layers = &l};
        const packed_size size = {.rows = l.out, .ciphertexts = 1, .groups = l.out, .polys = l.out};
        const double single = intake_linear_weights(&c, 0, 0), products = cost_packed(&p, &size) / cost_weight(&p);
        assert_int_equal(products > single, slower[i]);
        assert_int_equal(products > single + cost_expand_weights() * (double)l.in, !packed[i]);
        assert_ok(intake_choose(&c, &p, &of, &by_value));
        assert_int_equal(by_value, !packed[i]);
        assert_int_equal(of.size.groups, packed[i] ? l.out : 0);
        assert_true(fabs(of.weights / (packed[i] ? products : single) - 1) < 1e-9);
        l.linear.blocks[0].W[0] = 16383;
        assert_ok(intake_choose(&c, &p, &of, &by_value));
        assert_true(by_value && of.size.groups == 0);
        linear_clear(&l.linear);
    }
}

/* Largest variance that bodies of so many bits add to a phase of a layer, over what it has else. */
static double rounding_share(const circuit *c, unsigned bits)
{
    lookup_layer layers[CIRCUIT_MAX_LAYERS];
    double most = 0;
    assert_ok(circuit_lookup_layers(c, layers));
    for (size_t i = 0; i < c->layers_count; i++) {
        const double norm = layers[i].fresh_two_norm * layers[i].fresh_two_norm;
        const double switches = c->layers[i].cells == 0 ? 0 : circuit_switch_noise(c, i);
        if (norm > 0)
            most = fmax(most, norm * noise_rounded(bits) / (norm * noise_fresh(circuit_inputs(c)) + switches));
    }
    return most;
}

/* The fewest bytes with which rounding adds 2^-16 of the variance at most, also of a circuit that is read again. */
static void test_input_bits(void **state)
{
    (void)state;
    size_t few = 0;
    for (uint64_t s = 1; s <= 12; s++) {
        uint64_t seed = s;
        network *n = random_graph(&seed);
        float *x = random_inputs(&seed, 40, n->inputs);
        circuit *c = lowered(n, x, 40, 3), *back = graph_reread(lowered(n, x, 40, 3));
        assert_int_equal(c->input_bits, back->input_bits);
        assert_true(c->input_bits % 8 == 0 && c->input_bits <= 64);
        assert_true(rounding_share(c, c->input_bits) <= 0x1p-16);
        assert_true(rounding_share(c, c->input_bits - 8) > 0x1p-16);
        assert_true(circuit_input_noise(c) == noise_fresh(circuit_inputs(c)) + noise_rounded(c->input_bits));
        few += c->input_bits <= 48;
        free(x);
        circuit_destroy(c);
        circuit_destroy(back);
        network_destroy(n);
    }
    assert_true(few >= 6);
}

/* Products that cost nothing, in so much memory. */
static void test_memory(void **state)
{
    (void)state;
    const tfhe_params p = {.k = 1, .N = 2048}; /* 16 kB a row: 16,384 are a little too many */
    const size_t rows[][2] = {{8000, 8000}, {9000, 8000}, {16384, 8000}};
    cost_model m = cost_model_shipped;
    m.fft = 1e-12, m.multiply = m.linear = 0;
    cost_model_use(&m);
    for (size_t i = 0; i < 3; i++) {
        circuit_layer l[2];
        intake of[2];
        int by_value;
        for (size_t k = 0; k < 2; k++) dense(&l[k], rows[i][k], 3);
        const circuit c = {.input = {.features = 3}, .layers_count = 2, .layers = l};
        assert_ok(intake_choose(&c, &p, of, &by_value));
        assert_int_equal(of[0].size.groups > 0, i < 2);
        assert_int_equal(of[1].size.groups > 0, i != 1);
        assert_int_equal(by_value, i > 0);
        for (size_t k = 0; k < 2; k++) linear_clear(&l[k].linear);
    }
    cost_model_use(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_networks), cmocka_unit_test(test_convolutions),
                                       cmocka_unit_test(test_choice), cmocka_unit_test(test_input_bits),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
