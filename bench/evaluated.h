/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits compiled and evaluated on data sets, through the public interface. */
#ifndef BENCH_EVALUATED_H
#define BENCH_EVALUATED_H

#include "annulus/annulus.h"
#include "bench.h"

static inline annulus_evaluation evaluated(const annulus_circuit *c, const annulus_dataset *d, annulus_mode mode)
{
    annulus_evaluation e;
    must(annulus_evaluate(c, d, mode, 1, 0, NULL, NULL, &e));
    return e;
}

static inline annulus_dataset *first_samples(const annulus_dataset *d, size_t count)
{
    annulus_dataset *first;
    must(annulus_dataset_slice(d, 0, count, &first));
    return first;
}
#endif
