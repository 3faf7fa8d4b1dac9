/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/lwe.h"

#include "tfhe/keys_priv.h"

/* <a, s> for binary s in words 0/1: masks instead of products or branches. */
static uint64_t inner_product(const uint64_t *a, const uint64_t *s, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] & -s[i];
    return sum;
}

uint64_t lwe_phase(const secret_key *key, const uint64_t *ct)
{
    const size_t dim = tfhe_big_dim(&key->params);
    return ct[dim] - inner_product(ct, key->S, dim);
}

uint32_t lwe_small_phase(const secret_key *key, const uint32_t *ct)
{
    uint32_t phase = ct[key->params.n];
    for (size_t i = 0; i < key->params.n; i++) phase -= ct[i] & -(uint32_t)key->s[i];
    return phase;
}

uint32_t lwe_rotation_step(const secret_key *key, uint32_t EF, uint32_t slot_bits, const uint32_t *exponents)
{
    const tfhe_params *p = &key->params;
    uint32_t step = exponents[tfhe_exponents(p) - 1];
    for (size_t i = 0; i < tfhe_steps(p) * tfhe_step_patterns(p); i++)
        step -= exponents[i] & (uint32_t)secret_key_selector(key, i);
    return step & ((2 * EF * p->N >> slot_bits) - 1);
}
