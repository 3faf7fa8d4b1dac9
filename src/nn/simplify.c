/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/pass.h"

annulus_status network_simplify(const network *n, network **out, pass_counts *counts)
{
    network *c = NULL;
    pass_counts all = {0};
    struct {
        pass *run;
        size_t *count;
    } passes[] = {
        {pass_constant, &all.constant}, {pass_dead, &all.dead}, {pass_equal, &all.equal}, {pass_layers, &all.layers}};
    TRY(network_check(n));
    TRY(pass_copy(n, &c));
    annulus_status st = ANNULUS_OK;
    for (size_t found = 1; st == ANNULUS_OK && found > 0;) {
        found = 0;
        for (size_t i = 0; st == ANNULUS_OK && i < sizeof passes / sizeof *passes; i++) {
            size_t some = 0;
            st = passes[i].run(c, &some);
            *passes[i].count += some;
            found += some;
        }
    }
    if (st == ANNULUS_OK) st = network_check(c);
    if (st != ANNULUS_OK) {
        network_destroy(c);
        return st;
    }
    *out = c;
    *counts = all;
    return ANNULUS_OK;
}
