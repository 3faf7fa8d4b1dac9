/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/cost.h"

#include "math/matrix.h"
#include "optimizer/extension.h"
#include <math.h>

/* Part of a batch's computing during which it need not wait for the key. With it and the shipped `read`, batches of 1
 * to 8 took what cost_rotations says within 8 % at five of six rings and groups, of 49 to 137 MB; at the sixth (n =
 * 836, k = 1, N = 2048, g = 3) two took 19 % less. */
#define HIDDEN 0.2

/* A word of a row that the second keyswitch of answers adds, over a word of a keyswitch, whose rows meet whole batches.
 */
#define SENT_WORD 8.5

/* Least-squares fit of relative errors to 22 rings and gadgets measured on one Zen 4 core with the AVX-512 kernels in
 * batches (docs/performance.md): within 3.5 % of each. A rotation with EF > 1 took its expected products times such a
 * step, within 3 % up to EF = 16 and 7 % at 32. `combine`: what a step of g bits took beyond one of a single bit on 12
 * rings and gadgets, 0.066 to 0.091 ns (g = 2) and 0.076 to 0.101 ns (g = 3): within 7 % of such a step. The
 * others: medians of what calibration measured there (calibrate.c), with VNNI. */
const cost_model cost_model_shipped = {.fft = 0.0538,
                                       .multiply = 0.125,
                                       .linear = 0.0936,
                                       .wide = 0,
                                       .combine = {0, 0, 0.075, 0.083},
                                       .read = 0.037,
                                       .read_all = 0,
                                       .keyswitch = 0.0212,
                                       .keyswitch_read = 0.09,
                                       .layer = 0.038,
                                       .input = 0.13,
                                       .output = 0.6,
                                       .expand = 2.5,
                                       .crowd = 1};

static cost_model used;
static const cost_model *current = &cost_model_shipped;

static int usable(double v)
{
    return v >= 0 && v <= COST_MOST;
}

int cost_model_check(const cost_model *m)
{
    const double constants[] = {m->fft,      m->multiply,  m->linear,         m->wide,  m->read,
                                m->read_all, m->keyswitch, m->keyswitch_read, m->layer, m->input,
                                m->output,   m->expand,    m->crowd};
    int all = 1;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) all = all && usable(constants[i]);
    for (size_t g = 2; g <= TFHE_MAX_GROUP; g++) all = all && usable(m->combine[g]);
    return all && m->fft + m->multiply > 0 && m->keyswitch > 0 && m->layer > 0 && m->crowd >= 1;
}

void cost_model_use(const cost_model *m)
{
    REQUIRE(m == NULL || cost_model_check(m));
    if (m != NULL) used = *m;
    current = m != NULL ? &used : &cost_model_shipped;
}

const cost_model *cost_model_current(void)
{
    return current;
}

cost_counts cost_step_counts(const tfhe_params *p)
{
    const double k1 = p->k + 1, N = p->N, rows = (double)tfhe_ggsw_rows(p);
    return (cost_counts){.fft = (rows + k1) * N * log2(N),
                         .multiply = rows * k1 * N,
                         .linear = k1 * N,
                         .wide = tfhe_narrow(p) ? 0 : k1 * N,
                         .combine = p->pbs_group == 1 ? 0 : (double)tfhe_step_patterns(p) * (rows * k1 + 1) * N};
}

double cost_keyswitch(const tfhe_params *p)
{
    return 1e-9 * current->keyswitch * (double)tfhe_big_dim(p) * p->ks_l * (p->n + 1);
}

double cost_model_step(const cost_model *m, const tfhe_params *p)
{
    const cost_counts c = cost_step_counts(p);
    return 1e-9 * (m->fft * c.fft + m->multiply * c.multiply + m->linear * c.linear + m->wide * c.wide +
                   m->combine[p->pbs_group] * c.combine);
}

double cost_model_read(const cost_model *m, const tfhe_params *p, double seconds)
{
    const double beyond = seconds - (1 - HIDDEN) * cost_model_step(m, p);
    return 1e9 * fmax(beyond, 0) * (double)tfhe_steps(p) / (double)tfhe_bsk_memory_bytes(p);
}

double cost_step(const tfhe_params *p)
{
    return cost_model_step(current, p);
}

double cost_blind_rotate(const tfhe_params *p, uint32_t EF, uint32_t price)
{
    return (double)tfhe_steps(p) * cost_step(p) * extension_expected(EF, price).products;
}

double cost_weight(const tfhe_params *p)
{
    return 1e-9 * current->layer * (double)(tfhe_big_dim(p) + 1);
}

double cost_keyswitches(const tfhe_params *p, double count)
{
    const double words = (double)tfhe_big_dim(p) * p->ks_l * (p->n + 1);
    return 1e-9 * words * (current->keyswitch * count + current->keyswitch_read * fmax(1 - count / COST_BATCH, 0));
}

double cost_rotations(const tfhe_params *p, uint32_t EF, uint32_t price, double count)
{
    const double computing = count * cost_blind_rotate(p, EF, price);
    return computing + fmax(1e-9 * current->read * (double)tfhe_bsk_memory_bytes(p) - HIDDEN * computing, 0);
}

double cost_sent(const tfhe_answers *a)
{
    const double digits = a->sent_k == 0 ? 0 : (double)a->k * a->N * a->sent_l / 3;
    return 1e-9 * SENT_WORD * current->keyswitch * digits * (a->sent_k + 1) * a->N;
}

double cost_linear_weights(size_t out, size_t in, unsigned limbs)
{
    const double chunks = ceil((double)in / MATRIX_CHUNK), O = (double)out, C = (double)in;
    const double narrow = current->layer * O * C + current->output * O * chunks;
    return (limbs * narrow + current->input * C) / current->layer;
}

double cost_expand_weights(void)
{
    return current->expand / current->layer;
}

/* Two transforms of each mask polynomial and of each of a group's sums, a product of each pair, and the words of the
 * other rows, which go through memory as outputs of a linear layer do. */
double cost_packed(const tfhe_params *p, const packed_size *size)
{
    const double N = p->N, groups = (double)size->groups, polys = (double)size->polys;
    const double transforms = current->fft * (groups + (double)size->ciphertexts) * log2(N);
    const double sums = 2 * (transforms + current->multiply * polys + current->linear * groups);
    return 1e-9 * p->k * N * (sums + current->output * ((double)size->rows - groups));
}

/* How far `threads` are from one to all. */
static double crowded(unsigned threads, unsigned all)
{
    if (threads <= 1) return 0;
    return threads >= all ? 1 : (double)(threads - 1) / (all - 1);
}

double cost_crowd(unsigned threads, unsigned all)
{
    return 1 + (current->crowd - 1) * crowded(threads, all);
}

double cost_crowd_reads(const tfhe_params *p, unsigned threads, unsigned all)
{
    const double bytes = (double)(tfhe_bsk_memory_bytes(p) + tfhe_ksk_memory_bytes(p));
    return 1e-9 * current->read_all * bytes * crowded(threads, all);
}
