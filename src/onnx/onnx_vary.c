/* SPDX-License-Identifier: Apache-2.0 */
/* Constants of functions that each neuron has its own of. */
#include "onnx/onnx_program.h"
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Their shape is all that is known of the values. */
static onnx_tensor shape_of(const size_t *dims, size_t rank, size_t features, int flat)
{
    onnx_tensor x = {.rank = flat ? 1 : rank, .dims = {features}, .count = features};
    if (x.rank > 1) memcpy(x.dims, dims, rank * sizeof *dims);
    return x;
}

int onnx_program_takes(const onnx_program *p, const onnx_constant *k, int flat)
{
    const onnx_tensor x = shape_of(p->dims, p->rank, p->features, flat);
    return onnx_tensor_takes(&x, k);
}

int onnx_program_varies(const onnx_program *p)
{
    int any = 0;
    for (size_t i = 0; i < p->result; i++)
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) any |= p->steps[i].in[k].varies;
    return any;
}

/* What a normalisation makes of a channel, in single precision, as files hold it. */
static double normal_at(const onnx_normal *b, int adds, size_t channel)
{
    return (double)(float)(adds ? onnx_normal_term(b, channel) : onnx_normal_gain(b, channel));
}

/* Gains or terms of all channels are the same number, *v. */
static annulus_status normal_is_one(onnx_graph *g, const onnx_operand *o, size_t channels, int *one, double *v)
{
    onnx_normal b;
    TRY(onnx_normal_parse(g, o->normal, channels, &b));
    *v = normal_at(&b, o->adds, 0);
    *one = 1;
    for (size_t c = 0; c < channels; c++) {
        const double other = normal_at(&b, o->adds, c);
        if (!isfinite(other)) return onnx_node_fail(o->normal, "what channel %zu becomes is not finite", c);
        *one &= other == *v;
    }
    return ANNULUS_OK;
}

annulus_status onnx_program_settle(onnx_graph *g, onnx_program *p)
{
    for (size_t i = 0; i < p->result; i++)
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) {
            onnx_operand *o = &p->steps[i].in[k];
            const onnx_constant *all = o->constant;
            int one = 1;
            if (!o->varies) continue;
            if (all == NULL)
                TRY(normal_is_one(g, o, p->steps[i].flat ? p->features : p->dims[0], &one, &o->number));
            else
                o->number = (double)all->f[0];
            for (size_t e = 0; all != NULL && one && e < all->count; e++) one = all->f[e] == all->f[0];
            o->is_number = one;
            o->varies = !one;
        }
    return ANNULUS_OK;
}

/* column (features) <- constant v of the neurons. */
static annulus_status column_fill(const onnx_chain *c, const onnx_vary *v, double *column)
{
    const onnx_tensor x = shape_of(c->dims, c->rank, c->features, v->flat);
    onnx_normal b;
    if (v->constant == NULL) TRY(onnx_normal_parse(c->g, v->normal, x.dims[0], &b));
    for (size_t o = 0; o < c->features; o++)
        column[o] = v->constant == NULL ? normal_at(&b, v->adds, o / (c->features / x.dims[0]))
                                        : (double)v->constant->f[onnx_tensor_index(&x, v->constant, o)];
    return ANNULUS_OK;
}

annulus_status onnx_function_vary(const onnx_chain *c, const onnx_function *f, double **out)
{
    annulus_status st = ANNULUS_OK;
    void *p;
    *out = NULL;
    if (f->f.vary == 0) return ANNULUS_OK;
    TRY(mem_create(f->f.vary * c->features, sizeof(double), "constants of neurons", &p));
    for (size_t v = 0; st == ANNULUS_OK && v < f->f.vary; v++)
        st = column_fill(c, &f->vary[v], (double *)p + v * c->features);
    if (st == ANNULUS_OK)
        *out = p;
    else
        mem_free(p);
    return st;
}
