/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of one key family. Letters: see README.md of this folder. */
#ifndef TFHE_PARAMS_H
#define TFHE_PARAMS_H

#include "base/bytes.h"
#include <stdint.h>

#define TFHE_MAX_EF 32u
#define TFHE_MAX_PRICE 31u
#define TFHE_MAX_GROUP 3u
#define TFHE_MAX_SLOT_BITS 4u

typedef struct tfhe_params {
    uint32_t n;          /* small LWE dimension, [1, 4096] */
    uint32_t k;          /* GLWE dimension, [1, 6] */
    uint32_t N;          /* ring degree, power of two in [256, 65536] */
    uint32_t pbs_l;      /* levels of the bootstrapping gadget for masks */
    uint32_t pbs_lb;     /* levels of it for bodies, whose rounding no key multiplies: [1, pbs_l] */
    uint32_t pbs_bg;     /* log2 Bg; pbs_l*pbs_bg <= 52, pbs_bg <= 30 */
    uint32_t ks_l;       /* levels of the keyswitch gadget; ks_l = ks_b = 0: none from its own big key */
    uint32_t ks_b;       /* log2 of its base, [1, 15]; ks_l*ks_b <= 32 */
    uint32_t lwe_noise;  /* B of TUniform(B) for small-key encryptions at q = 2^32, [0, 30] */
    uint32_t glwe_noise; /* B of TUniform(B) for GLWE and big-key encryptions at q = 2^64, [0, 62] */
    uint32_t pbs_group;  /* g: key bits a step of the blind rotation takes, [1, 3]; divides n; EF = 1 alone if > 1 */
} tfhe_params;

static inline size_t tfhe_big_dim(const tfhe_params *p) /* k*N */
{
    return (size_t)p->k * p->N;
}
static inline size_t tfhe_ggsw_rows(const tfhe_params *p)
{
    return (size_t)p->k * p->pbs_l + p->pbs_lb;
}
/* GGSWs of one step, of the patterns 1..2^g-1 of its g key bits (bit b: that of key bit b): each encrypts whether the
 * bits are that pattern. */
static inline size_t tfhe_step_patterns(const tfhe_params *p)
{
    return ((size_t)1 << p->pbs_group) - 1;
}
static inline size_t tfhe_steps(const tfhe_params *p)
{
    return p->n / p->pbs_group;
}
/* Words of the exponents of a rotation, EF >= 1: one a GGSW, and the body's. */
static inline size_t tfhe_exponents(const tfhe_params *p)
{
    return tfhe_steps(p) * tfhe_step_patterns(p) + 1;
}
/* Those of a ring of N/2^slot_bits, whose exponents turn tables of 2^slot_bits slots (bootstrap.h). */
static inline tfhe_params tfhe_slotted(const tfhe_params *p, uint32_t slot_bits)
{
    tfhe_params coarse = *p;
    coarse.N >>= slot_bits;
    return coarse;
}
/* Whether accumulators have words of 32 bits (math/fft.h, narrow): where that adds less than a hundredth of a bit to
 * the deviation of a rotation's output. */
int tfhe_narrow(const tfhe_params *p);
/* Structural ranges only (security is optimizer/security.h). The message names the field. */
annulus_status tfhe_params_check(const tfhe_params *p) __attribute__((warn_unused_result));
#define TFHE_PARAMS_BYTES 44u /* as written */
void tfhe_params_write(writer *w, const tfhe_params *p);
annulus_status tfhe_params_read(reader *r, tfhe_params *out) __attribute__((warn_unused_result)); /* checks */
int tfhe_params_equal(const tfhe_params *a, const tfhe_params *b);

/* How answers are packed and switched to few bits (answers.h); bits = 0: they are not, and all else is 0. */
#define TFHE_ANSWERS_PARTS 8u
typedef struct tfhe_answers {
    uint32_t family; /* whose big key the answers are under before */
    uint32_t k;      /* GLWE dimension of the key that they are packed under, [1, 4096/N] */
    uint32_t N;      /* ring degree, power of two in [1, TFHE_ANSWERS_N]: coefficients of one ciphertext */
    uint32_t l, b;   /* levels of the packing keyswitch, [1, 32/b], log2 of its base, [parts > 1 ? 3 : 1, 15] */
    uint32_t noise;  /* B of TUniform(B) for encryptions under that key at q = 2^32, [0, 30] */
    uint32_t
        sent_k; /* GLWE dimension of the key that they are sent under, [1, 4096/N]; 0: the one they are packed under */
    uint32_t sent_l;                       /* levels of the keyswitch into it, of signed bits, [1, 32] */
    uint32_t sent_noise;                   /* as noise, of that key; sent_l = sent_noise = 0 if sent_k = 0 */
    uint32_t bits;                         /* of a word of the masks, [1, 32] */
    uint32_t body_bits;                    /* of a word of the bodies, [1, bits] */
    uint32_t parts;                        /* coefficients of an answer, [1, min(N, TFHE_ANSWERS_PARTS)] */
    uint32_t multiple[TFHE_ANSWERS_PARTS]; /* of its phase in each, [1, 2^12], without a common divisor; then 0 */
} tfhe_answers;
#define TFHE_ANSWERS_N 256u
#define TFHE_ANSWERS_BYTES (4u * (12u + TFHE_ANSWERS_PARTS)) /* as written */
/* Of the key that answers are sent under: k, and k*N. */
static inline uint32_t tfhe_answers_k(const tfhe_answers *a)
{
    return a->sent_k > 0 ? a->sent_k : a->k;
}
static inline size_t tfhe_answers_dim(const tfhe_answers *a)
{
    return (size_t)tfhe_answers_k(a) * a->N;
}
/* |m|^2 of the multiples that an answer is sent as. */
static inline double tfhe_answers_square(const tfhe_answers *a)
{
    double sum = 0;
    for (uint32_t t = 0; t < a->parts; t++) sum += (double)a->multiple[t] * a->multiple[t];
    return sum;
}
/* Answers of a ciphertext at most, ciphertexts of `count` answers, and the most parts that one of them holds. */
static inline size_t tfhe_answers_each(const tfhe_answers *a)
{
    return a->N / a->parts;
}
static inline size_t tfhe_answers_groups(const tfhe_answers *a, size_t count)
{
    const size_t each = tfhe_answers_each(a);
    return (count + each - 1) / each;
}
static inline size_t tfhe_answers_together(const tfhe_answers *a, size_t count)
{
    const size_t each = tfhe_answers_each(a);
    return (count < each ? count : each) * a->parts;
}
/* Structural ranges only, of answers that are packed or not. The message names the field. */
annulus_status tfhe_answers_check(const tfhe_answers *a) __attribute__((warn_unused_result));
void tfhe_answers_write(writer *w, const tfhe_answers *a);
annulus_status tfhe_answers_read(reader *r, tfhe_answers *out) __attribute__((warn_unused_result)); /* checks */
int tfhe_answers_equal(const tfhe_answers *a, const tfhe_answers *b);

/* The families of a circuit, each with keys of its own. Ciphertexts under one family's big key are switched into
 * another's small key by a gadget of its own. */
#define TFHE_MAX_FAMILIES 2u
typedef struct tfhe_families {
    uint32_t count; /* [1, TFHE_MAX_FAMILIES] */
    tfhe_params of[TFHE_MAX_FAMILIES];
    struct {
        uint32_t l, b;         /* levels, log2 of the base, as ks_l and ks_b; l = b = 0: no such keyswitch */
    } into[TFHE_MAX_FAMILIES]; /* into[f]: from the other family's big key into the small key of f */
    struct {
        uint32_t l, bg; /* levels, log2 of the base; l = bg = 0: none, and each family has a ring of its own */
    } merge;            /* of split look-ups (split.h), whose TFHE_LOW has the big key of TFHE_HIGH */
    tfhe_answers answers;
} tfhe_families;
enum { TFHE_HIGH = 0, TFHE_LOW = 1 };

/* What the keyswitch from one family into another works with: the big key of `from`, n, its noise and the gadget of
 * `into`; else that of `into`. from = into: the family itself. */
tfhe_params tfhe_switch_params(const tfhe_families *f, uint32_t from, uint32_t into);
/* What the packing keyswitch works with: the big key of its family, n + 1 words of a row, its noise and gadget. */
tfhe_params tfhe_answers_params(const tfhe_families *f);
static inline uint32_t tfhe_other_family(uint32_t f)
{
    return 1 - f;
}
/* Structural ranges of all families and of the gadgets between them. The message numbers families from 1. */
annulus_status tfhe_families_check(const tfhe_families *f) __attribute__((warn_unused_result));
void tfhe_families_write(writer *w, const tfhe_families *f);
/* Checks; what is unused of *out is 0. */
annulus_status tfhe_families_read(reader *r, tfhe_families *out) __attribute__((warn_unused_result));
int tfhe_families_equal(const tfhe_families *a, const tfhe_families *b);

/* Bytes of keys: seeded (on disk, on the wire) and expanded (in memory); ksk: of tfhe_switch_params, 0 without one. */
size_t tfhe_bsk_seeded_bytes(const tfhe_params *p);
size_t tfhe_ksk_seeded_bytes(const tfhe_params *p);
size_t tfhe_bsk_memory_bytes(const tfhe_params *p);
size_t tfhe_ksk_memory_bytes(const tfhe_params *p);
/* Those of both keyswitches of answers, and of the second alone; 0 without. */
size_t tfhe_answers_seeded_bytes(const tfhe_families *f);
size_t tfhe_answers_memory_bytes(const tfhe_families *f);
size_t tfhe_answers_sent_memory_bytes(const tfhe_answers *a);
#endif
