/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter search: the cheapest secure key family, and an extension factor and price per look-up layer. */
#ifndef OPTIMIZER_OPTIMIZER_H
#define OPTIMIZER_OPTIMIZER_H

#include "optimizer/cost.h"
#include "optimizer/noise.h"
#include "optimizer/security.h"

#define OPTIMIZER_MAX_LAYERS 64u

/* One layer of look-ups (or, with count 0 look-ups and is_output 1, values that are decrypted). */
typedef struct lookup_layer {
    const char *name; /* for messages; borrowed */
    double
        half_window; /* largest phase error that still hits the right cell, fraction of the torus: 1/(4*cells) padded */
    double two_norm; /* largest two-norm of integer weights over bootstrapped inputs, 0 if none */
    double fresh_two_norm; /* the same over freshly encrypted inputs */
    double cells;          /* number of cells of the table: EF*N must be >= 2*cells */
    size_t count;          /* look-ups (1 per neuron), or decrypted values */
    double weights;        /* of the linear layer before them: as many as take its time (cost.h), 0 if none */
    int is_output;         /* decrypted, not bootstrapped: no keyswitch and modulus-switch noise */
    double log2_error;     /* log2 of the layer's own bound on the failure of one look-up; 0: the request's */
} lookup_layer;

typedef enum error_target { ERROR_PER_LOOKUP, ERROR_GLOBAL } error_target;

typedef struct optimizer_request {
    const lookup_layer *layers;
    size_t layers_count;
    error_target target;
    double log2_error; /* log2 of p_error (per look-up) or of global_p_error (whole inference) */
    security_level level;
    uint32_t group; /* key bits a step of the rotation; 0: the best of 1 to 3, more than 1 if every EF is 1 */
} optimizer_request;

typedef struct layer_choice {
    uint32_t family;     /* that does its look-ups; of outputs that of the values they are decrypted from */
    uint32_t EF, price;  /* 0 for outputs */
    double phase_std;    /* predicted standard deviation of the deciding phase */
    double log2_failure; /* predicted failure probability of one look-up */
    double seconds;      /* predicted, one core, whole layer with its weights */
} layer_choice;

typedef struct optimizer_result {
    tfhe_families families;
    layer_choice layers[OPTIMIZER_MAX_LAYERS];
    double log2_error;          /* bound held for one look-up of the layers without their own */
    double log2_global_failure; /* of one inference */
    double seconds;             /* predicted, one core, one inference */
} optimizer_result;

/* The cheapest set whose every look-up fails at most as often as its bound. With ERROR_GLOBAL the bound of the layers
 * without their own is the largest (to 1 %) at which that set's failures, 1 - prod(1 - p) over all look-ups and
 * outputs, stay within log2_error. ANNULUS_ERR_INPUT: a probability outside [2^-512, 1), or own bounds that alone
 * exceed the global one. ANNULUS_ERR_INFEASIBLE names the layer, what it asks for (bits, two-norm, probability), the
 * best reachable probability and what would help (remedies.c). */
annulus_status optimizer_search(const optimizer_request *request, optimizer_result *out)
    __attribute__((warn_unused_result));
/* The same prediction for given families and, of each layer (layers_count), family, EF and price (ignored for outputs;
 * EF = 1 if pbs_group > 1). layers may be out->layers. */
void optimizer_predict(const optimizer_request *request, const tfhe_families *families, const layer_choice *layers,
                       optimizer_result *out);

/* log2 of the failure of `count` look-ups, 1 - (1 - p)^count, and of the p that makes it. */
double global_from_lookup_log2(double log2_p, double count);
double lookup_from_global_log2(double log2_global, double count);
#endif
