/* SPDX-License-Identifier: Apache-2.0 */
/* Minimal noise for 128-bit security with binary secrets (SECURITY.md, The security curve). */
#ifndef OPTIMIZER_SECURITY_H
#define OPTIMIZER_SECURITY_H

#include "tfhe/params.h"

typedef enum security_level { SECURITY_128 = 128, SECURITY_132 = 132 } security_level;
/* log2 of the smallest secure standard deviation (torus) for LWE dimension dim and modulus 2^logq; +infinity for dim <
 * 450. */
double security_log2_std(double dim, unsigned logq, security_level level);
/* Smallest B with the standard deviation of TUniform(B) at 2^logq on or above the curve. dim >= 450. */
unsigned security_tuniform_bound(double dim, unsigned logq, security_level level);
/* Refuses parameters below the curve; the message names the dimension, the noise and the noise required. */
annulus_status security_check(const tfhe_params *p, security_level level) __attribute__((warn_unused_result));
/* The same of the key of answers; those that are not packed pass. */
annulus_status security_check_answers(const tfhe_answers *a, security_level level) __attribute__((warn_unused_result));
#endif
