/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions and statistics of audits; for audit*.c and their tests. */
#ifndef CIRCUIT_AUDIT_PRIV_H
#define CIRCUIT_AUDIT_PRIV_H

#include "circuit/audit.h"

/* How strongly the counted neurons of one sample depend on each other. */
typedef struct audit_dependence {
    double square, largest; /* |C|^2, at least the number of neurons; bound on the largest eigenvalue, at least 1 */
} audit_dependence;

/* What the model says of a layer's neurons, and which count. */
typedef struct audit_expected {
    size_t out;
    unsigned char *counts;           /* (out) */
    double *sum, *phase;             /* (out) variances, torus, at most */
    double *sum_least, *phase_least; /* (out) at least */
    double *errors; /* (out,3) of split look-ups: probability of an error with the least noise within the tolerance, as
                       predicted, and with the most; NULL of others */
    size_t counted;
    audit_dependence sums, phases;
} audit_expected;

/* Of all layers, one after another: out (layers_count). */
annulus_status audit_expect(const circuit *c, const audit_model *model, audit_expected **out)
    __attribute__((warn_unused_result));
void audit_expected_destroy(audit_expected *e, size_t layers);

/* Two-sided: z = sum of e^2/sigma^2 over `samples` times `counted` values, by the least variances for too little noise,
 * by the most for too much. Natural logarithm of the p-value's bound. */
double audit_variance_log_p(double z_least, double z_most, double counted, double samples, const audit_dependence *d);
/* Two-sided: errors among look-ups of which `least` and `most` are expected to err at the ends of the tolerance. */
double audit_errors_log_p(double look_ups, double errors, double least, double most, double largest);
/* Probability that noise of this deviation (torus) leads a look-up of layer l at accumulator acc to another cell. */
double audit_error_probability(const circuit *c, const circuit_layer *l, size_t o, int64_t acc, double deviation);
#endif
