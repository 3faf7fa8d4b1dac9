/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise operators between sums and their Quant, as one program. For onnx*.c only. */
#ifndef ONNX_ONNX_PROGRAM_H
#define ONNX_ONNX_PROGRAM_H

#include "nn/function.h"
#include "onnx/onnx_priv.h"

/* A value of the program, a number, or a constant of the model: one number, or one for each offset. */
typedef struct onnx_operand {
    size_t value;
    const onnx_constant *constant; /* NULL: none */
    int is_number;
    double number;
} onnx_operand;

typedef struct onnx_step {
    function_op op;
    onnx_operand in[FUNCTION_MAX_OPERANDS];
    const char *name; /* of its result, value number of the step + 1; NULL: the model has none */
    int deep; /* of shape (batch, channels, 1 or offsets, the dimensions of a channel), else without that axis */
    int wide; /* one for each offset */
    int flat; /* of shape (batch, all) where channels have dimensions */
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
    int repeats; /* a periodic function may come of it */
} onnx_program;

/* From node `first` to the Quant of what comes of the current value, which alone takes values that the program makes on
 * the way; *end its number, 0: no such program. Folds constants on the way, and passes over nodes of other branches. */
annulus_status onnx_program_read(onnx_chain *c, size_t first, onnx_program *p, size_t *end)
    __attribute__((warn_unused_result));
/* Marks the program's nodes among those from first to end as taken. */
void onnx_program_take(onnx_chain *c, const onnx_program *p, size_t first, size_t end);
int onnx_program_is_flat(const onnx_program *p); /* its result */
double onnx_program_apply(const onnx_program *p, double u, size_t offset);
#endif
