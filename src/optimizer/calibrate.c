/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/calibrate.h"

#include "base/clock.h"
#include "math/matrix.h"
#include "tfhe/measure.h"
#include <math.h>

/* Of a sum that is fitted: fft, multiply, linear, wide of a step; layer, input, output of a linear layer. */
#define TERMS 4u

/* What a constant of 1 adds to a sample, as a fraction of it. */
typedef struct shares {
    double of[TERMS];
} shares;

static shares step_shares(const cost_sample *s)
{
    const cost_counts c = cost_step_counts(&s->p);
    const double unit = 1e-9 / s->seconds;
    return (shares){{unit * c.fft, unit * c.multiply, unit * c.linear, unit * c.wide}};
}

/* a x = b for a symmetric a that is positive definite, without rows and columns outside the set `terms`, whose x is 0;
 * overwrites both. 0: a is singular. */
static int solve(double a[TERMS][TERMS], double b[TERMS], unsigned terms, double x[TERMS])
{
    for (size_t i = 0; i < TERMS; i++) {
        if ((terms >> i & 1) != 0) continue;
        for (size_t j = 0; j < TERMS; j++) a[i][j] = a[j][i] = 0;
        a[i][i] = 1, b[i] = 0;
    }
    for (size_t i = 0; i < TERMS; i++) {
        const double whole = a[i][i];
        for (size_t j = 0; j < i; j++) a[i][i] -= a[j][i] * a[j][i] * a[j][j];
        if (!(a[i][i] > 1e-12 * whole)) return 0;
        for (size_t k = i + 1; k < TERMS; k++) {
            for (size_t j = 0; j < i; j++) a[i][k] -= a[j][i] * a[j][k] * a[j][j];
            a[i][k] /= a[i][i]; /* a = L D L^T, L^T above the diagonal */
        }
        for (size_t j = 0; j < i; j++) b[i] -= a[j][i] * b[j];
    }
    for (size_t i = TERMS; i-- > 0;) {
        x[i] = b[i] / a[i][i];
        for (size_t j = i + 1; j < TERMS; j++) x[i] -= a[i][j] * x[j];
    }
    return 1;
}

/* The least sum of squared relative errors with the constants in `terms` alone; INFINITY: there is none of constants
 * that are not negative. */
static double fit_terms(const shares *samples, size_t count, unsigned terms, double x[TERMS])
{
    double a[TERMS][TERMS] = {{0}}, b[TERMS] = {0}, sum = 0;
    for (size_t s = 0; s < count; s++) {
        const double *f = samples[s].of;
        for (size_t i = 0; i < TERMS; i++) {
            b[i] += f[i];
            for (size_t j = 0; j < TERMS; j++) a[i][j] += f[i] * f[j];
        }
    }
    if (!solve(a, b, terms, x)) return INFINITY;
    for (size_t i = 0; i < TERMS; i++)
        if (!(x[i] >= 0)) return INFINITY;
    for (size_t s = 0; s < count; s++) {
        double error = -1;
        for (size_t i = 0; i < TERMS; i++) error += samples[s].of[i] * x[i];
        sum += error * error;
    }
    return sum;
}

/* Least squares of relative errors among non-negative constants; INFINITY: the samples do not determine them. */
static double fit(const shares *samples, size_t count, double x[TERMS])
{
    double best = INFINITY, tried[TERMS];
    for (unsigned terms = 1; terms < 1u << TERMS; terms++) {
        const double sum = fit_terms(samples, count, terms, tried);
        if (!(sum < best)) continue;
        best = sum;
        for (size_t i = 0; i < TERMS; i++) x[i] = tried[i];
    }
    return best;
}

/* Mean of what the samples of g key bits leave, a count and 0 where there is none. */
static size_t fit_combine(const cost_sample *samples, size_t count, uint32_t g, cost_model *m)
{
    double sum = 0;
    size_t found = 0;
    m->combine[g] = 0;
    for (size_t s = 0; s < count; s++) {
        if (samples[s].p.pbs_group != g) continue;
        sum += 1e9 * (samples[s].seconds - cost_model_step(m, &samples[s].p)) / cost_step_counts(&samples[s].p).combine;
        found++;
    }
    if (found > 0) m->combine[g] = fmax(sum / (double)found, 0);
    return found;
}

annulus_status cost_model_fit(const cost_sample *samples, size_t count, cost_model *out, double *worst)
{
    shares singles[COST_MOST_SAMPLES];
    double x[TERMS] = {0}, error = 0;
    size_t found = 0, fewest = count;
    cost_model m = *out;
    REQUIRE(count <= COST_MOST_SAMPLES);
    for (size_t s = 0; s < count; s++)
        if (samples[s].p.pbs_group == 1) singles[found++] = step_shares(&samples[s]);
    const double sum = fit(singles, found, x);
    m.fft = x[0], m.multiply = x[1], m.linear = x[2], m.wide = x[3];
    for (uint32_t g = 2; g <= TFHE_MAX_GROUP; g++) {
        const size_t groups = fit_combine(samples, count, g, &m);
        fewest = groups < fewest ? groups : fewest;
    }
    for (size_t s = 0; s < count; s++)
        error = fmax(error, fabs(cost_model_step(&m, &samples[s].p) / samples[s].seconds - 1));
    if (found < TERMS || fewest == 0 || !isfinite(sum) || !isfinite(error) || !(m.fft + m.multiply > 0))
        return fail(ANNULUS_ERR_INPUT, "the %zu measured steps do not determine what steps cost; try again", count);
    *out = m;
    *worst = error;
    return ANNULUS_OK;
}

/* Rings and gadgets across those that the search chooses, with its bases: words of 32 and of 64 bits. */
static const tfhe_params steps[] = {
    {.k = 1, .N = 1024, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 20, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 28, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 2, .pbs_lb = 2, .pbs_bg = 15, .pbs_group = 1},
    {.k = 2, .N = 1024, .pbs_l = 2, .pbs_lb = 1, .pbs_bg = 15, .pbs_group = 1},
    {.k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 18, .pbs_group = 1},
    {.k = 1, .N = 4096, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 22, .pbs_group = 1},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 2},
    {.k = 2, .N = 1024, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 2},
    {.k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 18, .pbs_group = 2},
    {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 3},
    {.k = 1, .N = 2048, .pbs_l = 2, .pbs_lb = 2, .pbs_bg = 15, .pbs_group = 3},
    {.k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 18, .pbs_group = 3},
};
#define STEPS (sizeof steps / sizeof *steps)
/* n of their keys: the cost of a step does not depend on it, but what is left in small caches. Where a step of the
 * second ring takes longer than so much, the fewer. */
#define STEP_BITS 240u
#define FEWEST_BITS 24u
#define PILOT_BITS 12u
#define STEP_SECONDS 8e-6
static const tfhe_params keyswitch = {
    .n = 840, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 20, .ks_l = 4, .ks_b = 3, .pbs_group = 1};
/* Keys of the size that real ones have: 55, 82 and 137 MB. */
static const tfhe_params reads[] = {
    {.n = 840, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 1},
    {.n = 836, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 2},
    {.n = 798, .k = 2, .N = 1024, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 3},
};
#define READS (sizeof reads / sizeof *reads)
#define SMALL_BATCH 6u
/* Linear layers, outputs and inputs, in the caches: of many weights, of many outputs, and small ones. */
static const size_t layers[][2] = {{64, 252}, {64, 4}, {16, 16}, {10, 32}};
#define LAYERS (sizeof layers / sizeof *layers)
static const size_t wide[2] = {8, 6000}; /* 98 MB, beyond most caches */

#define CROWD_REPORTS 4u /* of progress */

/* Number of the measurement at hand, and the time there is. */
typedef struct measuring {
    const annulus_progress *progress;
    size_t done;
    uint32_t bits; /* n of the keys of steps */
    double start, budget;
} measuring;

/* Parts of the budget by whose ends steps, ciphertexts alone and linear layers are done. */
#define STEPS_END 0.35
#define READS_END 0.45
#define LAYERS_END 0.55

/* Seconds for the next of so many measurements, the last to be done by that part of the budget. */
static double limit(const measuring *at, double end, size_t left)
{
    return fmax(at->start + end * at->budget - clock_seconds(CLOCK_MONOTONIC), 0) / (double)left;
}

static annulus_status next(measuring *at)
{
    return progress_report(at->progress, "measuring this processor", at->done++,
                           STEPS + READS + LAYERS + 4 + CROWD_REPORTS);
}

static tfhe_params of_bits(const tfhe_params *step, uint32_t n)
{
    tfhe_params p = *step;
    p.n = n, p.ks_l = 2, p.ks_b = 4;
    return p;
}

/* Multiples of 6: steps take up to 3 key bits. */
static annulus_status choose_bits(measuring *at)
{
    const tfhe_params pilot = of_bits(&steps[1], PILOT_BITS);
    double seconds;
    TRY(measure_step(&pilot, COST_BATCH, limit(at, STEPS_END, 1 + STEPS), &seconds));
    const double bits = STEP_BITS * STEP_SECONDS / fmax(seconds, STEP_SECONDS);
    at->bits = bits < FEWEST_BITS ? FEWEST_BITS : (uint32_t)bits / 6 * 6;
    return ANNULUS_OK;
}

static annulus_status measure_steps(measuring *at, cost_model *m, double *worst)
{
    cost_sample samples[STEPS];
    for (size_t i = 0; i < STEPS; i++) {
        TRY(next(at));
        if (i == 0) TRY(choose_bits(at));
        samples[i].p = of_bits(&steps[i], at->bits);
        TRY(measure_step(&samples[i].p, COST_BATCH, limit(at, STEPS_END, STEPS - i), &samples[i].seconds));
    }
    return cost_model_fit(samples, STEPS, m, worst);
}

/* The mean over keys of what a byte keeps one ciphertext alone waiting. Needs what a step computes. */
static annulus_status measure_reads(measuring *at, cost_model *m)
{
    double seconds = 0, sum = 0;
    for (size_t i = 0; i < READS; i++) {
        const tfhe_params p = of_bits(&reads[i], reads[i].n);
        TRY(next(at));
        TRY(measure_step(&p, 1, limit(at, READS_END, READS + 2 - i), &seconds));
        sum += cost_model_read(m, &p, seconds);
    }
    m->read = sum / READS;
    return ANNULUS_OK;
}

static annulus_status measure_keyswitches(measuring *at, cost_model *m)
{
    const double words = (double)tfhe_big_dim(&keyswitch) * keyswitch.ks_l * (keyswitch.n + 1);
    double batch = 0, alone = 0;
    TRY(next(at));
    TRY(measure_keyswitch(&keyswitch, COST_BATCH, limit(at, READS_END, 2), &batch));
    TRY(measure_keyswitch(&keyswitch, 1, limit(at, READS_END, 1), &alone));
    m->keyswitch = 1e9 * batch / words;
    m->keyswitch_read = 1e9 * fmax(alone - batch, 0) / words / (1 - 1.0 / COST_BATCH);
    return ANNULUS_OK;
}

static shares layer_shares(const size_t layer[2], double seconds)
{
    const double out = (double)layer[0], in = (double)layer[1];
    return (shares){{1e-9 * out * in / seconds, 1e-9 * in / seconds, 1e-9 * out * ceil(in / MATRIX_CHUNK) / seconds}};
}

static annulus_status measure_layers(measuring *at, cost_model *m)
{
    shares samples[LAYERS];
    double x[TERMS] = {0};
    for (size_t i = 0; i < LAYERS; i++) {
        double seconds = 0;
        TRY(next(at));
        TRY(measure_linear(layers[i][0], layers[i][1], limit(at, LAYERS_END, LAYERS + 2 - i), &seconds));
        samples[i] = layer_shares(layers[i], seconds);
    }
    if (!isfinite(fit(samples, LAYERS, x)) || !(x[0] > 0))
        return fail(ANNULUS_ERR_INPUT, "the measured linear layers do not determine what they cost; try again");
    m->layer = x[0], m->input = x[1], m->output = x[2];
    return ANNULUS_OK;
}

/* Expanded ciphertexts lie in memory: what a linear layer waits for them beyond its own time is of the expansion. Needs
 * what linear layers cost. */
static annulus_status measure_inputs(measuring *at, cost_model *m)
{
    double expand = 0, layer = 0;
    TRY(next(at));
    TRY(measure_expand(limit(at, LAYERS_END, 2), &expand));
    TRY(next(at));
    TRY(measure_linear(wide[0], wide[1], limit(at, LAYERS_END, 1), &layer));
    const shares of = layer_shares(wide, layer);
    const double waits = layer * (1 - of.of[0] * m->layer - of.of[1] * m->input - of.of[2] * m->output);
    m->expand = 1e9 * (expand + fmax(waits, 0) / (double)wide[1]);
    return ANNULUS_OK;
}

/* Rounds of the probes take so long, or as the budget allows: no round begins that would end behind it if it takes as
 * long as the longest. */
#define CROWD_SECONDS 8.0

static annulus_status run_probes(measuring *at, crowd_probe *const probe[1 + READS])
{
    const double start = clock_seconds(CLOCK_MONOTONIC), most = fmin(limit(at, 1, 1), CROWD_SECONDS);
    double now = start, longest = 0;
    size_t reports = 0;
    for (size_t round = 0; round < CROWD_RUNS && (round == 0 || now + longest - start < most); round++) {
        const double before = now;
        while (reports < CROWD_REPORTS && (now - start) * CROWD_REPORTS >= most * (double)reports) {
            TRY(next(at));
            reports++;
        }
        for (size_t i = 0; i <= READS; i++) TRY(crowd_probe_run(probe[i]));
        now = clock_seconds(CLOCK_MONOTONIC);
        longest = fmax(longest, now - before);
    }
    return ANNULUS_OK;
}

/* The factor from a key that lies in the caches; beyond it, in small batches, all wait for keys that do not: a byte's
 * mean over keys. What other users of the machine take is part of both. */
static annulus_status measure_crowds(measuring *at, cost_model *m)
{
    const tfhe_params cached = of_bits(&steps[1], at->bits);
    crowd_probe *probe[1 + READS] = {NULL};
    double alone, crowded, bytes[READS], sum = 0;
    annulus_status st = crowd_probe_create(&cached, COST_BATCH, &probe[0]);
    for (size_t i = 0; st == ANNULUS_OK && i < READS; i++) {
        tfhe_params p = of_bits(&reads[i], reads[i].n);
        p.ks_l = 7, p.ks_b = 2; /* a key as large as real ones: workers leave it one behind the other */
        bytes[i] = (double)(tfhe_bsk_memory_bytes(&p) + tfhe_ksk_memory_bytes(&p));
        st = crowd_probe_create(&p, SMALL_BATCH, &probe[1 + i]);
    }
    if (st == ANNULUS_OK) st = run_probes(at, probe);
    if (st == ANNULUS_OK) {
        crowd_probe_seconds(probe[0], &alone, &crowded);
        m->crowd = fmax(crowded / alone, 1);
        for (size_t i = 0; i < READS; i++) {
            crowd_probe_seconds(probe[1 + i], &alone, &crowded);
            sum += SMALL_BATCH * (crowded - m->crowd * alone) / bytes[i];
        }
        m->read_all = 1e9 * fmax(sum / READS, 0);
    }
    for (size_t i = 0; i <= READS; i++) crowd_probe_destroy(probe[i]);
    return st;
}

annulus_status cost_model_measure(const annulus_progress *progress, double budget, cost_model *out, double *worst)
{
    measuring at = {.progress = progress, .start = clock_seconds(CLOCK_MONOTONIC), .budget = budget};
    cost_model m = {0};
    double error = 0;
    TRY(measure_steps(&at, &m, &error));
    TRY(measure_reads(&at, &m));
    TRY(measure_keyswitches(&at, &m));
    TRY(measure_layers(&at, &m));
    TRY(measure_inputs(&at, &m));
    TRY(measure_crowds(&at, &m));
    TRY(next(&at));
    *out = m;
    *worst = error;
    return ANNULUS_OK;
}
