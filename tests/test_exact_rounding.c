/* SPDX-License-Identifier: Apache-2.0 */
/* docs/rounding.md, "Exact rounding": every accumulator of layers whose sums take all values, clear, simulated and
 * encrypted. Toy keys have noise below 2^-60 a look-up; with keys of the day look-ups fail with probability below
 * 2^-40, and there are fewer than 2^12. */
#include "families_fixture.h"
#include "random_networks.h"

#include "circuit/audit.h"
#include "circuit/latency.h"
#include "nn/auto_rounding.h"

#define NEURONS 4u
#define OUTPUTS 3u

/* Inputs in [0, 7], of which the last ones reach every sum of the first neuron: the weights are 1, 8, 64, then 127. */
static network *counting_network(uint64_t *seed, size_t inputs, activation act)
{
    static const int32_t digits[] = {1, 8, 64, 127, 127};
    const size_t widths[] = {inputs, NEURONS, OUTPUTS};
    network *n = random_network(seed, widths, 2, act, 8);
    dense_layer *d = &n->layers[0];
    for (size_t o = 0; o < NEURONS; o++)
        for (size_t i = 0; i < inputs; i++) {
            const size_t from = o < 2 ? i : (i + o) % inputs;
            const int32_t sign = o == 0 || (i + o) % 2 == 0 ? 1 : -1;
            d->W[o * inputs + i] = sign * digits[from];
        }
    for (size_t o = 0; o < NEURONS; o++) d->w_scale[o] /= 60;
    n->layers[1].weight_bits = 4;
    for (size_t i = 0; i < OUTPUTS * NEURONS; i++) n->layers[1].W[i] /= 16;
    assert_ok(network_check(n));
    return n;
}

/* All inputs there are, (8^inputs, inputs); narrow: of the middle ones alone. */
static float *all_inputs(size_t inputs, int narrow, size_t *count)
{
    *count = (size_t)1 << 3 * inputs;
    float *x = malloc(*count * inputs * sizeof *x);
    for (size_t s = 0; s < *count; s++)
        for (size_t i = 0; i < inputs; i++) {
            const size_t digit = s >> 3 * i & 7;
            x[s * inputs + i] = 0.25f * (float)(narrow ? 2 + digit / 2 : digit);
        }
    return x;
}

static circuit *lower_exactly(const network *n, const float *x, size_t count, unsigned bits, int measured,
                              double log2_error)
{
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = bits, o.method = ROUNDING_EXACT, o.ranges_measured = measured, o.log2_error = log2_error;
    o.families_most = 1, o.tables_whole = 1;
    assert_ok(network_lower(n, x, count, &o, &c));
    return c;
}

/* The layer that reads the table: the one before the scores. */
static const circuit_layer *table_layer(const circuit *c)
{
    return &c->layers[c->layers_count - 2];
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

typedef struct seen {
    size_t lowest, highest, below, above; /* sums at the lower and upper end of a cell, beyond either end */
} seen;

/* The cell's entry, or beyond the ends what goes on antiperiodically, by the page alone. */
static int64_t rounded(const network *n, const circuit_layer *l, size_t o, int64_t acc, seen *s)
{
    const dense_layer *d = &n->layers[0];
    const int64_t offset = l->offset[o] - l->step / 2, cell = floor_div(acc + offset, l->step), cells = l->cells;
    const int64_t wrapped = cell - 2 * cells * floor_div(cell, 2 * cells), from = wrapped % cells;
    int64_t entry[3];
    const int64_t at[] = {from, 0, cells - 1};
    for (size_t k = 0; k < 3; k++) {
        const double middle = (double)(at[k] * l->step - offset) + (double)(l->step - 1) / 2;
        entry[k] = quantizer_integer(&d->out_q,
                                     activation_apply(d->act, d->rise, l->real_scale[o] * middle + l->real_bias[o]));
    }
    s->lowest += acc + offset == cell * l->step, s->highest += acc + offset == (cell + 1) * l->step - 1;
    s->below += cell < 0, s->above += cell >= cells;
    return wrapped < cells ? entry[0] : entry[1] + entry[2] - entry[0];
}

/* Scores of integer inputs q (inputs) by the page. */
static void by_the_page(const network *n, const circuit *c, const int32_t *q, double *out, seen *s)
{
    const circuit_layer *l = table_layer(c);
    memset(out, 0, OUTPUTS * sizeof *out);
    for (size_t o = 0; o < NEURONS; o++) {
        int64_t acc = 0;
        for (size_t i = 0; i < n->inputs; i++) acc += n->layers[0].W[o * n->inputs + i] * q[i];
        const int64_t y = rounded(n, l, o, acc, s);
        for (size_t k = 0; k < OUTPUTS; k++) out[k] += (double)(n->layers[1].W[k * NEURONS + o] * y);
    }
}

/* As few units a cell, a power of two, as the width allows, and as few cells; a layer for each bit that goes. */
static void check_layers(const circuit *c, unsigned bits)
{
    const circuit_layer *l = table_layer(c);
    int64_t span = 1;
    for (size_t o = 0; o < l->out; o++)
        if (l->hi[o] - l->lo[o] + l->step > span) span = l->hi[o] - l->lo[o] + l->step; /* whole cells */
    assert_true(l->step == INT64_C(1) << l->low_bits && l->cells <= 1u << bits);
    assert_true(l->cells * l->step >= span && (l->step == 1 || (l->step / 2) << bits < span));
    assert_int_equal(c->layers_count, l->low_bits + 2);
    for (uint32_t k = 0; k < l->low_bits; k++) {
        char name[32];
        (void)snprintf(name, sizeof name, "layer 1 b%u", k);
        assert_string_equal(c->layers[k].name, name);
        assert_true(circuit_is_bit(&c->layers[k]) && !circuit_is_wave(&c->layers[k]));
        assert_int_equal(c->layers[k].in, c->input.features + k * NEURONS);
        assert_int_equal(c->layers[k].mid2, 1 << k);
    }
}

/* Sums of all the range, every width: as the page says, in clear runs. */
static void test_clear(void **state)
{
    (void)state;
    enum { INPUTS = 5 };
    uint64_t seed = 31;
    size_t count, rounded_widths = 0, beyond = 0;
    float *whole = all_inputs(INPUTS, 0, &count), *narrow = all_inputs(INPUTS, 1, &count);
    double *clear = malloc(count * OUTPUTS * sizeof *clear), want[OUTPUTS];
    for (unsigned bits = 1; bits <= 12; bits++) {
        network *n = counting_network(&seed, INPUTS, bits % 2 ? ACTIVATION_TANH : ACTIVATION_RELU);
        const int measured = bits % 3 != 0;
        circuit *c = lower_exactly(n, measured ? narrow : whole, count, bits, measured, -1);
        int32_t *q = quantize_all(c, whole, count);
        const size_t some = count / 5; /* 5 is prime to the inputs' 8 */
        seen s = {0};
        exec_stats stats = {0};
        check_layers(c, bits);
        for (size_t i = 0; i < some; i++) memmove(q + i * INPUTS, q + 5 * i * INPUTS, INPUTS * sizeof *q);
        assert_ok(exec_clear(c, q, some, 0, clear, &stats));
        for (size_t i = 0; i < some; i++) {
            by_the_page(n, c, q + i * INPUTS, want, &s);
            for (size_t k = 0; k < OUTPUTS; k++) assert_true(clear[i * OUTPUTS + k] == want[k]);
        }
        const size_t at = table_layer(c)->low_bits;
        assert_true(s.lowest > 20 && s.highest > 20);
        assert_int_equal(stats.saturated[at] + stats.wrapped[at], s.below + s.above);
        for (size_t k = 0; k < at; k++) assert_int_equal(stats.out_of_range[k], 0);
        rounded_widths += at > 0, beyond += s.below > 20 && s.above > 20;
        free(q);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_int_equal(rounded_widths, 10); /* 12 bits hold all, 11 the middle ones */
    assert_true(beyond >= 4);
    free(whole), free(narrow), free(clear);
}

/* Whether the first sum of a sample is next to a border of its cells. */
static int at_border(const circuit *c, const network *n, const int32_t *q)
{
    const circuit_layer *l = table_layer(c);
    int64_t acc = l->offset[0] - l->step / 2;
    for (size_t k = 0; k < n->inputs; k++) acc += n->layers[0].W[k] * q[k];
    const int64_t from = acc - floor_div(acc, l->step) * l->step;
    return from == 0 || from == l->step - 1;
}

/* The first and the last of these samples, at most `most`, and the very first and last; q becomes theirs. */
static size_t border_samples(const circuit *c, const network *n, int32_t *q, size_t count, size_t most)
{
    size_t all = 0, met = 0, taken = 0;
    for (size_t i = 0; i < count; i++) all += at_border(c, n, q + i * n->inputs) != 0;
    for (size_t i = 0; i < count; i++) {
        const int border = at_border(c, n, q + i * n->inputs);
        const int end = i == 0 || i + 1 == count, wanted = border && (met < most / 2 - 1 || met + most / 2 > all);
        met += border != 0;
        if (end || wanted) memmove(q + taken++ * n->inputs, q + i * n->inputs, n->inputs * sizeof *q);
    }
    return taken;
}

/* At each border, and at the ends of the range and beyond: encrypted and simulated runs are the clear one. */
static void test_encrypted(void **state)
{
    (void)state;
    enum { INPUTS = 4, MOST = 12 };
    uint64_t seed = 32;
    size_t count;
    float *whole = all_inputs(INPUTS, 0, &count), *narrow = all_inputs(INPUTS, 1, &count);
    double clear[(MOST + 2) * OUTPUTS], other[(MOST + 2) * OUTPUTS];
    seen s = {0};
    size_t all = 0;
    for (unsigned bits = 1; bits <= 9; bits += 2) {
        network *n = counting_network(&seed, INPUTS, ACTIVATION_TANH);
        circuit *c = lower_exactly(n, bits % 4 == 1 ? narrow : whole, count, bits, 1, -1);
        const seed256 noise = {{5}};
        exec_stats stats = {0};
        toy_parameters_of(c, 4096);
        int32_t *q = quantize_all(c, whole, count);
        const size_t samples = border_samples(c, n, q, count, MOST);
        all += samples;
        assert_ok(exec_clear(c, q, samples, 1, clear, NULL));
        assert_ok(exec_simulate(c, q, samples, &noise, 1, other, &stats));
        assert_true(stats.samples_erred == 0 && stats.samples_failed == 0);
        for (size_t i = 0; i < samples * OUTPUTS; i++) assert_true(rint(other[i]) == clear[i]);
        toy_encrypted(c, q, samples, other);
        for (size_t i = 0; i < samples; i++) {
            double want[OUTPUTS];
            by_the_page(n, c, q + i * INPUTS, want, &s);
            for (size_t k = 0; k < OUTPUTS; k++)
                assert_true(rint(other[i * OUTPUTS + k]) == want[k] && clear[i * OUTPUTS + k] == want[k]);
        }
        free(q);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_true(all > 40 && s.lowest > 20 && s.highest > 20 && s.below > 5 && s.above > 5);
    free(whole), free(narrow);
}

typedef struct phases {
    const circuit *c;
    const network *n;
    const int32_t *q;
    const secret_key_set *secret;
    size_t seen;
} phases;

/* Of bits a quarter of the torus, or three; of the table the middle of the cell, beyond its ends, too. */
static annulus_status see_phases(void *context, size_t layer, const uint64_t *sums, unsigned threads)
{
    phases *p = context;
    (void)threads;
    const circuit_layer *l = &p->c->layers[layer], *table = table_layer(p->c);
    const secret_key *key = p->secret->of[circuit_source(p->c, layer)];
    for (size_t o = 0; l->cells != 0 && o < l->out; o++) {
        int64_t acc = table->offset[o] - table->step / 2;
        for (size_t i = 0; i < p->n->inputs; i++) acc += p->n->layers[0].W[o * p->n->inputs + i] * p->q[i];
        const int64_t bit = floor_div(acc, INT64_C(1) << layer) & 1, cell = floor_div(acc, table->step);
        const double want = l == table ? ((double)cell + 0.5) / (2.0 * l->cells) : 0.25 + 0.5 * (double)bit;
        const double phase = torus_to_double(lwe_phase(key, sums + o * lwe_words(&key->params))) - want;
        assert_true(fabs(phase - rint(phase)) < 0.02 / l->cells);
        p->seen++;
    }
    return ANNULUS_OK;
}

static void test_phases(void **state)
{
    (void)state;
    enum { INPUTS = 3 };
    uint64_t seed = 38;
    size_t count;
    float *whole = all_inputs(INPUTS, 0, &count), *narrow = all_inputs(INPUTS, 1, &count);
    for (unsigned bits = 2; bits <= 7; bits++) {
        network *n = counting_network(&seed, INPUTS, ACTIVATION_TANH);
        circuit *c = lower_exactly(n, narrow, count, bits, 1, -1);
        toy_parameters_of(c, 4096);
        int32_t *q = quantize_all(c, whole, count);
        roles r;
        roles_create(&r, c);
        uint64_t *out = malloc(circuit_last(c)->out * lwe_words(circuit_outputs(c)) * sizeof *out);
        phases p = {.c = c, .n = n, .secret = r.secret};
        const exec_tap tap = {.sums = see_phases, .context = &p};
        for (size_t i = 0; i < count; i += 101) {
            uint64_t message[INPUTS], body[INPUTS];
            const seed256 masks = {{(uint8_t)i}};
            const exec_inputs in = {.mask_seed = &masks, .body = body};
            p.q = q + i * INPUTS;
            exec_encode(c, p.q, message);
            assert_ok(packed_encrypt_seeded(r.secret->of[0], &masks, message, INPUTS, body));
            assert_ok(exec_encrypted(r.plan, r.eval, r.memory, &in, 1, out, 1, &tap, NULL));
        }
        assert_int_equal(p.seen, (count + 100) / 101 * NEURONS * (table_layer(c)->low_bits + 1));
        free(out), free(q);
        roles_destroy(&r);
        circuit_destroy(c);
        network_destroy(n);
    }
    free(whole), free(narrow);
}

/* Bits behind one that was read wrong lie near the border of their cells: as many are wrong as that lets expect, within
 * five deviations (false alarm 6e-7 a layer), where sums have no noise in common to speak of. */
static void test_wrong_bits(void **state)
{
    (void)state;
    uint64_t seed = 33;
    size_t count;
    float *x = all_inputs(3, 0, &count);
    network *n = counting_network(&seed, 3, ACTIVATION_RELU);
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 4, o.method = ROUNDING_EXACT, o.log2_error = log2(0.2);
    assert_ok(network_lower(n, x, count, &o, &c));
    int32_t *q = quantize_all(c, x, count);
    double *out = malloc(count * OUTPUTS * sizeof *out);
    double expected[CIRCUIT_MAX_LAYERS] = {0}, wrong[CIRCUIT_MAX_LAYERS] = {0};
    for (uint8_t k = 0; k < 8; k++) {
        const seed256 noise = {{k}};
        exec_stats stats = {0};
        assert_ok(exec_simulate(c, q, count, &noise, 1, out, &stats));
        for (size_t i = 0; i + 1 < c->layers_count; i++)
            expected[i] += stats.errors_expected[i], wrong[i] += (double)stats.index_errors[i];
    }
    assert_true(table_layer(c)->low_bits > 2);
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        assert_true(expected[i] > 1000 && fabs(wrong[i] - expected[i]) < 5 * sqrt(expected[i]));
    free(out), free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Parameters of the day: answers are the clear ones at the borders; the audit accepts their noise (false alarm 1e-6),
 * and rejects that of bit 0's values being an eighth of what it is. Predicted seconds and failures are of all layers.
 */
static void test_keys_of_the_day(void **state)
{
    (void)state;
    enum { INPUTS = 3, MOST = 4 };
    uint64_t seed = 33;
    size_t count;
    float *x = all_inputs(INPUTS, 0, &count);
    network *n = counting_network(&seed, INPUTS, ACTIVATION_RELU);
    circuit *c = lower_exactly(n, x, count, 4, 1, -40);
    int32_t *q = quantize_all(c, x, count);
    double clear[(MOST + 2) * OUTPUTS], other[(MOST + 2) * OUTPUTS], *all = malloc(2 * count * OUTPUTS * sizeof *all);
    double seconds[CIRCUIT_MAX_LAYERS], sum = 0;
    const seed256 noise = {{6}};
    exec_stats stats = {0};
    assert_ok(exec_clear(c, q, count, 1, all, NULL));
    assert_ok(exec_simulate(c, q, count, &noise, 1, all + count * OUTPUTS, &stats));
    assert_true(stats.samples_erred == 0 && stats.samples_failed == 0);
    for (size_t i = 0; i < count * OUTPUTS; i++) /* scores have 6 bits of their range */
        assert_true(fabs(all[i] - all[count * OUTPUTS + i]) < (double)circuit_last(c)->period / 64);
    for (size_t i = 0; i + 1 < c->layers_count; i++) assert_true(c->choice.layers[i].log2_failure <= -40);
    assert_true(table_layer(c)->low_bits >= 4);
    assert_true(circuit_seconds(c, 1, seconds) > 0);
    for (size_t i = 0; i < c->layers_count; i++) sum += c->choice.layers[i].seconds;
    assert_true(fabs(sum / c->choice.seconds - 1) < 1e-9);

    const size_t samples = border_samples(c, n, q, count, MOST);
    roles r;
    roles_create(&r, c);
    assert_ok(exec_clear(c, q, samples, 1, clear, NULL));
    for (size_t i = 0; i < samples; i++) run_encrypted(&r, c, q + i * INPUTS, other + i * OUTPUTS);
    for (size_t i = 0; i < samples * OUTPUTS; i++)
        assert_true(fabs(other[i] - clear[i]) < (double)circuit_last(c)->period / 64);
    audit_model model;
    audit_model_init(c, &model);
    for (int wrong = 0; wrong < 2; wrong++) {
        double values[3 * (MOST + 2) * OUTPUTS];
        audit *a = NULL;
        if (wrong) model.look_up[0] /= 64;
        assert_ok(audit_create(c, &model, r.eval, r.secret, q, samples, &noise, 0, NULL, values,
                               values + samples * OUTPUTS, values + 2 * samples * OUTPUTS, &a));
        assert_int_equal(a->rejected != 0, wrong);
        for (size_t i = 0; i + 1 < c->layers_count; i++)
            assert_int_equal(a->encrypted.layers[i].errors.look_ups, samples * c->layers[i].out);
        audit_destroy(a);
    }
    roles_destroy(&r);
    free(all), free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Values that one layer takes are of one family: the inputs and the bits of layer 1, its table and the bits of layer 2,
 * and the table of layer 2. */
static void test_links(void **state)
{
    (void)state;
    uint64_t seed = 36;
    static const size_t widths[] = {6, 4, 4, 2};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 5);
    float *x = random_inputs(&seed, 64, 6);
    layer_link links[CIRCUIT_MAX_LAYERS];
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = 4, o.method = ROUNDING_EXACT, o.families_most = 1, o.log2_error = -7;
    assert_ok(network_lower(n, x, 64, &o, &c));
    circuit_links(c, links);
    uint32_t group = 0;
    size_t tables = 0;
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        const int bit = circuit_is_bit(&c->layers[i]);
        assert_int_equal(links[i].from, group);
        assert_int_equal(links[i].into, bit ? group : group + 1);
        group += !bit, tables += !bit;
    }
    assert_true(tables == 2 && c->layers_count > 6);
    assert_true(links[c->layers_count - 1].from == 2 && links[c->layers_count - 1].into == 2);

    circuit_layer *l = &c->layers[c->layers_count - 1]; /* scores of both tables, which are then of one */
    size_t first = 0;
    while (circuit_is_bit(&c->layers[first])) first++;
    l->sources[l->sources_count++] = (uint32_t)first + 1;
    circuit_links(c, links);
    for (size_t i = 0; i < c->layers_count; i++) assert_int_equal(links[i].into, i >= first);
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Bits in one family, tables in the other, as the search may choose: through a file, and encrypted. */
static void test_families(void **state)
{
    (void)state;
    enum { INPUTS = 3, MOST = 3 };
    uint64_t seed = 37;
    size_t count;
    float *x = all_inputs(INPUTS, 0, &count);
    network *n = counting_network(&seed, INPUTS, ACTIVATION_TANH);
    circuit *c = lower_exactly(n, x, count, 4, 1, -20);
    int32_t *q = quantize_all(c, x, count);
    double clear[(MOST + 2) * OUTPUTS], other[OUTPUTS];
    layer_link links[CIRCUIT_MAX_LAYERS];
    roles r;
    circuit_links(c, links);
    c->choice.families = two_families();
    c->choice.families.into[0].l = c->choice.families.into[0].b = 0; /* nothing leads back */
    for (size_t i = 0; i < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        l->family = links[i].into;
        l->EF = circuit_is_bit(l) ? 1 : l->cells == 0 ? 0 : 2;
        l->price = 0;
    }
    assert_ok(circuit_digest(c));
    c = graph_reread(c);
    assert_true(c->layers[0].family == 0 && table_layer(c)->family == 1 && circuit_last(c)->family == 1);
    for (size_t i = 0; i + 1 < c->layers_count; i++) assert_true(c->choice.layers[i].log2_failure < -40);
    const size_t samples = border_samples(c, n, q, count, MOST);
    assert_ok(exec_clear(c, q, samples, 1, clear, NULL));
    roles_create(&r, c);
    for (size_t i = 0; i < samples; i++) {
        run_encrypted(&r, c, q + i * INPUTS, other);
        for (size_t k = 0; k < OUTPUTS; k++)
            assert_true(fabs(other[k] - clear[i * OUTPUTS + k]) < (double)circuit_last(c)->period / 64);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* What files say of it is checked. */
static void test_file(void **state)
{
    (void)state;
    uint64_t seed = 34;
    size_t count;
    float *x = all_inputs(3, 0, &count);
    network *n = counting_network(&seed, 3, ACTIVATION_RELU);
    circuit *c = graph_reread(lower_exactly(n, x, count, 4, 1, -10));
    circuit_layer *l = &c->layers[c->layers_count - 2];
    const uint32_t bits = l->low_bits;
    assert_true(bits >= 4);
    l->low_bits--;
    refused_as(c, "the encoding of layer layer 1 is out of range");
    l->low_bits = bits;
    c->layers[1].mid2 = 4;
    refused_as(c, "layer layer 1 has 5 low bits that no layers take off");
    c->layers[1].mid2 = 2;
    c->layers[1].noise = 0.01;
    refused_as(c, "the encoding of layer layer 1 b1 is out of range");
    c->layers[1].noise = 0;
    c->layers[1].unit += 2;
    refused_as(c, "take the same values in different units");
    c->layers[1].unit -= 2;
    c->layers[0].low_bits = 1;
    refused_as(c, "the encoding of layer layer 1 b0 is out of range");
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Layers by themselves, and what is refused; scores for others to see. */
static void test_options(void **state)
{
    (void)state;
    uint64_t seed = 35;
    static const size_t widths[] = {12, 6, 6, 3};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 4);
    float *x = random_inputs(&seed, 64, 12);
    const layer_rounding own[] = {{"layer 1", 4, ROUNDING_EXACT}, {"layer 2", 3, ROUNDING_UNSAID}};
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.layer_roundings = own, o.layer_roundings_count = 2, o.families_most = 1, o.log2_error = -7;
    assert_ok(network_lower(n, x, 64, &o, &c));
    const circuit_layer *first = &c->layers[c->layers_count - 3], *second = &c->layers[c->layers_count - 2];
    assert_true(first->low_bits > 0 && second->low_bits == 0 && second->step > 1);
    assert_string_equal(first->name, "layer 1");
    assert_string_equal(second->name, "layer 2");
    assert_int_equal(circuit_shared_output(c), 0);
    circuit_destroy(c);
    c = NULL;
    o.shared_output = 1, o.log2_error = -128, o.method = ROUNDING_APPROXIMATE;
    assert_refused(network_lower(n, x, 64, &o, &c), "round exactly, or to 0, none");
    o.method = ROUNDING_UNSAID; /* then exact */
    assert_ok(network_lower(n, x, 64, &o, &c));
    assert_true(circuit_shared_output(c) && c->layers[c->layers_count - 2].low_bits > 0);
    circuit_destroy(c);
    c = NULL;
    for (size_t i = 0; i < 12 * 6; i++) n->layers[0].W[i] = 1000 * n->layers[0].W[i] + (int32_t)(i % 3);
    n->layers[0].weight_bits = 16;
    o.shared_output = 0, o.log2_error = -7;
    assert_refused(network_lower(n, x, 64, &o, &c), "layer 1: exact rounding of accumulators of ");
    assert_null(c);
    free(x);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),           cmocka_unit_test(test_encrypted),  cmocka_unit_test(test_phases),
        cmocka_unit_test(test_keys_of_the_day), cmocka_unit_test(test_wrong_bits), cmocka_unit_test(test_links),
        cmocka_unit_test(test_families),        cmocka_unit_test(test_file),       cmocka_unit_test(test_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
