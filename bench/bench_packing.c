/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packing [--json FILE]: bytes of an answer, by how many there are and what they are held to, that packing with a
 * keyswitch from a big key of 2048 words reaches: the whole of the bound on noise for it, a key of at most 32 MB
 * expanded, 1 ms of one core a value. */
#include "optimizer/optimizer_answers.h"
#include "table.h"
#include "tfhe/answers.h"

#include <math.h>

#define MEMORY 32e6
#define SECONDS 0.001 /* a value */

static const size_t counts[] = {1, 3, 10, 24, 100, 1000};
static const struct {
    double log2_error;
    unsigned bits;
} held[] = {{-40, 8}, {-40, 6}, {-40, 4}, {-6.643856, 8}, {-6.643856, 6}, {-6.643856, 4}};

static const table_column columns[] = {
    {"log2_error", "log2 p", 7, 2},   {"bits", "bits", 4, 0},
    {"answers", "answers", 7, 0},     {"packing", "k x N, keyswitch, noise", -28, TABLE_TEXT},
    {"word_bits", "word bits", 9, 0}, {"key", "key MB", 6, 2},
    {"memory", "memory MB", 9, 1},    {"bytes", "bytes a value", 13, 1},
};

int main(int argc, char **argv)
{
    const char *json = table_path(argc, argv);
    const tfhe_families f = {.count = 1, .of = {{.k = 1, .N = 2048}}};
    bench_table t;
    table_begin(&t, stdout, "Packed answers", columns, sizeof columns / sizeof *columns);
    for (size_t h = 0; h < sizeof held / sizeof *held; h++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            const double most = exp2(-(double)held[h].bits - 1) / noise_kappa(held[h].log2_error);
            const answers_request q = {.count = counts[i],
                                       .level = SECURITY_128,
                                       .variance = most * most,
                                       .seconds = SECONDS * (double)counts[i],
                                       .key_bytes = MEMORY,
                                       .memory = MEMORY};
            tfhe_families packed = f;
            const tfhe_answers a = packed.answers = optimizer_answers(&f, &q);
            const tfhe_params p = tfhe_answers_params(&packed);
            char text[64];
            (void)snprintf(text, sizeof text, "%ux%u, %ux%u, %u", a.k, a.N, a.l, a.b, a.noise);
            table_row(&t, held[h].log2_error, (double)held[h].bits, (double)counts[i], text, (double)a.bits,
                      (double)tfhe_answers_seeded_bytes(&packed) / 1e6, (double)tfhe_ksk_memory_bytes(&p) / 1e6,
                      (double)answers_bytes(&a, counts[i]) / (double)counts[i]);
        }
    table_end(&t, json);
    return 0;
}
