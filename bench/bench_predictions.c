/* SPDX-License-Identifier: Apache-2.0 */
/* bench_predictions [--json FILE] CIRCUIT: predicted and measured seconds of an encrypted inference, on one thread
 * (of its computing) and on all (of the clock), of a circuit file and nine networks of random weights that differ in
 * kind. In each round costs are measured as by `annulus calibrate`, then every circuit: on a shared machine both meet
 * the same neighbours, and in each round another circuit is the first behind the calibration. Prints the largest
 * deviation in percent, of medians over the rounds, the table on stderr, below it the largest deviation of each round.
 * Stops if an answer depends on the number of threads or has nothing to do with the clear one. */
#include "bench.h"
#include "deploy/deploy_priv.h"
#include "nn/lower.h"
#include "table.h"

#define CALIBRATION 200u
#define SAMPLES 25u /* at most */
#define ENOUGH 1.0  /* seconds of samples a round, at least LEAST */
#define LEAST 3u    /* a median of two would be the slower */
#define STRIDE 3u   /* circuits by which rounds begin later */
#define ROUNDS 9u
#define LIKELY (-20) /* log2 of an error probability of look-ups with which a deep network may lose its answer */

typedef struct subject {
    const char *name;
    size_t widths[12]; /* inputs, neurons of each layer, 0 */
    unsigned weight_bits, rounding_bits;
    double log2_error;
} subject;

static const subject subjects[] = {
    {"images", {784, 64, 10}, 4, 5, -40},
    {"deep", {16, 12, 12, 12, 12, 12, 12, 12, 12, 4}, 4, 4, -6.643856},
    {"wide", {6000, 12, 4}, 3, 4, -6.643856},
    {"table", {4, 10, 3}, 4, 5, -40},
    {"coarse table", {4, 12, 8, 3}, 3, 2, -6.643856},
    {"certain", {30, 24, 12, 2}, 3, 4, -128},
    {"fine", {64, 8, 6, 3}, 4, 8, -40},
    {"bottleneck", {64, 16, 1, 8, 4}, 4, 4, -40},
    {"heavy", {1500, 40, 4}, 14, 6, -40},
};

#define CIRCUITS (1 + sizeof subjects / sizeof *subjects)

static const table_column columns[] = {
    {"name", "circuit", 13, TABLE_TEXT},
    {"shape", "layers", 22, TABLE_TEXT},
    {"weight_bits", "W", 2, 0},
    {"rounding_bits", "bits", 4, 0},
    {"log2_p_error", "log2 p", 7, 2},
    {"parameters", "n, k x N, l x log2 Bg, keyswitch; EF", 46, TABLE_TEXT},
    {"predicted_one_core", "one, s", 7, 4},
    {"measured_one_core", "meas.", 7, 4},
    {"ratio_one_core", "ratio", 5, 3},
    {"predicted_all_cores", "all, s", 7, 4},
    {"measured_all_cores", "meas.", 7, 4},
    {"ratio_all_cores", "ratio", 5, 3},
};

static double unit(uint64_t *state) /* [0,1), splitmix64 */
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

/* Weights and biases so that about half of the neurons of each layer are active. */
static network *random_network(const subject *s, uint64_t *state)
{
    network *n;
    size_t layers = 0;
    while (s->widths[layers + 1] != 0) layers++;
    must(network_create(s->widths[0], layers, &n));
    n->input = (quantizer){.scale = 1.0 / 8, .bits = 3};
    for (size_t l = 0; l < layers; l++) {
        dense_layer *d = &n->layers[l];
        const double most = exp2(s->weight_bits - 1) - 1, norm = most * sqrt((double)s->widths[l] / 3);
        must(dense_layer_create(s->widths[l], s->widths[l + 1], d));
        d->weight_bits = s->weight_bits;
        d->act = l + 1 == layers ? ACTIVATION_IDENTITY : ACTIVATION_RELU;
        if (l + 1 < layers) d->out_q = (quantizer){.scale = 1.0 / 8, .bits = 3};
        for (size_t i = 0; i < d->in * d->out; i++) d->W[i] = (int32_t)rint((2 * unit(state) - 1) * most);
        for (size_t o = 0; o < d->out; o++) {
            double sum = 0;
            for (size_t i = 0; i < d->in; i++) sum += d->W[o * d->in + i];
            d->w_scale[o] = 2 / norm;
            d->bias[o] = -d->w_scale[o] * sum * (l == 0 ? 0.5 : 0.3);
        }
    }
    must(network_set_labels(n, NULL, s->widths[layers]));
    return n;
}

static dataset *random_data(size_t features, size_t count, uint64_t *state)
{
    dataset *d = room(1, sizeof *d);
    *d = (dataset){.count = count, .features = features, .x = room(count * features, sizeof(float))};
    for (size_t i = 0; i < count * features; i++) d->x[i] = (float)(0.99 * unit(state));
    return d;
}

/* The clock at every report between samples: of computing for one thread, else as it goes. */
typedef struct stops {
    clockid_t clock;
    size_t samples, count;
    double at[SAMPLES + 1];
} stops;

static int stop(void *context, const char *what, size_t done, size_t total)
{
    stops *s = context;
    const size_t each = total / s->samples;
    if (strcmp(what, ANNULUS_PROGRESS_RUN) == 0 && done == s->count * each) s->at[s->count++] = bench_clock(s->clock);
    return 0;
}

typedef struct samples {
    size_t count;
    double seconds[SAMPLES];
} samples;

/* Of each round, on one thread or all. */
typedef struct series {
    double predicted[ROUNDS], measured[ROUNDS], ratio[ROUNDS];
} series;

typedef struct subject_run {
    const char *name;
    unsigned weight_bits, rounding_bits;
    annulus_circuit *c; /* borrowed */
    annulus_client_key *client;
    annulus_evaluation_key *key;
    dataset *data;
    size_t count;
    annulus_input *x; /* (count) */
    series one, all;
} subject_run;

static annulus_input *encrypt(const annulus_circuit *c, const annulus_client_key *client, const dataset *data,
                              size_t count)
{
    annulus_dataset whole = {.d = (dataset *)data}, *part;
    annulus_input *x;
    must(annulus_dataset_slice(&whole, 0, count, &part));
    must(annulus_encrypt(client, c, part, 1, &x));
    annulus_dataset_destroy(part);
    return x;
}

/* Seconds of each sample; values (count, outputs). */
static void run(const subject_run *r, unsigned threads, samples *s, double *values)
{
    stops at = {.clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, .samples = r->count};
    const annulus_progress progress = {.report = stop, .context = &at};
    const annulus_run_options alone = {.threads = threads, .together = 1};
    annulus_output *y;
    must(annulus_run(r->c, r->key, r->x, &alone, &progress, NULL, &y));
    must(annulus_decrypt(r->client, r->c, y, values));
    annulus_output_destroy(y);
    s->count = at.count - 1;
    for (size_t i = 0; i < s->count; i++) s->seconds[i] = at.at[i + 1] - at.at[i];
}

/* Stops unless both runs decrypted to the same and, where errors are not likely, to what resembles the clear values:
 * correlated by more than a half. */
static void check(const annulus_circuit *c, const dataset *data, size_t count, const double *values,
                  const double *again)
{
    const size_t outputs = annulus_circuit_outputs(c), all = count * outputs;
    annulus_dataset whole = {.d = (dataset *)data}, *part;
    annulus_evaluation e;
    double *clear = room(all, sizeof *clear), sum = 0, sum_clear = 0, both = 0, square = 0, square_clear = 0;
    must(annulus_dataset_slice(&whole, 0, count, &part));
    must(annulus_evaluate(c, part, ANNULUS_CLEAR, 1, 0, NULL, clear, &e));
    annulus_dataset_destroy(part);
    for (size_t i = 0; i < all; i++) sum += values[i] / (double)all, sum_clear += clear[i] / (double)all;
    for (size_t i = 0; i < all; i++) {
        both += (values[i] - sum) * (clear[i] - sum_clear);
        square += (values[i] - sum) * (values[i] - sum);
        square_clear += (clear[i] - sum_clear) * (clear[i] - sum_clear);
    }
    const int alike = c->c->log2_error > LIKELY || both > 0.5 * sqrt(square * square_clear);
    if (memcmp(values, again, all * sizeof *values) == 0 && alike) {
        free(clear);
        return;
    }
    fprintf(stderr, "bench: wrong answers\n");
    exit(1);
}

static void shape_text(const circuit *c, char *out, size_t size)
{
    int at = snprintf(out, size, "%zu", c->input.features);
    for (size_t i = 0, same = 1; i < c->layers_count; i += same, same = 1) {
        while (i + same < c->layers_count && c->layers[i + same].out == c->layers[i].out) same++;
        at += snprintf(out + at, size - (size_t)at, "-%zu", c->layers[i].out);
        if (same > 1) at += snprintf(out + at, size - (size_t)at, "(x%zu)", same);
    }
}

static void params_text(const circuit *c, char *out, size_t size)
{
    char set[64];
    bench_params_text(&c->choice.families.of[0], set);
    int at = snprintf(out, size, "%s; ", set);
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        if (i == 0 || c->layers[i].EF != c->layers[i - 1].EF)
            at += snprintf(out + at, size - (size_t)at, "%s%u", i == 0 ? "" : ",", c->layers[i].EF);
}

static void begin(subject_run *r)
{
    uint64_t state = 5;
    double values[16];
    samples first;
    r->data = random_data(annulus_circuit_inputs(r->c), SAMPLES, &state);
    must(annulus_keygen(r->c, 0, NULL, &r->client, &r->key));
    r->count = 1;
    r->x = encrypt(r->c, r->client, r->data, r->count);
    run(r, 1, &first, values);
    annulus_input_destroy(r->x);
    r->count = (size_t)fmin(fmax(ENOUGH / first.seconds[0], LEAST), SAMPLES);
    r->x = encrypt(r->c, r->client, r->data, r->count);
}

static double note(const subject_run *r, size_t round, unsigned threads, samples *of, series *to)
{
    to->predicted[round] = annulus_circuit_seconds(r->c, threads);
    to->measured[round] = bench_median(of->seconds, of->count);
    to->ratio[round] = to->predicted[round] / to->measured[round];
    return fabs(to->ratio[round] - 1);
}

/* Returns the larger deviation. */
static double round_of(subject_run *r, size_t round)
{
    double values[2][SAMPLES * 16];
    samples one, all;
    run(r, 1, &one, values[0]);
    run(r, 0, &all, values[1]);
    check(r->c, r->data, r->count, values[0], values[1]);
    return fmax(note(r, round, 1, &one, &r->one), note(r, round, 0, &all, &r->all));
}

/* Prints its row; returns the larger deviation. */
static double end(subject_run *r, const bench_table *t)
{
    char shape[128], parameters[192];
    const circuit *c = r->c->c;
    const double one = bench_median(r->one.ratio, ROUNDS), all = bench_median(r->all.ratio, ROUNDS);
    shape_text(c, shape, sizeof shape);
    params_text(c, parameters, sizeof parameters);
    table_row(t, r->name, shape, (double)r->weight_bits, (double)r->rounding_bits, c->log2_error, parameters,
              bench_median(r->one.predicted, ROUNDS), bench_median(r->one.measured, ROUNDS), one,
              bench_median(r->all.predicted, ROUNDS), bench_median(r->all.measured, ROUNDS), all);
    annulus_input_destroy(r->x);
    annulus_client_key_destroy(r->client);
    annulus_evaluation_key_destroy(r->key);
    dataset_destroy(r->data);
    return fmax(fabs(one - 1), fabs(all - 1));
}

static double round_of_all(subject_run *runs, size_t round)
{
    char *text;
    double worst = 0;
    must(annulus_calibrate(NULL, 0, &text));
    annulus_text_destroy(text);
    for (size_t i = 0; i < CIRCUITS; i++) worst = fmax(worst, round_of(&runs[(i + STRIDE * round) % CIRCUITS], round));
    return worst;
}

static circuit *compile(const subject *s)
{
    uint64_t state = 7;
    circuit *c;
    lower_options o;
    lower_options_init(&o);
    o.log2_error = s->log2_error;
    o.rounding_bits = s->rounding_bits;
    network *n = random_network(s, &state);
    dataset *data = random_data(s->widths[0], CALIBRATION, &state);
    must(network_lower(n, data->x, CALIBRATION, &o, &c));
    network_destroy(n);
    dataset_destroy(data);
    return c;
}

int main(int argc, char **argv)
{
    static subject_run runs[CIRCUITS];
    static annulus_circuit own[CIRCUITS];
    annulus_circuit *c;
    bench_table t;
    if (argc != 2 && !(argc == 4 && strcmp(argv[1], "--json") == 0)) {
        fprintf(stderr, "usage: %s [--json FILE] CIRCUIT\n", argv[0]);
        return 2;
    }
    must(annulus_circuit_read(argv[argc - 1], &c)); /* and the costs of this host */
    table_begin(&t, stderr, "Predicted and measured seconds of an inference", columns,
                sizeof columns / sizeof *columns);
    runs[0] = (subject_run){.name = "fashion", .weight_bits = 4, .rounding_bits = 5, .c = c};
    for (size_t i = 1; i < CIRCUITS; i++) {
        const subject *s = &subjects[i - 1];
        own[i].c = compile(s);
        runs[i] = (subject_run){
            .name = s->name, .weight_bits = s->weight_bits, .rounding_bits = s->rounding_bits, .c = &own[i]};
    }
    for (size_t i = 0; i < CIRCUITS; i++) begin(&runs[i]);
    double worst = 0, rounds[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) rounds[round] = round_of_all(runs, round);
    for (size_t i = 0; i < CIRCUITS; i++) worst = fmax(worst, end(&runs[i], &t));
    for (size_t i = 1; i < CIRCUITS; i++) circuit_destroy(own[i].c);
    annulus_circuit_destroy(c);
    table_end(&t, argc == 4 ? argv[2] : NULL);
    for (size_t round = 0; round < ROUNDS; round++)
        fprintf(stderr, "%s%.1f", round == 0 ? "largest deviation of each round, %: " : ", ", 100 * rounds[round]);
    fputc('\n', stderr);
    printf("%.1f\n", 100 * worst);
    return 0;
}
