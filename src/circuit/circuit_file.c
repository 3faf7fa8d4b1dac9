/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "circuit/exec.h"
#include "circuit/extend.h"
#include "circuit/mix.h"

#include <math.h>
#include <string.h>

#define NEURON_BYTES 72u /* of a neuron's own numbers in the file, at least */
#define MAX_ACCUMULATOR (INT64_C(1) << 48)
#define RANGES_SATURATE 2u /* kind of ranges: measured, and circuits that saturate; 0, 1: ranges_measured */

static void write_i64s(writer *w, const int64_t *p, size_t n)
{
    write_bytes(w, p, n * sizeof *p);
}

static void shape_write(writer *w, const uint32_t dims[LINEAR_RANK_MAX], size_t values)
{
    const int known = linear_shape_values(dims, values) > 0;
    for (size_t d = 0; d < LINEAR_RANK_MAX; d++) write_u32(w, known ? dims[d] : 0);
}

static void layer_write(writer *w, const circuit_layer *l)
{
    write_string(w, l->name);
    write_string(w, l->activation);
    write_string(w, l->op);
    write_u64(w, l->in);
    write_u64(w, l->out);
    shape_write(w, l->shape.in, l->in);
    shape_write(w, l->shape.out, l->out);
    write_u32(w, l->cells);
    write_u32(w, l->EF);
    write_u32(w, l->price);
    write_u32(w, l->family);
    write_i64(w, l->step);
    write_i64(w, l->grid);
    write_i64(w, l->period);
    write_u32(w, l->output_bits);
    write_f64(w, l->log2_error);
    write_u64(w, l->unit);
    write_u32(w, l->offsets);
    if (l->unit != 0) write_u32s(w, l->at, CIRCUIT_MAX_OFFSETS);
    write_i64(w, l->mid2);
    write_u32(w, l->low_bits);
    write_u32(w, l->slot_bits);
    write_u32(w, l->split);
    write_f64(w, l->noise);
    write_u64(w, l->tables);
    write_u32(w, (uint32_t)l->sources_count);
    write_u32s(w, l->sources, l->sources_count);
    linear_write(w, &l->linear);
    write_bytes(w, l->real_scale, l->out * sizeof(double));
    write_bytes(w, l->real_bias, l->out * sizeof(double));
    const int64_t *const ranges[] = {l->proven_lo, l->proven_hi, l->measured_lo, l->measured_hi,
                                     l->lo,        l->hi,        l->offset};
    for (size_t i = 0; i < 7; i++) write_i64s(w, ranges[i], l->out);
    if (l->cells == 0) return;
    write_u32s(w, l->table_of, circuit_tabled(l));
    write_bytes(w, l->table, l->tables * circuit_table_entries(l) * sizeof *l->table);
    if (l->unit != 0) write_bytes(w, l->shift, l->out * sizeof *l->shift);
}

void circuit_write(writer *w, const circuit *c)
{
    write_u64(w, c->layers_count);
    write_u64(w, c->input.features);
    write_bytes(w, c->input.shift, c->input.features * sizeof(double));
    write_bytes(w, c->input.gain, c->input.features * sizeof(double));
    write_f64(w, c->input.scale);
    write_i64(w, c->input.lo);
    write_i64(w, c->input.hi);
    write_u32(w, (uint32_t)c->task);
    write_u32(w, c->saturates ? RANGES_SATURATE : (uint32_t)c->ranges_measured);
    write_u64(w, c->calibration_count);
    write_u32(w, (uint32_t)c->target);
    write_f64(w, c->log2_error);
    write_f64(w, c->choice.log2_error);
    write_u32(w, (uint32_t)c->level);
    const circuit_passes *p = &c->passes;
    const uint32_t passes[] = {p->constant, p->dead, p->equal, p->layers, p->tables, p->rotations};
    write_u32s(w, passes, sizeof passes / sizeof *passes);
    tfhe_families_write(w, &c->choice.families);
    for (size_t i = 0; i < c->layers_count; i++) layer_write(w, &c->layers[i]);
    for (size_t i = 0; i < circuit_last(c)->out; i++) write_string(w, c->labels[i]);
}

static annulus_status read_choice(reader *r, const char *what, uint32_t first, uint32_t second, uint32_t *out)
{
    TRY(read_u32(r, out));
    if (*out != first && *out != second) return read_fail(r, "%s is %u, must be %u or %u", what, *out, first, second);
    return ANNULUS_OK;
}

static annulus_status read_f64s(reader *r, double *out, size_t n)
{
    for (size_t i = 0; i < n; i++) TRY(read_f64(r, &out[i]));
    return ANNULUS_OK;
}

static annulus_status read_name(reader *r, char *out, size_t size)
{
    char *text = NULL;
    TRY(read_string(r, &text));
    const size_t len = strlen(text);
    const int plain = text_is_plain(text);
    if (len < size) memcpy(out, text, len + 1);
    mem_free(text);
    if (!plain) return read_fail(r, "a name is not UTF-8, or has control characters");
    return len < size ? ANNULUS_OK : read_fail(r, "a name of %zu bytes, at most %zu are possible", len, size - 1);
}

static annulus_status read_i32s(reader *r, int32_t *out, size_t n, int32_t lo, int32_t hi, const char *what)
{
    TRY(read_u32s(r, (uint32_t *)out, n));
    for (size_t i = 0; i < n; i++)
        if (out[i] < lo || out[i] > hi)
            return read_fail(r, "%s %zu is %d, outside [%d, %d]", what, i + 1, out[i], lo, hi);
    return ANNULUS_OK;
}

static annulus_status read_ranges(reader *r, circuit_layer *l)
{
    int64_t *const ranges[] = {l->proven_lo, l->proven_hi, l->measured_lo, l->measured_hi, l->lo, l->hi, l->offset};
    for (size_t k = 0; k < 7; k++)
        for (size_t o = 0; o < l->out; o++) {
            TRY(read_i64(r, &ranges[k][o]));
            if (ranges[k][o] < -MAX_ACCUMULATOR || ranges[k][o] > MAX_ACCUMULATOR)
                return read_fail(r, "a range of layer %s is outside 48 bits", l->name);
        }
    for (size_t o = 0; o < l->out; o++)
        if (l->lo[o] > l->hi[o])
            return read_fail(r, "the range of neuron %zu of layer %s is upside down", o + 1, l->name);
    return ANNULUS_OK;
}

static int is_log2_error(double log2_p)
{
    return log2_p < 0 && log2_p >= -512;
}

static int is_output(const circuit_layer *l)
{
    return l->cells == 0 && l->EF == 0 && l->price == 0 && l->step == 1 && l->period >= 2 &&
           l->period <= MAX_ACCUMULATOR && l->output_bits <= CIRCUIT_MAX_OUTPUT_BITS &&
           (l->noise > 0 ? l->output_bits == 0 : l->output_bits > 0) && l->unit == 0 && l->low_bits == 0 &&
           l->slot_bits == 0 && l->split == 0;
}

static int is_hidden(const circuit_layer *l)
{
    const int native = l->unit != 0;
    return (native || l->cells >= 2) && l->cells <= CIRCUIT_MAX_CELLS && l->step >= 1 &&
           l->step <= MAX_ACCUMULATOR / l->cells && l->EF != 0 && l->EF <= TFHE_MAX_EF && (l->EF & (l->EF - 1)) == 0 &&
           l->price <= TFHE_MAX_PRICE && (l->EF > 1 || l->price == 0) && l->period == 0 && l->output_bits == 0 &&
           circuit_is_wave(l) == (l->noise > 0) &&
           (!native || (l->unit % 2 == 0 && (l->cells & (l->cells - 1)) == 0 && l->step == 1)) &&
           (l->low_bits == 0 || (!native && l->low_bits < 48 && l->step == INT64_C(1) << l->low_bits));
}

/* Places of the values of a torus-native layer's rotations; 0 of others. */
static annulus_status places_check(reader *r, const circuit_layer *l)
{
    for (uint32_t j = 0; j < CIRCUIT_MAX_OFFSETS; j++) {
        int fits = j < l->offsets ? l->at[j] < 2 * l->cells : l->at[j] == 0;
        for (uint32_t k = 0; k < j && j < l->offsets; k++) fits &= l->at[k] % l->cells != l->at[j] % l->cells;
        if (!fits)
            return read_fail(r, "value %u of layer %s lies at cell %u of %u", j + 1, l->name, l->at[j], l->cells);
    }
    return ANNULUS_OK;
}

/* What layers of other than plain look-ups have besides, and scores behind them. */
static annulus_status native_read(reader *r, circuit_layer *l)
{
    int64_t mid2 = 0;
    TRY(read_u64(r, &l->unit));
    TRY(read_u32(r, &l->offsets));
    if (l->unit != 0) TRY(read_u32s(r, l->at, CIRCUIT_MAX_OFFSETS));
    TRY(read_i64(r, &mid2));
    TRY(read_u32(r, &l->low_bits));
    TRY(read_u32(r, &l->slot_bits));
    TRY(read_u32(r, &l->split));
    TRY(read_f64(r, &l->noise));
    const int whole = (l->cells & (l->cells - 1)) == 0;
    if (l->slot_bits > TFHE_MAX_SLOT_BITS ||
        (l->slot_bits > 0 && (l->unit != 0 || l->offsets < 2 || (circuit_shifts_slots(l) && !whole))))
        return read_fail(r, "layer %s has %u tables in 2^%u slots", l->name, l->offsets, l->slot_bits);
    const int several = l->cells != 0 && (l->slot_bits > 0 || whole);
    const uint32_t native = l->cells < CIRCUIT_MAX_OFFSETS ? l->cells : CIRCUIT_MAX_OFFSETS;
    const uint32_t most = l->unit != 0 ? native : several ? CIRCUIT_MAX_OFFSETS : 1;
    const int64_t widest = l->unit == 0 ? 0 : 2 * CIRCUIT_MAX_VALUE;
    if (l->offsets == 0 || l->offsets > most || mid2 < -widest || mid2 > widest)
        return read_fail(r, "layer %s has %u offsets and a centre of %lld/2", l->name, l->offsets, (long long)mid2);
    if (!(l->noise >= 0 && l->noise < 1) || (l->noise > 0 && l->log2_error != 0))
        return read_fail(r, "a noise of %g of layer %s", l->noise, l->name);
    l->mid2 = (int32_t)mid2;
    return l->unit != 0 ? places_check(r, l) : ANNULUS_OK;
}

static int same_units(const circuit_layer *a, const circuit_layer *b)
{
    if (a->unit == 0 && b->unit == 0) return circuit_window(a) == circuit_window(b);
    return exec_unit_word(a) == exec_unit_word(b);
}

/* The last low_bits sources of a layer take off bits 0, 1, ... of each of its sums. */
static int low_bits_gone(const circuit *c, const circuit_layer *l)
{
    if (l->low_bits >= l->sources_count) return l->low_bits == 0;
    for (uint32_t k = 0; k < l->low_bits; k++) {
        const uint32_t s = l->sources[l->sources_count - l->low_bits + k];
        const circuit_layer *bit = s == 0 ? l : &c->layers[s - 1];
        if (!circuit_is_bit(bit) || bit->out != l->out || bit->mid2 != INT64_C(1) << k) return 0;
    }
    return 1;
}

/* Sources are before layer i, different, of one family, and every layer that takes their values has the same units. */
static annulus_status sources_read(reader *r, const circuit *c, size_t i)
{
    circuit_layer *l = &c->layers[i];
    uint32_t count = 0;
    size_t width = 0;
    TRY(read_u32(r, &count));
    if (count == 0 || count > i + 1) return read_fail(r, "layer %s has %u sources", l->name, count);
    TRY(read_u32s(r, l->sources, count));
    l->sources_count = count;
    for (size_t k = 0; k < count; k++) {
        const uint32_t s = l->sources[k];
        int again = s > i;
        for (size_t m = 0; m < k; m++) again |= l->sources[m] == s;
        if (again) return read_fail(r, "layer %s has source %u, which is behind it or a second time", l->name, s);
        if (circuit_family(c, s) != circuit_family(c, l->sources[0]))
            return read_fail(r, "layer %s has sources of two families", l->name);
        const circuit_layer *other = &c->layers[circuit_first_use(c, s)];
        if (!same_units(other, l))
            return read_fail(r, "layers %s and %s take the same values in different units", other->name, l->name);
        width += circuit_source_values(c, s);
    }
    if (!low_bits_gone(c, l))
        return read_fail(r, "layer %s has %u low bits that no layers take off", l->name, l->low_bits);
    return width == l->in ? ANNULUS_OK
                          : read_fail(r, "layer %s takes %zu values, its sources have %zu", l->name, l->in, width);
}

static annulus_status shape_read(reader *r, const circuit_layer *l, uint64_t values, uint32_t dims[LINEAR_RANK_MAX])
{
    TRY(read_u32s(r, dims, LINEAR_RANK_MAX));
    if ((dims[0] | dims[1] | dims[2]) == 0 || linear_shape_values(dims, (size_t)values) > 0) return ANNULUS_OK;
    return read_fail(r, "layer %s has dimensions %u x %u x %u of %llu values", l->name, dims[0], dims[1], dims[2],
                     (unsigned long long)values);
}

static annulus_status layer_shape_read(reader *r, const circuit *c, size_t i)
{
    circuit_layer *l = &c->layers[i];
    const int last = i + 1 == c->layers_count;
    uint64_t in = 0, out = 0, tables = 0;
    TRY(read_name(r, l->name, sizeof l->name));
    TRY(read_name(r, l->activation, sizeof l->activation));
    TRY(read_name(r, l->op, sizeof l->op));
    TRY(read_u64(r, &in));
    TRY(read_u64(r, &out));
    TRY(shape_read(r, l, in, l->shape.in));
    TRY(shape_read(r, l, out, l->shape.out));
    TRY(read_u32(r, &l->cells));
    TRY(read_u32(r, &l->EF));
    TRY(read_u32(r, &l->price));
    TRY(read_u32(r, &l->family));
    TRY(read_i64(r, &l->step));
    TRY(read_i64(r, &l->grid));
    TRY(read_i64(r, &l->period));
    TRY(read_u32(r, &l->output_bits));
    TRY(read_f64(r, &l->log2_error));
    TRY(native_read(r, l));
    TRY(read_u64(r, &tables));
    if (in == 0 || in > (uint64_t)CIRCUIT_MAX_WIDTH * CIRCUIT_MAX_LAYERS || out == 0 ||
        out > CIRCUIT_MAX_WIDTH / l->offsets)
        return read_fail(r, "layer %s has shape %llu x %llu", l->name, (unsigned long long)out, (unsigned long long)in);
    if (l->log2_error != 0 && !is_log2_error(l->log2_error))
        return read_fail(r, "error probability 2^%g of layer %s", l->log2_error, l->name);
    const size_t room = r->len - r->pos;
    if (out > room / NEURON_BYTES) return read_fail(r, "the neurons of layer %s are cut off", l->name);
    if (last ? !is_output(l) : !is_hidden(l))
        return read_fail(r, "the encoding of %slayer %s is out of range", last ? "output " : "", l->name);
    if (l->grid < 0 || l->grid > MAX_ACCUMULATOR || ((last || l->unit != 0) && l->grid != 0))
        return read_fail(r, "a grid of %lld of layer %s", (long long)l->grid, l->name);
    if (last ? tables != 0 : tables == 0 || tables > (l->unit != 0 ? 1 : out * l->offsets))
        return read_fail(r, "layer %s has %llu tables", l->name, (unsigned long long)tables);
    if (tables * circuit_table_entries(l) > room / sizeof(int32_t))
        return read_fail(r, "the tables of layer %s are cut off", l->name);
    l->in = (size_t)in;
    l->out = (size_t)out;
    l->tables = (size_t)tables;
    return sources_read(r, c, i);
}

/* Where there are fewer slots than tables, these are shifts of each other. */
static annulus_status slots_check(reader *r, const circuit_layer *l)
{
    uint32_t base[CIRCUIT_MAX_OFFSETS];
    for (size_t t = 0; circuit_shifts_slots(l) && t < l->tables; t++)
        if (mix_slots(l, l->table + t * circuit_table_entries(l), base) > 1u << l->slot_bits)
            return read_fail(r, "layer %s has %u tables in 2^%u slots", l->name, l->offsets, l->slot_bits);
    return ANNULUS_OK;
}

static annulus_status layer_read(reader *r, const circuit *c, size_t i)
{
    circuit_layer *l = &c->layers[i];
    TRY(layer_shape_read(r, c, i));
    TRY(circuit_layer_create(l));
    TRY(linear_read(r, l->in, l->out, &l->linear));
    TRY(read_f64s(r, l->real_scale, l->out));
    TRY(read_f64s(r, l->real_bias, l->out));
    TRY(read_ranges(r, l));
    if (l->cells == 0) return ANNULUS_OK;
    if (l->split > 0 && l->split > circuit_may_split(l))
        return read_fail(r, "the look-ups of layer %s cannot be split by %u low bits", l->name, l->split);
    TRY(read_u32s(r, l->table_of, circuit_tabled(l)));
    for (size_t o = 0; o < circuit_tabled(l); o++)
        if (l->table_of[o] >= l->tables)
            return read_fail(r, "neuron %zu of layer %s has table %u, there are %zu",
                             o / (circuit_is_mixed(l) ? l->offsets : 1) + 1, l->name, l->table_of[o], l->tables);
    TRY(read_i32s(r, l->table, l->tables * circuit_table_entries(l), -CIRCUIT_MAX_VALUE, CIRCUIT_MAX_VALUE,
                  "table entry"));
    TRY(slots_check(r, l));
    for (size_t o = 0; l->unit == 0 && o < l->out; o++)
        if (!circuit_range_fits(c, l, o))
            return read_fail(r, "the range of neuron %zu of layer %s does not fit its table", o + 1, l->name);
    for (size_t o = 0; l->unit != 0 && o < l->out; o++) TRY(read_u64(r, &l->shift[o]));
    return ANNULUS_OK;
}

static annulus_status input_read(reader *r, circuit_input *in)
{
    void *p;
    size_t features;
    int64_t lo = 0, hi = 0;
    TRY(read_count(r, 2 * sizeof(double), &features));
    if (features == 0 || features > CIRCUIT_MAX_WIDTH) return read_fail(r, "%zu features", features);
    TRY(mem_create(features, sizeof(double), "input shift", &p));
    in->shift = p;
    TRY(mem_create(features, sizeof(double), "input gain", &p));
    in->gain = p;
    in->features = features;
    TRY(read_f64s(r, in->shift, features));
    TRY(read_f64s(r, in->gain, features));
    TRY(read_f64(r, &in->scale));
    TRY(read_i64(r, &lo));
    TRY(read_i64(r, &hi));
    if (!(in->scale > 0) || lo >= hi || lo < -CIRCUIT_MAX_VALUE || hi > CIRCUIT_MAX_VALUE)
        return read_fail(r, "the input quantizer is out of range");
    in->lo = (int32_t)lo;
    in->hi = (int32_t)hi;
    return ANNULUS_OK;
}

static annulus_status settings_read(reader *r, circuit *c)
{
    uint32_t task = 0, measured = 0, target = 0, level = 0;
    uint64_t calibration = 0;
    TRY(read_u32(r, &task));
    if (task > CIRCUIT_TOP_1)
        return read_fail(r, "task is %u, must be %d to %d", task, CIRCUIT_CLASSIFICATION, CIRCUIT_TOP_1);
    TRY(read_u32(r, &measured));
    if (measured > RANGES_SATURATE) return read_fail(r, "range kind is %u, must be 0 to %u", measured, RANGES_SATURATE);
    TRY(read_u64(r, &calibration));
    TRY(read_choice(r, "error target", ERROR_PER_LOOKUP, ERROR_GLOBAL, &target));
    TRY(read_f64(r, &c->log2_error));
    TRY(read_f64(r, &c->choice.log2_error));
    TRY(read_choice(r, "security level", SECURITY_128, SECURITY_132, &level));
    const double held = c->choice.log2_error;
    if (!is_log2_error(c->log2_error)) return read_fail(r, "error probability 2^%g", c->log2_error);
    if (target == ERROR_PER_LOOKUP ? held != c->log2_error : !(held <= c->log2_error && held >= -1000))
        return read_fail(r, "error probability 2^%g of a look-up, 2^%g asked for", held, c->log2_error);
    c->task = (circuit_task)task;
    c->ranges_measured = measured != 0;
    c->saturates = measured == RANGES_SATURATE;
    c->calibration_count = (size_t)calibration;
    c->target = (error_target)target;
    c->level = (security_level)level;
    circuit_passes *p = &c->passes;
    uint32_t *const passes[] = {&p->constant, &p->dead, &p->equal, &p->layers, &p->tables, &p->rotations};
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) TRY(read_u32(r, passes[i]));
    TRY(tfhe_families_read(r, &c->choice.families));
    annulus_status st = ANNULUS_OK;
    for (uint32_t i = 0; st == ANNULUS_OK && i < c->choice.families.count; i++)
        st = security_check(&c->choice.families.of[i], c->level);
    if (st == ANNULUS_OK) st = security_check_answers(&c->choice.families.answers, c->level);
    return st == ANNULUS_OK ? st : fail_prefix(st, "%s", r->name);
}

static annulus_status labels_read(reader *r, circuit *c)
{
    void *labels;
    TRY(mem_create(circuit_last(c)->out, sizeof(char *), "labels", &labels));
    c->labels = labels;
    for (size_t i = 0; i < circuit_last(c)->out; i++) {
        TRY(read_string(r, &c->labels[i]));
        if (!text_is_plain(c->labels[i]))
            return read_fail(r, "label %zu is not UTF-8, or has control characters", i + 1);
    }
    return ANNULUS_OK;
}

/* Layer i, whose shape was checked, fits its family, and the family its inputs. */
static annulus_status family_check(const reader *r, const circuit *c, size_t i)
{
    const circuit_layer *l = &c->layers[i];
    const tfhe_families *f = &c->choice.families;
    if (l->family >= f->count)
        return read_fail(r, "layer %s is of family %u, there are %u", l->name, l->family + 1, f->count);
    const uint32_t from = circuit_source(c, i);
    if (l->cells == 0) {
        const uint32_t packed = f->answers.bits == 0 ? from : f->answers.family;
        if (l->family == from && packed == from) return ANNULUS_OK;
        return read_fail(r, "output layer %s is of family %u, its inputs of family %u, packed answers of family %u",
                         l->name, l->family + 1, from + 1, packed + 1);
    }
    if (l->split > 0 && f->merge.l == 0)
        return read_fail(r, "the look-ups of layer %s are split, without a merging key", l->name);
    if (l->family != TFHE_HIGH && f->merge.l > 0)
        return read_fail(r, "layer %s is of family %u, which reads low bits", l->name, l->family + 1);
    const tfhe_params *p = &f->of[l->family], keyswitch = tfhe_switch_params(f, from, l->family);
    if (keyswitch.ks_l == 0)
        return read_fail(r, "layer %s takes ciphertexts of family %u, from which family %u has no keyswitch", l->name,
                         from + 1, l->family + 1);
    if (l->split > 0 && (l->cells >> l->split > p->N || p->N >> l->split < SPLIT_SLOTS))
        return read_fail(r, "the split look-ups of layer %s have no room in their ring", l->name);
    const uint64_t least = l->unit == 0 ? 2 : 1; /* steps a cell, as the search takes: borders may be half a step off */
    if (l->split == 0 && least * l->cells << l->slot_bits > (uint64_t)l->EF * p->N)
        return read_fail(r, "the rotation of layer %s has too few steps for its cells", l->name);
    if (l->EF > 1 && p->pbs_group > 1)
        return read_fail(r, "layer %s is extended, with %u key bits a step", l->name, p->pbs_group);
    return ANNULUS_OK;
}

static annulus_status body_read(reader *r, circuit *c)
{
    TRY(input_read(r, &c->input));
    TRY(settings_read(r, c));
    for (size_t i = 0; i < c->layers_count; i++) {
        TRY(layer_read(r, c, i));
        TRY(family_check(r, c, i));
    }
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        if (circuit_first_use(c, i + 1) == c->layers_count)
            return read_fail(r, "no layer takes the values of layer %s", c->layers[i].name);
    TRY(labels_read(r, c));
    TRY(circuit_predict(c)); /* a file cannot claim otherwise */
    return circuit_digest(c);
}

annulus_status circuit_read(reader *r, circuit **out)
{
    uint64_t layers = 0;
    circuit *c = NULL;
    TRY(read_u64(r, &layers));
    if (layers == 0 || layers > CIRCUIT_MAX_LAYERS) return read_fail(r, "%llu layers", (unsigned long long)layers);
    TRY(circuit_create((size_t)layers, &c));
    const annulus_status st = body_read(r, c);
    if (st == ANNULUS_OK)
        *out = c;
    else
        circuit_destroy(c);
    return st;
}
