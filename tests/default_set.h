/* SPDX-License-Identifier: Apache-2.0 */
/* The default set of tfhe-rs (message 2, carry 2): 4-bit look-ups, failure probability 2^-129 at two-norm 5. */
#ifndef TESTS_DEFAULT_SET_H
#define TESTS_DEFAULT_SET_H

#include "tfhe/params.h"

static const tfhe_params default_set = {.n = 918,
                                        .k = 1,
                                        .N = 2048,
                                        .pbs_l = 1,
                                        .pbs_lb = 1,
                                        .pbs_bg = 23,
                                        .pbs_group = 1,
                                        .ks_l = 4,
                                        .ks_b = 4,
                                        .lwe_noise = 13,
                                        .glwe_noise = 17};
#endif
