/* SPDX-License-Identifier: Apache-2.0 */
/* Toy parameters for tests, as an initializer: n, k, N; of the rotation levels l, those of the body lb, bits of the
 * base, key bits a step; noise of the small key and of the big one; then the keyswitch, .ks_l = 0: none. */
#ifndef TESTS_TOY_SET_H
#define TESTS_TOY_SET_H

#define TOY_SET(n_, k_, N_, l_, lb_, bits_, group_, lwe_, glwe_, ...)                                                  \
    {                                                                                                                  \
        .n = (n_), .k = (k_), .N = (N_), .pbs_l = (l_), .pbs_lb = (lb_), .pbs_bg = (bits_), .pbs_group = (group_),     \
        .lwe_noise = (lwe_), .glwe_noise = (glwe_), __VA_ARGS__                                                        \
    }
#endif
