/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one real number, as short programs of element-wise operators of ONNX. */
#ifndef NN_FUNCTION_H
#define NN_FUNCTION_H

#include "base/status.h"
#include <stddef.h>

#define FUNCTION_MAX_STEPS 64u
#define FUNCTION_MAX_OPERANDS 3u
#define FUNCTION_MAX_POINTS 17u
#define FUNCTION_MAX_ENTRIES 256u
#define FUNCTION_MAX_VARY 16u

typedef enum function_op {
    FUNCTION_ADD,
    FUNCTION_SUB,
    FUNCTION_MUL,
    FUNCTION_DIV,
    FUNCTION_MOD,
    FUNCTION_POW,
    FUNCTION_MIN,
    FUNCTION_MAX,
    FUNCTION_LESS,
    FUNCTION_LESS_EQUAL,
    FUNCTION_GREATER,
    FUNCTION_GREATER_EQUAL,
    FUNCTION_WHERE,
    FUNCTION_CLIP,
    FUNCTION_PRELU,
    FUNCTION_ABS,
    FUNCTION_NEG,
    FUNCTION_FLOOR,
    FUNCTION_CEIL,
    FUNCTION_ROUND,
    FUNCTION_SIGN,
    FUNCTION_SIN,
    FUNCTION_COS,
    FUNCTION_ATAN,
    FUNCTION_ERF,
    FUNCTION_EXP,
    FUNCTION_LOG,
    FUNCTION_SQRT,
    FUNCTION_RECIPROCAL,
    FUNCTION_SIGMOID,
    FUNCTION_TANH,
    FUNCTION_SOFTPLUS,
    FUNCTION_SOFTSIGN,
    FUNCTION_RELU,
    FUNCTION_LEAKY_RELU,   /* in[1]: alpha */
    FUNCTION_ELU,          /* in[1]: alpha */
    FUNCTION_CELU,         /* in[1]: alpha */
    FUNCTION_SELU,         /* in[1]: alpha, in[2]: gamma */
    FUNCTION_HARD_SIGMOID, /* in[1]: alpha, in[2]: beta */
    FUNCTION_THRESHOLDED,  /* in[1]: alpha */
    FUNCTION_CAST,         /* to a whole number, towards 0 */
    FUNCTION_GATHER,       /* that entry of the function's table, from the last one back below 0, no number beyond */
    FUNCTION_COPY,
    FUNCTION_OPS
} function_op;

typedef struct function_operator {
    const char *name;         /* of ONNX, up to opset 13 */
    size_t inputs;            /* values or constants */
    const char *attribute[2]; /* behind them, as constants */
    double missing[2];
} function_operator;
extern const function_operator function_operators[FUNCTION_OPS];

/* Of operands: FUNCTION_MAX_OPERANDS, unused ones anything. */
double function_op_apply(function_op op, const double *x);

typedef struct function_operand {
    int is_constant;
    int varies;      /* a constant that each neuron has its own of, number `value` of them */
    size_t value;    /* 0: the argument, s: result of step s - 1 */
    double constant; /* as single precision holds it where it comes from a model */
} function_operand;

typedef struct function_step {
    function_op op;
    function_operand in[FUNCTION_MAX_OPERANDS];
} function_step;

/* The last step's result; without steps the argument. */
typedef struct function {
    size_t count;
    function_step steps[FUNCTION_MAX_STEPS];
    size_t entries; /* 0: no table, and no step that takes one */
    float table[FUNCTION_MAX_ENTRIES];
    size_t vary; /* constants that each neuron has its own of, at most FUNCTION_MAX_VARY */
} function;
/* Of one without such constants; of a neuron that has these (f->vary). */
double function_apply(const function *f, double x);
double function_apply_vary(const function *f, const double *vary, double x);
/* For building: appends a step of two values or of one and constants; returns its result's number. */
size_t function_append(function *f, function_op op, function_operand a, function_operand b, function_operand c);
static inline function_operand function_value(size_t number)
{
    return (function_operand){.value = number};
}
static inline function_operand function_constant(double v)
{
    return (function_operand){.is_constant = 1, .constant = v};
}
/* Appends the steps of f, of the last result so far (x of a program without steps). One of both has a table at most,
 * and no constants vary. */
void function_chain(function *out, const function *f);
/* f(by*x), of f with fewer than FUNCTION_MAX_STEPS steps; `by` as single precision holds it. */
void function_stretch(const function *f, double by, function *out);
/* Straight between the points (count, 2..FUNCTION_MAX_POINTS), level beyond the outermost. ANNULUS_ERR_INPUT: x does
 * not rise from point to point, or a number is not finite. */
annulus_status function_points(size_t count, const double *x, const double *y, function *out)
    __attribute__((warn_unused_result));
/* y[i] (count, 2..FUNCTION_MAX_ENTRIES) wherever first + i*apart is nearest. ANNULUS_ERR_INPUT: apart is not above 0,
 * or a number is not finite. */
annulus_status function_entries(size_t count, double first, double apart, const double *y, function *out)
    __attribute__((warn_unused_result));
/* By how much the arguments of two neighbouring entries of its table differ, if constants say so; 0: no table, or not
 * known. */
double function_entry_width(const function *f);
/* Of a function with a table. */
double function_gather(const float *table, size_t entries, double index);
/* Operands stand before their step, constants are finite, those that vary are there, and a table has a step that takes
 * it. */
annulus_status function_check(const function *f) __attribute__((warn_unused_result));
#endif
