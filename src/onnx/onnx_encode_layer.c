/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_builder.h"

#include <math.h>
#include <string.h>

#define STEP_BYTES ((size_t)4096) /* messages and names around one step of a function */

static int is_conv(const dense_layer *l)
{
    return l->windows.channels > 0;
}

/* Averages of the current value. */
static char *average(onnx_builder *b, const gather_windows *g)
{
    char *const x[1] = {b->value};
    const int all = g->kernel[0] == g->size[0] && g->kernel[1] == g->size[1];
    Onnx__NodeProto *n = builder_node(b, all ? "GlobalAveragePool" : "AveragePool", b->graph.n_node, 1, x);
    if (!all) {
        builder_ints(b, n, "kernel_shape", g->kernel, 2);
        builder_ints(b, n, "strides", g->stride, 2);
    }
    return n->output[0];
}

/* The current value <- what layer i takes: sources added up, averages, as channels, rows and columns or flat. */
static void encode_arriving(onnx_builder *b, const network *n, size_t i)
{
    const dense_layer *l = &n->layers[i];
    const gather_windows *g = &l->windows;
    const size_t dims[3] = {g->channels, g->size[0], g->size[1]};
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    const int spatial = sources[0] > 0 && is_conv(&n->layers[sources[0] - 1]); /* channels, rows and columns */
    b->value = b->values[sources[0]];
    for (size_t k = 1; k < count; k++) b->value = builder_apply(b, "Add", b->value, b->values[sources[k]]);
    if (l->average.channels > 0) b->value = average(b, &l->average);
    if (is_conv(l) && !spatial) b->value = builder_reshape(b, b->value, 3, dims);
    if (!is_conv(l) && spatial) b->value = builder_apply(b, "Flatten", b->value, NULL);
}

/* Weights of a layer: rows of taps, each with one scale and bias, those of its outputs from row*places on. The matrices
 * of a network have every tap `each` times, once for each value that is added up in front of it. */
typedef struct rows {
    size_t rows, taps, places, each;
    double parts;  /* values of one average */
    unsigned bits; /* at least */
} rows;

static rows rows_of(const dense_layer *l)
{
    const linear_block *k = l->linear.blocks;
    if (l->W != NULL) return (rows){l->out, l->in, 1, 1, 1, l->weight_bits < 2 ? 2 : l->weight_bits};
    const gather_windows *g = &l->average;
    const size_t parts = g->channels > 0 ? g->kernel[0] * g->kernel[1] : 1,
                 each = parts * (l->sources_count > 0 ? l->sources_count : 1);
    return (rows){k->rows * l->linear.blocks_count, k->taps / each, k->places, each, (double)parts, 2};
}

static int32_t weight(const dense_layer *l, const rows *r, size_t o, size_t tap)
{
    if (l->W != NULL) return l->W[o * l->in + tap];
    const linear_block *k = &l->linear.blocks[o / l->linear.blocks[0].rows];
    return k->W[o % k->rows * k->taps + tap * r->each];
}

/* The signed Quant that holds every weight, narrow where its least value is absent. */
static quantizer weight_quantizer(const dense_layer *l, const rows *r)
{
    quantizer q = {.scale = 1, .bits = r->bits, .is_signed = 1, .narrow = 1};
    int32_t least = 0, most = 0;
    for (size_t i = 0; i < r->rows * r->taps; i++) {
        const int32_t w = weight(l, r, i / r->taps, i % r->taps);
        least = w < least ? w : least;
        most = w > most ? w : most;
    }
    /* +2^(bits-1) is allowed in a network */
    while (most >= (int32_t)1 << (q.bits - 1) || least < -((int32_t)1 << (q.bits - 1))) q.bits++;
    q.narrow = least > -((int32_t)1 << (q.bits - 1));
    return q;
}

unsigned onnx_layer_weight_bits(const dense_layer *l)
{
    const rows r = rows_of(l);
    return weight_quantizer(l, &r).bits;
}

/* Conv or Gemm of the current value, which is shaped for it. */
static annulus_status encode_linear(onnx_builder *b, const dense_layer *l, size_t index)
{
    const rows r = rows_of(l);
    const gather_windows *g = &l->windows;
    const int conv = is_conv(l);
    const size_t groups = l->W == NULL ? l->linear.blocks_count : 1;
    char *weights = builder_name(b, "weights", index), *scales = builder_name(b, "weight_scales", index),
         *bias = builder_name(b, "bias", index);
    const size_t dims[4] = {r.rows, conv ? g->channels / groups : r.taps, g->kernel[0], g->kernel[1]},
                 ones[4] = {r.rows, 1, 1, 1};
    float *w = builder_floats(b, weights, conv ? 4 : 2, dims), *s = builder_floats(b, scales, conv ? 4 : 2, ones),
          *c = builder_floats(b, bias, 1, dims);
    const quantizer q = weight_quantizer(l, &r);
    for (size_t o = 0; o < r.rows; o++) {
        TRY(onnx_narrow(l->w_scale[o * r.places] * r.parts, "weight scale", o, &s[o]));
        TRY(onnx_narrow(l->bias[o * r.places], "bias", o, &c[o]));
        for (size_t i = 0; i < r.taps; i++) w[o * r.taps + i] = s[o] * (float)weight(l, &r, o, i);
    }
    char *const inputs[3] = {b->value, builder_quant(b, 1000 + index, weights, scales, &q), bias};
    Onnx__NodeProto *n = builder_node(b, conv ? "Conv" : "Gemm", index, 3, inputs);
    if (conv) {
        builder_ints(b, n, "kernel_shape", g->kernel, 2);
        builder_ints(b, n, "strides", g->stride, 2);
        builder_ints(b, n, "pads", g->pad, 4);
        if (groups > 1) builder_int(b, n, "group", (int64_t)groups);
    } else {
        builder_int(b, n, "transB", 1);
    }
    b->value = n->output[0];
    return ANNULUS_OK;
}

/* 1 - 4*|u - floor(u + 1/2)| */
static char *triangle(onnx_builder *b, char *u)
{
    char *nearest = builder_apply(b, "Floor", builder_apply(b, "Add", u, builder_number(b, 0.5)), NULL);
    char *distance = builder_apply(b, "Abs", builder_apply(b, "Sub", u, nearest), NULL);
    return builder_apply(b, "Sub", builder_number(b, 1), builder_apply(b, "Mul", distance, builder_number(b, 4)));
}

static char *table(onnx_builder *b, const function *f)
{
    char *name = builder_name(b, "table", b->graph.n_initializer);
    memcpy(builder_floats(b, name, 1, &f->entries), f->table, f->entries * sizeof *f->table);
    return name;
}

/* Whether a step makes a number of what is none yet: of a comparison, or of an integer. */
static int is_cast(const function *f, const function_step *s)
{
    if (s->op != FUNCTION_COPY || s->in[0].is_constant || s->in[0].value == 0) return 0;
    const function_op of = f->steps[s->in[0].value - 1].op;
    return of == FUNCTION_CAST || (of >= FUNCTION_LESS && of <= FUNCTION_GREATER_EQUAL);
}

/* Value k of a step's operands, a number where it is an integer that the step does not take as such. vary: names of the
 * constants that vary. */
static char *operand(onnx_builder *b, const function *f, const function_step *s, size_t k, char *const *value,
                     char *const *vary)
{
    const function_operand *o = &s->in[k];
    if (o->is_constant) return builder_number(b, o->constant);
    if (o->varies) return vary[o->value];
    const int integer = o->value > 0 && f->steps[o->value - 1].op == FUNCTION_CAST;
    if (!integer || s->op == FUNCTION_COPY || s->op == FUNCTION_CAST || s->op == FUNCTION_GATHER)
        return value[o->value];
    char *const in[1] = {value[o->value]};
    Onnx__NodeProto *n = builder_node(b, "Cast", b->graph.n_node, 1, in);
    builder_int(b, n, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    return n->output[0];
}

/* Names of constants that each neuron or, of a convolution, channel has its own of. */
static annulus_status encode_vary(onnx_builder *b, const dense_layer *l, char *vary[FUNCTION_MAX_VARY])
{
    const rows r = rows_of(l);
    const size_t dims[3] = {r.rows, 1, 1};
    for (size_t v = 0; v < l->own.vary; v++) {
        vary[v] = builder_name(b, "constants", b->graph.n_initializer);
        float *f = builder_floats(b, vary[v], is_conv(l) ? 3 : 1, dims);
        for (size_t o = 0; o < r.rows; o++) TRY(onnx_narrow(l->vary[v * l->out + o * r.places], "constant", o, &f[o]));
    }
    return ANNULUS_OK;
}

/* A node for each step. */
static void encode_function(onnx_builder *b, const function *f, char *const *vary)
{
    char *value[FUNCTION_MAX_STEPS + 1] = {b->value};
    for (size_t i = 0; i < f->count; i++) {
        const function_step *s = &f->steps[i];
        const function_operator *op = &function_operators[s->op];
        char *inputs[FUNCTION_MAX_OPERANDS];
        for (size_t k = 0; k < op->inputs; k++) inputs[k] = operand(b, f, s, k, value, vary);
        if (s->op == FUNCTION_GATHER) inputs[1] = inputs[0], inputs[0] = table(b, f);
        const int cast = is_cast(f, s);
        Onnx__NodeProto *n =
            builder_node(b, cast ? "Cast" : op->name, b->graph.n_node, op->inputs + (s->op == FUNCTION_GATHER), inputs);
        for (size_t k = 0; k < 2 && op->attribute[k] != NULL; k++)
            builder_float(b, n, op->attribute[k], s->in[op->inputs + k].constant);
        if (s->op == FUNCTION_MOD) builder_int(b, n, "fmod", 1);
        if (s->op == FUNCTION_CAST) builder_int(b, n, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
        if (cast) builder_int(b, n, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        value[i + 1] = n->output[0];
    }
    b->value = value[f->count];
}

static char *wave(onnx_builder *b, const dense_layer *l, char *u)
{
    if (l->act == ACTIVATION_TRIANGLE) return triangle(b, u);
    if (l->act == ACTIVATION_WAVE) {
        b->value = u;
        encode_function(b, &l->own, NULL);
        return b->value;
    }
    if (l->act == ACTIVATION_SINE)
        return builder_apply(b, "Sin", builder_apply(b, "Mul", u, builder_number(b, 2 * M_PI)), NULL);
    if (l->act == ACTIVATION_TRAPEZOID) {
        char *steep = builder_apply(b, "Div", triangle(b, builder_apply(b, "Sub", u, builder_number(b, 0.25))),
                                    builder_number(b, 2 * l->rise));
        char *const inputs[3] = {steep, builder_number(b, -1), builder_number(b, 1)};
        return builder_node(b, "Clip", b->graph.n_node, 3, inputs)->output[0];
    }
    char *part = builder_apply(b, "Sub", u, builder_apply(b, "Floor", u, NULL));
    char *const inputs[3] = {builder_apply(b, "Less", part, builder_number(b, 0.5)), builder_number(b, 1),
                             builder_number(b, -1)};
    return builder_node(b, "Where", b->graph.n_node, 3, inputs)->output[0];
}

/* act(u + j/(2*offsets)) of each neuron, or channel and place, j along an axis of its own behind neurons or channels.
 */
static annulus_status encode_wave(onnx_builder *b, const dense_layer *l)
{
    char *u = b->value;
    size_t deep[4] = {l->out, 1, 1, 1}, dims[5] = {1, 1, l->offsets, 1, 1}, flat[3] = {dense_layer_values(l), 1, 1};
    const size_t rank = is_conv(l) ? 3 : 1;
    if (is_conv(l)) {
        TRY(gather_count(&l->windows, deep + 2));
        deep[0] = l->out / (deep[2] * deep[3]);
        flat[0] = deep[0] * l->offsets, flat[1] = deep[2], flat[2] = deep[3];
    }
    if (l->offsets > 1) {
        char *name = builder_name(b, "offsets", b->graph.n_initializer);
        float *f = builder_floats(b, name, rank + 2, dims);
        for (size_t j = 0; j < l->offsets; j++) f[j] = (float)(0.5 * (double)j / (double)l->offsets);
        u = builder_apply(b, "Add", builder_reshape(b, u, rank + 1, deep), name);
    }
    u = wave(b, l, u);
    b->value = l->offsets > 1 ? builder_reshape(b, u, rank, flat) : u;
    return ANNULUS_OK;
}

annulus_status onnx_layer_encode(onnx_builder *b, const network *net, size_t index)
{
    const dense_layer *l = &net->layers[index - 1];
    encode_arriving(b, net, index - 1);
    TRY(encode_linear(b, l, index));
    if (index == net->layers_count) return ANNULUS_OK;
    if (activation_is_wave(l->act)) {
        TRY(encode_wave(b, l));
    } else {
        const function f = dense_layer_program(l);
        char *vary[FUNCTION_MAX_VARY];
        TRY(encode_vary(b, l, vary));
        encode_function(b, &f, vary);
    }
    float scale;
    TRY(onnx_narrow(l->out_q.scale, "activation scale of layer", index, &scale));
    b->values[index] = builder_quant(b, index, b->value, builder_scalar(b, "scale", index, (double)scale), &l->out_q);
    return ANNULUS_OK;
}

onnx_room onnx_layer_room(const dense_layer *l)
{
    const rows r = rows_of(l);
    const size_t steps = dense_layer_program(l).count;
    return (onnx_room){
        .nodes = 18 + NETWORK_MAX_LAYERS + (1 + FUNCTION_MAX_OPERANDS) * steps,
        .tensors = 18 + FUNCTION_MAX_OPERANDS * steps,
        .bytes = ONNX_NODE_BYTES + steps * STEP_BYTES + (r.rows * r.taps + (2 + l->own.vary) * r.rows) * sizeof(float),
    };
}
