/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/circuit_text.h"

#include <inttypes.h>
#include <string.h>

/* Numbers as ranges first..last or first..last+step; `-` for LINEAR_NOTHING. */
static void print_numbers(FILE *f, const uint32_t *n, size_t count)
{
    for (size_t i = 0, next; i < count; i = next) {
        next = i + 1;
        if (n[i] == LINEAR_NOTHING) {
            while (next < count && n[next] == LINEAR_NOTHING) next++;
            fprintf(f, next == i + 1 ? " -" : " -*%zu", next - i);
            continue;
        }
        const uint32_t step = next < count && n[next] != LINEAR_NOTHING && n[next] > n[i] ? n[next] - n[i] : 0;
        while (step > 0 && next < count && n[next] != LINEAR_NOTHING && n[next] == n[next - 1] + step) next++;
        if (next - i < 3) next = i + 1; /* two numbers are no range */
        fprintf(f, " %u", n[i]);
        if (next - i >= 3) fprintf(f, step == 1 ? "..%u" : "..%u+%u", n[next - 1], step);
    }
}

static void print_values(FILE *f, const int32_t *v, size_t count)
{
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && v[next] == v[i];) next++;
        if (next - i < 3) next = i + 1;
        fprintf(f, next - i < 3 ? " %d" : " %d*%zu", v[i], next - i);
    }
    fputc('\n', f);
}

static void print_linear(FILE *f, const circuit_linear *l)
{
    for (size_t k = 0; k < l->blocks_count; k++) {
        const linear_block *b = &l->blocks[k];
        fprintf(f, "  matrix %zu: %zu x %zu at %zu place%s\n", k + 1, b->rows, b->taps, b->places,
                b->places == 1 ? "" : "s");
        for (size_t r = 0; r < b->rows; r++) {
            fprintf(f, "    row %zu:", r + 1);
            print_values(f, b->W + r * b->taps, b->taps);
        }
        for (size_t p = 0; p < b->places; p++) {
            fprintf(f, "    place %zu:", p + 1);
            print_numbers(f, b->from + p * b->taps, b->taps);
            fputs(" ->", f);
            print_numbers(f, b->to + p * b->rows, b->rows);
            fputc('\n', f);
        }
    }
}

static int same_range(const int64_t *lo, const int64_t *hi, size_t o, size_t other)
{
    return lo[o] == lo[other] && hi[o] == hi[other];
}

static int same_neuron(const circuit_layer *l, size_t o, size_t other)
{
    const size_t each = circuit_is_mixed(l) ? l->offsets : 1;
    const uint32_t *tables = l->table_of + o * each, *others = l->table_of + other * each;
    return memcmp(tables, others, each * sizeof *tables) == 0 && l->offset[o] == l->offset[other] &&
           (l->unit == 0 || l->shift[o] == l->shift[other]) && same_range(l->lo, l->hi, o, other) &&
           same_range(l->proven_lo, l->proven_hi, o, other) && same_range(l->measured_lo, l->measured_hi, o, other);
}

/* What neuron o's sums can be, and what they were on the calibration samples, if there were any. */
static void print_ranges(FILE *f, const circuit *c, const circuit_layer *l, size_t o)
{
    fprintf(f, "proven [%" PRId64 ", %" PRId64 "]", l->proven_lo[o], l->proven_hi[o]);
    if (c->calibration_count > 0)
        fprintf(f, ", measured [%" PRId64 ", %" PRId64 "] on %zu samples", l->measured_lo[o], l->measured_hi[o],
                c->calibration_count);
}

static void print_tables(FILE *f, const circuit *c, const circuit_layer *l)
{
    for (size_t t = 0; t < l->tables; t++) {
        fprintf(f, "  table %zu:", t + 1);
        print_values(f, l->table + t * circuit_table_entries(l), circuit_table_entries(l));
    }
    for (size_t o = 0, next; o < l->out; o = next) {
        const size_t each = circuit_is_mixed(l) ? l->offsets : 1;
        const uint32_t *own = l->table_of + o * each;
        for (next = o + 1; next < l->out && same_neuron(l, o, next);) next++;
        fprintf(f, next == o + 1 ? "  neuron %zu" : "  neurons %zu..%zu", o, next - 1);
        for (size_t j = 0; j < each; j++) fprintf(f, j == 0 ? ": table %u" : " and %u", own[j] + 1);
        if (l->unit != 0)
            fprintf(f, ", shift %.9g, ", (double)l->shift[o] * 0x1p-64);
        else
            fprintf(f, ", offset %" PRId64 ", sums in [%" PRId64 ", %" PRId64 "], ", l->offset[o], l->lo[o], l->hi[o]);
        print_ranges(f, c, l, o);
        fputc('\n', f);
    }
}

static void print_shape(FILE *f, const uint32_t dims[LINEAR_RANK_MAX], size_t values)
{
    const size_t all = linear_shape_values(dims, values);
    for (size_t d = 0; all > 0 && d < LINEAR_RANK_MAX && dims[d] != 0; d++) fprintf(f, d == 0 ? "%u" : "x%u", dims[d]);
    if (all != values) fprintf(f, all == 0 ? "%zu" : " (%zu)", values);
}

static void print_places(FILE *f, const circuit_layer *l)
{
    fprintf(f, "torus-native, unit %.9g, %u values each", (double)l->unit * 0x1p-64, l->offsets);
    for (uint32_t j = 0; l->offsets > 1 && j < l->offsets; j++)
        fprintf(f, "%s%u", j == 0 ? ", of cells ahead by " : ", ", l->at[j]);
    fputc('\n', f);
}

static void print_layer(FILE *f, const circuit *c, size_t i)
{
    const circuit_layer *l = &c->layers[i];
    fprintf(f, "%s = linear(", l->name);
    for (size_t k = 0; k < l->sources_count; k++)
        fprintf(f, "%s%s", k == 0 ? "" : ", ", l->sources[k] == 0 ? "input" : c->layers[l->sources[k] - 1].name);
    fputs(")  # ", f);
    print_shape(f, l->shape.in, l->in);
    fputs(" -> ", f);
    print_shape(f, l->shape.out, l->out);
    fprintf(f, " sums, %s\n", l->op);
    print_linear(f, &l->linear);
    if (l->cells == 0) {
        fprintf(f, "  period %" PRId64 "\n", l->period);
        for (size_t o = 0; o < l->out; o++) {
            fprintf(f, "  score %zu: %.9g*sum + %.9g, sums ", o, l->real_scale[o], l->real_bias[o]);
            print_ranges(f, c, l, o);
            fprintf(f, "  # %s\n", c->labels[o]);
        }
        return;
    }
    fprintf(f, "%s = look-up(%s)  # %s, %zu table%s of %u cells, ", l->name, l->name, l->activation, l->tables,
            l->tables == 1 ? "" : "s", l->cells);
    if (l->unit != 0)
        print_places(f, l);
    else if (l->slot_bits > 0)
        fprintf(f, "step %" PRId64 ", %u of them side by side in %u slots%s\n", l->step, l->offsets, 1u << l->slot_bits,
                circuit_shifts_slots(l) ? ", shifts of each other in one" : "");
    else if (l->offsets > 1)
        fprintf(f, "step %" PRId64 ", %u values each\n", l->step, l->offsets);
    else
        fprintf(f, "step %" PRId64 "%s\n", l->step, l->low_bits > 0 ? ", read at the middle" : "");
    print_tables(f, c, l);
}

void circuit_print(FILE *f, const circuit *c)
{
    fprintf(f, "input = %zu integers in [%d, %d], %.9g each\n", c->input.features, c->input.lo, c->input.hi,
            c->input.scale);
    for (size_t i = 0; i < c->layers_count; i++) print_layer(f, c, i);
}
