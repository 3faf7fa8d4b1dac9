/* SPDX-License-Identifier: Apache-2.0 */
/* How long this processor takes for the parts of an inference, for the cost model (optimizer/cost.h). */
#ifndef TFHE_MEASURE_H
#define TFHE_MEASURE_H

#include "tfhe/params.h"

/* Seconds of computing on the calling thread, median of several runs, the processor's clock and caches as they are
 * then. Keys and ciphertexts are random words, which cost what real ones do. limit: seconds of the clock, keys made
 * before not counted, after which no further run begins; the first, which else brings data into the caches, is taken
 * if there is no other. *seconds is set on success only. Fail without memory. */

/* One step of p->pbs_group key bits of one ciphertext at EF = 1, in a batch of `count` (1 to 32) as bootstrap_batch
 * makes it. */
annulus_status measure_step(const tfhe_params *p, size_t count, double limit, double *seconds)
    __attribute__((warn_unused_result));
/* One keyswitch, in a batch of `count` (1 to 32). */
annulus_status measure_keyswitch(const tfhe_params *p, size_t count, double limit, double *seconds)
    __attribute__((warn_unused_result));
/* One word of the ciphertexts of a linear layer (out, in) of weights within [-511, 511]. */
annulus_status measure_linear(size_t out, size_t in, double limit, double *seconds) __attribute__((warn_unused_result));
/* One word of a packed value that is expanded (tfhe/packed.h). */
annulus_status measure_expand(double limit, double *seconds) __attribute__((warn_unused_result));
/* A keyswitch and bootstrap at EF = 1 in a batch of `count` (1 to 32): of one core's computing while the others rest,
 * and of the clock while all do as many together (bootstrap_batch on all threads). Without OpenMP there is one. Other
 * users of a machine come and go within seconds, and with them what its memory gives: a probe is run many times, in
 * turns with others. */
typedef struct crowd_probe crowd_probe;
#define CROWD_RUNS 32u /* at most */
annulus_status crowd_probe_create(const tfhe_params *p, size_t count, crowd_probe **out)
    __attribute__((warn_unused_result));
void crowd_probe_destroy(crowd_probe *c); /* NULL allowed */
annulus_status crowd_probe_run(crowd_probe *c) __attribute__((warn_unused_result));
void crowd_probe_seconds(const crowd_probe *c, double *alone, double *crowded); /* medians, after a run at least */
#endif
