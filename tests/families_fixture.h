/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits in two families, whatever the search would choose: layers of look-ups alternate between a ring of three
 * polynomials and a single one, from the first, so that inputs need the own keyswitch of family 0 alone, and all other
 * layers one of the conversions. */
#ifndef TESTS_FAMILIES_FIXTURE_H
#define TESTS_FAMILIES_FIXTURE_H

#include "nn_fixture.h"

static inline tfhe_families two_families(void)
{
    tfhe_families f = {.count = 2,
                       .of = {{.n = 840, .k = 3, .N = 512, .pbs_l = 2, .pbs_lb = 2, .pbs_bg = 14, .pbs_group = 1},
                              {.n = 800, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 1}},
                       .into = {{.l = 9, .b = 2}, {.l = 4, .b = 4}}};
    f.of[0].ks_l = 5, f.of[0].ks_b = 3;
    for (size_t i = 0; i < 2; i++) {
        f.of[i].lwe_noise = security_tuniform_bound(f.of[i].n, 32, SECURITY_128);
        f.of[i].glwe_noise = security_tuniform_bound((double)tfhe_big_dim(&f.of[i]), 64, SECURITY_128);
    }
    assert_ok(tfhe_families_check(&f));
    return f;
}

/* The same program in these families, EF*N of every layer `steps` or N, with the predictions and the digest of its
 * file; c is destroyed. */
static inline circuit *circuit_in_families(circuit *c, const tfhe_families *f, uint32_t steps)
{
    circuit *out = NULL;
    writer w;
    c->choice.families = *f;
    for (size_t i = 0; i < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        l->family = l->cells != 0 ? i % 2 : i == 0 ? 0 : c->layers[i - 1].family;
        const uint32_t N = f->of[l->family].N;
        l->EF = l->cells == 0 ? 0 : steps < N ? 1 : steps / N;
        l->price = 0;
    }
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "two families"};
    assert_ok(circuit_read(&r, &out));
    assert_ok(read_end(&r));
    writer_clear(&w);
    circuit_destroy(c);
    return out;
}
#endif
