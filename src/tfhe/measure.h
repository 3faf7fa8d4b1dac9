/* SPDX-License-Identifier: Apache-2.0 */
/* How long this processor takes for the parts of an inference, for the cost model (optimizer/cost.h). */
#ifndef TFHE_MEASURE_H
#define TFHE_MEASURE_H

#include "tfhe/params.h"

/* Seconds of computing on the calling thread, median of several runs, the processor's clock and caches as they are
 * then. Keys and ciphertexts are random words, which cost what real ones do. *seconds is set on success only. Fail
 * without memory. */

/* One step of p->pbs_group key bits of one ciphertext at EF = 1, in the batches that bootstrap_batch makes. */
annulus_status measure_step(const tfhe_params *p, double *seconds) __attribute__((warn_unused_result));
/* One keyswitch, in batches. */
annulus_status measure_keyswitch(const tfhe_params *p, double *seconds) __attribute__((warn_unused_result));
/* One product of a weight, within [-511, 511], and a word of a ciphertext in a linear layer. */
annulus_status measure_multiply_add(double *seconds) __attribute__((warn_unused_result));
#endif
