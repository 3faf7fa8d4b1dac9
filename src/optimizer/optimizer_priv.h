/* SPDX-License-Identifier: Apache-2.0 */
/* The parameter search inside: over which sets and by what formulas (search_model: the shipped one and that of
 * published sets, which the tests search with the same code), the sets as points of a space (optimizer_space.c), the
 * searches for one family (optimizer_single.c) and two (optimizer_pair.c), and what remedies.c asks of them. */
#ifndef OPTIMIZER_OPTIMIZER_PRIV_H
#define OPTIMIZER_OPTIMIZER_PRIV_H

#include "optimizer/optimizer.h"

typedef struct gadget_grid { /* l in [1, l_last], b in [b_first, b_last], b*l <= bits */
    uint32_t l_last, b_first, b_last, bits;
} gadget_grid;

typedef struct search_model {
    struct {
        uint32_t first, last, step;
    } n;
    uint32_t k_last;     /* from 1 */
    uint32_t group_last; /* key bits a step, from 1; at most TFHE_MAX_GROUP */
    struct {
        uint32_t first, last;
    } N, kN;             /* N: powers of two */
    gadget_grid pbs, ks; /* l_last <= 64 */
    void (*front_init)(extension_front *f);
    void (*front_vary)(const extension_front *f, const tfhe_params *p, double *variance);
    /* Variances on the torus; INFINITY: not a set of the model. blind_rotate is proportional to n, of which common
     * (noise_common), in [0, 1/2], is independent. keyswitch grows with
     * k N, all that it takes of the ring, and depends on n through the noise of the key alone. Key noise is TUniform on
     * the curve of the request in p (lwe_noise, glwe_noise); a model may take its own. */
    double (*blind_rotate)(const tfhe_params *p);
    double (*common)(const tfhe_params *p);
    double (*keyswitch)(const tfhe_params *p);
    /* Seconds, or another unit; cost_step times n/g is the blind rotation at EF = 1. Both must grow with the levels,
     * and cost_keyswitch with k N, all that it takes of the ring, and n. cost_weight: of a linear layer's weight, of
     * the ring alone. */
    double (*cost_keyswitch)(const tfhe_params *p);
    double (*cost_step)(const tfhe_params *p);
    double (*cost_weight)(const tfhe_params *p);
    double near; /* sets whose objective is at most this times the least are as good; 1: none but the least */
    double pays; /* two families are taken below this times the objective of one */
} search_model;
extern const search_model search_model_shipped;

/* optimizer_search over the model's sets for a request whose error is per look-up; out has families, layers (family,
 * EF, price) and seconds, which are the model's. */
annulus_status optimizer_search_model(const optimizer_request *request, const search_model *model,
                                      optimizer_result *out) __attribute__((warn_unused_result));

/* Tables that a layer's rotations turn together: its modulus switch has steps of as many of the ring's. */
static inline double layer_slots(const lookup_layer *l)
{
    return (double)(1u << l->slot_bits);
}

/* Half window of look-ups whose tables have steps of 1/(2*EF*N/slots): borders of cells lie on these. Of outputs the
 * layer's. */
static inline double layer_window(const lookup_layer *l, uint32_t N, uint32_t EF)
{
    return l->is_output ? l->half_window
                        : l->half_window - lut_border((uint32_t)l->cells) * layer_slots(l) / (2.0 * EF * N);
}

/* What a layer's sums multiply the variance of a bootstrap by, of which coefficients have this share in common. */
static inline double layer_square(const lookup_layer *l, double common)
{
    return l->two_norm * l->two_norm + common * l->common;
}

/* ---- the space -------------------------------------------------------------------------------------------------- */

/* A decomposition and what it costs: `variance` per key bit (bootstrap) or in all (keyswitch), `seconds` of a step or a
 * keyswitch; lb, common: bootstrap alone. */
typedef struct gadget {
    unsigned l, lb, b;
    double variance, seconds, common;
} gadget;

/* An n that no smaller one makes superfluous: everything but the noise of its key grows with n. groups: bit g is set
 * if that holds of the n that g divides. */
typedef struct space_n {
    uint32_t n, lwe_noise;
    unsigned groups;
} space_n;

/* A ring and an n: keyswitch gadgets from the ring's big key into n, each of more levels and less noise than the one
 * before, and the variances of the modulus switch. */
typedef struct space_cell {
    int ready;
    size_t switches_count;
    gadget *switches;
    double *variance;                   /* of the front, for single key bits */
    double grouped[TFHE_MAX_GROUP + 1]; /* of EF = 1, for groups */
} space_cell;

typedef struct space_ring {
    tfhe_params p; /* k, N, glwe_noise */
    int ready;
    double weight, fresh;                       /* seconds of a weight, variance of fresh encryptions */
    size_t rotations_count[TFHE_MAX_GROUP + 1]; /* as switches: gadgets of falling noise, in the order of their rows */
    gadget *rotations[TFHE_MAX_GROUP + 1];
    space_cell *cells; /* (ns_count) */
} space_ring;

typedef struct search_space {
    const search_model *model;
    int keep; /* 0: the cells of the ring used last alone are kept */
    extension_front fronts[2];
    size_t ns_count, rings_count;
    space_n *ns;
    space_ring *rings;
    void *storage; /* of rings and cells */
} search_space;

annulus_status search_space_create(const search_model *model, security_level level, int keep, search_space **out)
    __attribute__((warn_unused_result));
void search_space_destroy(search_space *s);
/* With rotations, and the cell of a ring: computed when first asked for. Only the ring asked for last where not kept.
 */
space_ring *search_space_ring(search_space *s, size_t ring);
const space_cell *search_space_cell(search_space *s, space_ring *r, size_t n);

/* One family but for its keyswitch gadget. */
typedef struct point {
    tfhe_params p;
    const space_ring *ring;
    const space_cell *cell;
    const extension_front *front;
    const double *variance; /* (front->count) of the modulus switch */
    double rotate, noise;   /* seconds of a rotation by the cost of its extension; variance of its output */
    double common;          /* of which coefficients have this share in common */
    double bytes;           /* of the bootstrapping key, by the objective */
} point;
point search_space_point(search_space *s, space_ring *r, size_t n, uint32_t g, size_t rotation,
                         search_objective minimize);

/* Bytes by the objective (MINIMIZE_SECONDS: as MINIMIZE_KEY) of keys, and of the accumulator of a rotation. */
double search_bsk_bytes(search_objective minimize, const tfhe_params *p);
double search_ksk_bytes(search_objective minimize, const tfhe_params *p);
double search_rotation_bytes(search_objective minimize, const tfhe_params *p, uint32_t EF);

/* ---- the searches ----------------------------------------------------------------------------------------------- */

/* FASTEST: least seconds within limit_bytes. SMALLEST: least bytes. SMALLEST_NEAR: least bytes of families that within
 * limit_seconds have their fastest keyswitches. */
typedef enum search_goal { FASTEST, SMALLEST, SMALLEST_NEAR } search_goal;

/* A set; layers: family, EF and price. */
typedef struct candidate {
    tfhe_families families;
    layer_choice layers[OPTIMIZER_MAX_LAYERS];
    double seconds, bytes;
} candidate;

typedef struct search {
    const optimizer_request *request;
    search_space *space;
    double look_ups, weights;
    double bound[OPTIMIZER_MAX_LAYERS]; /* largest variance of the deciding phase, where borders take nothing */
    extension_window window[OPTIMIZER_MAX_LAYERS]; /* the same, of one slot */
    double output[OPTIMIZER_MAX_LAYERS];           /* of a bootstrap's output; INFINITY: any */
    size_t
        order[OPTIMIZER_MAX_LAYERS]; /* layers of look-ups, those that say the most about a set first; then outputs */
    size_t order_count;              /* of look-ups */
    layer_link links[OPTIMIZER_MAX_LAYERS];
    size_t groups_count; /* of values */
    double log2_p;       /* of search_begin */
    search_goal goal;
    double limit_seconds, limit_bytes; /* the best so far, exclusive, or what else limits */
    const tfhe_families *only; /* search_pairs: NULL, or the two to take, whatever their keyswitches; borrowed */
    int check_global;          /* take only sets that hold the request's global probability */
    size_t refused;            /* that do not */
    const space_ring *ring;    /* search_single: NULL, or the one to take */
    uint32_t group;            /* 0, or the key bits a step to take */
    unsigned levels;           /* search_single: 0, or those of the rotation's masks to take */
    int found;
    candidate best;
} search;

/* log2_p: bound of the layers without their own. */
void search_begin(search *s, const optimizer_request *q, search_space *space, double log2_p);
/* Whether families may take so many key bits a step. */
static inline int search_may_group(const search *s, uint32_t g)
{
    const optimizer_request *q = s->request;
    return (q->group == 0 || q->group == g) && (q->group_most == 0 || g <= q->group_most) &&
           (s->group == 0 || s->group == g);
}
/* Keeps a set that reaches the goal within the limits, which it then tightens. */
void search_take(search *s, const candidate *c);
/* One family: all sets, in the order of rings, n and g; of equal ones the first stays. */
annulus_status search_single(search *s) __attribute__((warn_unused_result));
/* Two. */
annulus_status search_pairs(search *s) __attribute__((warn_unused_result));
/* Split look-ups, fastest alone. */
annulus_status search_split(search *s) __attribute__((warn_unused_result));
/* The best by the objective alone; then the best of those near to it. `all` is one of the two above. */
annulus_status search_best(search *s, annulus_status (*all)(search *)) __attribute__((warn_unused_result));
annulus_status search_near(search *s, annulus_status (*all)(search *)) __attribute__((warn_unused_result));

/* The best of each kind; found 0: there is none that pays, or it was not asked for. log2_p: their bounds. */
typedef struct search_kinds {
    search one, two, split;
    double log2_one, log2_two, log2_split;
} search_kinds;
annulus_status search_kinds_find(const optimizer_request *q, search_space *space, search_kinds *k)
    __attribute__((warn_unused_result));
/* Of sets near to the fastest in large batches the best by the seconds of an inference on the request's threads:
 * optimizer_rank.c. *found 0: there is none, out is untouched. */
typedef struct ranked {
    candidate set;
    double log2_p, seconds; /* bound of the layers without their own; of an inference on the request's threads */
    double key_bytes;
} ranked;
annulus_status search_rank(const optimizer_request *q, search_space *space, int *found, ranked *out)
    __attribute__((warn_unused_result));

/* ---- split look-ups by given families --------------------------------------------------------------------------- */

/* At most, of the outputs. */
double split_output_variance(const tfhe_families *f, const lookup_layer *l, uint32_t low_bits);
/* Fills in what is predicted of layer l by c (split, EF, price), whose sums have this variance; its seconds are added.
 */
void split_predict(const tfhe_families *f, const lookup_layer *l, double sums, layer_choice *c);

/* ---- for remedies.c --------------------------------------------------------------------------------------------- */

typedef enum shortfall_kind { SHORT_OF_ERROR, SHORT_OF_PHASE, SHORT_OF_OUTPUT } shortfall_kind;

/* Of the family that comes nearest: the layer that keeps it from being enough, its bound, and what it reaches there:
 * log2 of probabilities or standard deviations. */
typedef struct shortfall {
    size_t layer;
    shortfall_kind kind;
    double wanted, reach;
    int shared;    /* what is wanted is its share of that of an inference, and the others keep to their bounds */
    double global; /* then log2 of the failure of an inference at the reach */
} shortfall;

/* The worst ratio of a layer's variance to its bound, of the family where it is least; 1 or less: there is a set, and
 * if `any` is set the first such family is as good as the best. *layer, *output (its bootstraps' output or its phase)
 * and *variance say where. */
double search_nearest(search *s, int any, size_t *layer, int *output, double *variance);
/* The best of one family, of a request that was checked: *found 0: there is none, out is untouched. */
annulus_status optimizer_find(const optimizer_request *q, search_space *space, int *found, optimizer_result *out)
    __attribute__((warn_unused_result));
/* What optimizer_search takes, of any kind. */
annulus_status optimizer_best(const optimizer_request *q, search_space *space, int *found, optimizer_result *out)
    __attribute__((warn_unused_result));
/* Whether optimizer_find finds one, sooner, or split look-ups do. */
annulus_status optimizer_feasible(const optimizer_request *q, search_space *space, int *feasible)
    __attribute__((warn_unused_result));
/* Of a request without a set. */
annulus_status optimizer_shortfall(const optimizer_request *q, search_space *space, shortfall *out)
    __attribute__((warn_unused_result));
/* ANNULUS_ERR_INFEASIBLE with what is missing; where the request has `helps`, these are set, and said. */
annulus_status remedies_fail(const optimizer_request *q, search_space *space) __attribute__((warn_unused_result));
#endif
