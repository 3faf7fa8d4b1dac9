/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise operators between sums and their Quant, as one program. For onnx*.c only. */
#ifndef ONNX_ONNX_PROGRAM_H
#define ONNX_ONNX_PROGRAM_H

#include "nn/function.h"
#include "onnx/onnx_priv.h"

/* A value of the program, a number, or a constant of the model: one number, one for each offset, or one for each
 * neuron.
 */
typedef struct onnx_operand {
    size_t value;
    const onnx_constant *constant; /* NULL: none */
    const Onnx__NodeProto *normal; /* a normalisation's gains or, if it adds, terms; NULL: none */
    int adds;
    int varies; /* each neuron has its own */
    int is_number;
    double number;
} onnx_operand;
static inline int onnx_operand_is_value(const onnx_operand *o)
{
    return !o->is_number && o->constant == NULL && o->normal == NULL;
}

typedef struct onnx_step {
    function_op op;
    onnx_operand in[FUNCTION_MAX_OPERANDS];
    const char *name; /* of its result, value number of the step + 1; NULL: the model has none */
    int deep;  /* of shape (batch, channels, 1 or offsets, the dimensions of a channel), else without that axis */
    int wide;  /* one for each offset */
    int flat;  /* of shape (batch, all) where channels have dimensions */
    int whole; /* of an integer type */
} onnx_step;

/* Values that come of the sums, value 0. */
typedef struct onnx_program {
    const char *source;
    size_t features; /* neurons */
    size_t rank;     /* of a sample of the sums: channels, or neurons, and the dimensions of a channel */
    const size_t *dims;
    onnx_step steps[FUNCTION_MAX_STEPS];
    size_t count;
    size_t offsets; /* 1 until a constant has more */
    size_t result;
    int repeats;                /* a periodic function may come of it */
    const onnx_constant *table; /* that Gather takes; NULL: none */
} onnx_program;

/* Of one without constants that vary. */
double onnx_program_apply(const onnx_program *p, double u, size_t offset);
/* ---- onnx_vary.c: constants that each neuron has its own of ---- */
int onnx_program_varies(const onnx_program *p);
/* Whether numpy's broadcasting gives each value an element of the constant. flat: where channels have dimensions, the
 * values have one. */
int onnx_program_takes(const onnx_program *p, const onnx_constant *k, int flat);
/* Those that are the same for all neurons become numbers. */
annulus_status onnx_program_settle(onnx_graph *g, onnx_program *p) __attribute__((warn_unused_result));
/* ---- onnx_wave.c ---- */
/* Whether the program is a wave, whatever operators it is written in: sets what *out has of waves alone. */
int onnx_wave_fit(const onnx_program *p, onnx_function *out);
/* ---- onnx_wave_own.c ---- */
/* The same of a program that is no wave by name: whether a period is found of which the integers that each quantizer
 * (count) makes of its values are antiperiodic, and its offsets parts of half of it. f: it at offset 0. */
int onnx_wave_find(const onnx_program *p, const function *f, const quantizer *q, size_t count, onnx_function *out);
#endif
