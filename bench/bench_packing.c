/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packing [--json FILE]: bytes of an answer, by how many there are and what they are held to, that packing with a
 * keyswitch from a big key of 2048 words reaches: the whole of the bound on noise for it, a key of at most 32 MB
 * expanded, 1 ms of one core a value. */
#include "optimizer/cost.h"
#include "optimizer/optimizer_answers.h"
#include "table.h"
#include "tfhe/answers.h"

#include <math.h>

#define MEMORY 32e6
#define SECONDS 0.001 /* a value */
#define WRONG 0x1p-4  /* share of p, or of 2^-40, of answers that are taken for another turn's */

static const size_t counts[] = {1, 3, 10, 24, 100, 1000};
static const struct {
    double log2_error;
    unsigned bits;
} held[] = {{-128, 6}, {-40, 10}, {-40, 8}, {-40, 6}, {-40, 4}, {-6.643856, 8}, {-6.643856, 6}, {-6.643856, 4}};

static const table_column columns[] = {
    {"log2_error", "log2 p", 7, 2},
    {"bits", "bits", 4, 0},
    {"answers", "answers", 7, 0},
    {"multiples", "multiples", -30, TABLE_TEXT},
    {"packing", "k x N, keyswitch, noise; sent: k, levels, noise", -48, TABLE_TEXT},
    {"word_bits", "mask bits", 9, 0},
    {"body_bits", "body bits", 9, 0},
    {"key", "key MB", 6, 2},
    {"memory", "memory MB", 9, 1},
    {"seconds", "ms a value", 10, 3},
    {"bytes", "bytes a value", 13, 1},
};

int main(int argc, char **argv)
{
    const char *json = table_path(argc, argv);
    const tfhe_families f = {.count = 1, .of = {{.k = 1, .N = 2048}}};
    bench_table t;
    table_begin(&t, stdout, "Packed answers", columns, sizeof columns / sizeof *columns);
    for (size_t h = 0; h < sizeof held / sizeof *held; h++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            const double most = exp2(-(double)held[h].bits - 1) / noise_kappa(held[h].log2_error + log2(1 - WRONG));
            const answers_request q = {.count = counts[i],
                                       .level = SECURITY_128,
                                       .variance = most * most,
                                       .log2_wrong = fmin(held[h].log2_error, -40) + log2(WRONG),
                                       .seconds = SECONDS * (double)counts[i],
                                       .key_bytes = MEMORY,
                                       .memory = MEMORY};
            tfhe_families packed = f;
            const tfhe_answers a = packed.answers = optimizer_answers(&f, &q);
            const tfhe_params p = tfhe_answers_params(&packed);
            char text[64], multiples[64];
            int at = snprintf(text, sizeof text, "%ux%u, %ux%u, %u", a.k, a.N, a.l, a.b, a.noise);
            if (a.sent_k > 0)
                (void)snprintf(text + at, sizeof text - (size_t)at, "; %u, %u, %u", a.sent_k, a.sent_l, a.sent_noise);
            at = 0;
            for (uint32_t m = 0; m < a.parts; m++)
                at +=
                    snprintf(multiples + at, sizeof multiples - (size_t)at, "%s%u", m == 0 ? "" : ", ", a.multiple[m]);
            table_row(&t, held[h].log2_error, (double)held[h].bits, (double)counts[i], multiples, text, (double)a.bits,
                      (double)a.body_bits, (double)tfhe_answers_seeded_bytes(&packed) / 1e6,
                      (double)tfhe_answers_memory_bytes(&packed) / 1e6, 1e3 * a.parts * cost_keyswitch(&p),
                      (double)answers_bytes(&a, counts[i]) / (double)counts[i]);
        }
    table_end(&t, json);
    return 0;
}
