/* SPDX-License-Identifier: Apache-2.0 */
/* A cost model of the processor that this runs on. */
#ifndef OPTIMIZER_CALIBRATE_H
#define OPTIMIZER_CALIBRATE_H

#include "base/progress.h"
#include "optimizer/cost.h"

#define COST_MOST_SAMPLES 64u

typedef struct cost_sample {
    tfhe_params p;
    double seconds; /* of one step, EF = 1; > 0 */
} cost_sample;

/* Sets fft, multiply, linear, wide and combine of *out. The first four are the least-squares fit of relative errors to
 * the samples of single key bits among non-negative constants; combine[g] is the mean of what the samples of g bits
 * leave, at least 0. *worst: the largest relative error of a sample. ANNULUS_ERR_INPUT, and nothing is set: the samples
 * do not determine the constants, or leave steps for nothing; each g needs some, g = 1 four of different rings. count
 * <= COST_MOST_SAMPLES. */
annulus_status cost_model_fit(const cost_sample *samples, size_t count, cost_model *out, double *worst)
    __attribute__((warn_unused_result));

/* Measures (tfhe/measure.h) and fits, on the calling thread and, for what all cores wait for, 8 s on all. budget:
 * seconds of the clock that it takes at most, as far as runs and rounds can be left out for it: of every measurement
 * one is made. Keys of steps are the smaller the slower the kernels are. The cost model in use stays what it is. Fails
 * without memory, if the callback asks to stop, or if the measurements cannot be fitted. */
#define COST_BUDGET 17.0
annulus_status cost_model_measure(const annulus_progress *progress, double budget, cost_model *out, double *worst)
    __attribute__((warn_unused_result));
#endif
