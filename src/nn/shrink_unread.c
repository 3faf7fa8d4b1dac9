/* SPDX-License-Identifier: Apache-2.0 */
/* Neurons and channels that no layer takes any more, in networks of any layers. */
#include "nn/shrink_priv.h"

#include "base/memory.h"
#include "nn/ties.h"
#include <string.h>

static size_t neuron_of(const dense_layer *l, size_t output)
{
    return l->channel == NULL ? output : l->channel[output];
}

/* Whether taps are of one channel each, whatever the place. */
static int has_channels(const dense_layer *l)
{
    return l->W == NULL && (l->known || l->windows.channels > 0);
}

/* Weights of a tap that takes nothing at any place. */
static void drop_weights(linear_block *b, size_t tap)
{
    for (size_t p = 0; p < b->places; p++)
        if (b->from[p * b->taps + tap] != LINEAR_NOTHING) return;
    for (size_t r = 0; r < b->rows; r++) b->W[r * b->taps + tap] = 0;
}

/* Sums (out) that value (offsets) of one neuron of `from` adds to those of l, which takes it no more. */
static void take_no_more(dense_layer *l, const dense_layer *from, size_t first, size_t neuron, const double *value,
                         double *sum)
{
    const size_t end = first + dense_layer_values(from);
    for (size_t i = first; l->W != NULL && i < end; i++) {
        if (neuron_of(from, (i - first) / from->offsets) != neuron) continue;
        for (size_t o = 0; o < l->out; o++) {
            sum[o] += l->W[o * l->in + i] * value[(i - first) % from->offsets];
            l->W[o * l->in + i] = 0;
        }
    }
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        linear_block *b = &l->linear.blocks[k];
        for (size_t i = 0; i < b->places * b->taps; i++) {
            const uint32_t at = b->from[i]; /* LINEAR_NOTHING is beyond any end */
            if (at < first || at >= end || neuron_of(from, (at - first) / from->offsets) != neuron) continue;
            const size_t p = i / b->taps, t = i % b->taps;
            for (size_t r = 0; r < b->rows; r++)
                sum[b->to[p * b->rows + r]] += b->W[r * b->taps + t] * value[(at - first) % from->offsets];
            b->from[i] = LINEAR_NOTHING;
        }
        for (size_t t = 0; has_channels(l) && t < b->taps; t++) drop_weights(b, t);
    }
}

/* Outputs of one channel keep one bias. room (2,out) zeros. */
static void raise_biases(dense_layer *l, const double *sum, double *room)
{
    double *total = room, *count = room + l->out;
    for (size_t o = 0; o < l->out; o++) {
        total[neuron_of(l, o)] += sum[o];
        count[neuron_of(l, o)]++;
    }
    for (size_t o = 0; o < l->out; o++) {
        const size_t c = neuron_of(l, o);
        if (total[c] != 0) l->bias[o] = (double)(float)(l->bias[o] + l->w_scale[o] * total[c] / count[c]);
    }
}

/* Numbers (sets,out) of the outputs of a layer to those numbered, LINEAR_NOTHING for none; from may be NULL. */
static annulus_status copy_numbers(const double *from, size_t sets, size_t out, const uint32_t *number, size_t stay,
                                   double **to)
{
    void *p;
    if (from == NULL) return ANNULUS_OK;
    TRY(mem_create(sets * stay, sizeof(double), "bounds", &p));
    *to = p;
    for (size_t k = 0; k < sets * out; k++) {
        const size_t at = number[k % out];
        if (at != LINEAR_NOTHING) (*to)[k / out * stay + at] = from[k];
    }
    return ANNULUS_OK;
}

/* Bounds and constants of the sums, and constants of the functions. */
static annulus_status copy_sums(const dense_layer *from, const uint32_t *number, dense_layer *to)
{
    TRY(copy_numbers(from->vary, from->own.vary, from->out, number, to->out, &to->vary));
    TRY(copy_numbers(from->bound, 2, from->out, number, to->out, &to->bound));
    return copy_numbers(from->constant, 1, from->out, number, to->out, &to->constant);
}

annulus_status shrink_leave_unread(network *n, size_t layer, size_t neuron, const double *value)
{
    for (size_t i = layer + 1; i < n->layers_count; i++) {
        dense_layer *l = &n->layers[i];
        const size_t first = network_first_input(n, i, layer + 1);
        void *memory;
        if (first == SIZE_MAX) continue;
        TRY(mem_create(3 * l->out, sizeof(double), "sums", &memory));
        take_no_more(l, &n->layers[layer], first, neuron, value, memory);
        raise_biases(l, memory, (double *)memory + l->out);
        mem_free(memory), mem_free(l->bound);
        l->bound = NULL; /* of other sums */
    }
    return ANNULUS_OK;
}

/* Values of all sources of a network, those of source s from first[s] on. */
typedef struct plan {
    const network *n;
    network_ties ties;
    size_t run[NETWORK_MAX_LAYERS]; /* channels of each layer that are of one unit */
    size_t first[NETWORK_MAX_LAYERS + 1];
    uint32_t *map; /* of each value: its number among those of its source that stay, or LINEAR_NOTHING; while it is
                      found out, 1 of those that are taken */
    size_t stay[NETWORK_MAX_LAYERS + 1]; /* values */
    size_t removed;                      /* neurons */
} plan;

/* taken (values): room. */
static void mark_taken(const plan *p, size_t source, uint8_t *taken)
{
    network_find_read(p->n, source, taken);
    for (size_t v = 0; v < network_source_values(p->n, source); v++) p->map[p->first[source] + v] = taken[v];
}

/* Unit of its set that an output of hidden layer i is a part of. */
static size_t unit_of(const plan *p, size_t i, size_t output)
{
    return neuron_of(&p->n->layers[i], output) / p->run[i];
}

/* taken[u] 1: some layer takes a value of unit u of the set. The first layer's first unit, if there is none. */
static void mark_units(const plan *p, size_t set, uint8_t *taken)
{
    int any = 0;
    memset(taken, 0, p->ties.units[set]);
    for (size_t i = set; i + 1 < p->n->layers_count; i++) {
        const dense_layer *l = &p->n->layers[i];
        for (size_t v = 0; p->ties.set[i] == set && v < dense_layer_values(l); v++) {
            if (p->map[p->first[i + 1] + v] == 0) continue;
            taken[unit_of(p, i, v / l->offsets)] = 1;
            any = 1;
        }
    }
    if (!any) taken[unit_of(p, set, 0)] = 1;
}

/* Of the units that are not taken as many stay, the first ones, as all ranges lose the same number. */
static void level_ranges(const plan *p, size_t set, uint8_t *taken)
{
    const size_t ranges = p->ties.ranges[set], each = p->ties.units[set] / ranges;
    size_t least = each;
    for (size_t r = 0; r < ranges; r++) {
        size_t idle = 0;
        for (size_t u = r * each; u < (r + 1) * each; u++) idle += !taken[u];
        least = idle < least ? idle : least;
    }
    for (size_t r = 0; r < ranges; r++)
        for (size_t u = (r + 1) * each, idle = 0; u-- > r * each;) {
            idle += !taken[u];
            if (!taken[u] && idle > least) taken[u] = 1;
        }
}

/* From which values are taken to which stay: those of the units that do. seen: room. */
static void number_values(plan *p, size_t i, const uint8_t *stays, uint8_t *seen)
{
    const dense_layer *l = &p->n->layers[i];
    uint32_t *map = p->map + p->first[i + 1], next = 0;
    for (size_t v = 0; v < dense_layer_values(l); v++)
        map[v] = stays[unit_of(p, i, v / l->offsets)] ? next++ : LINEAR_NOTHING;
    p->stay[i + 1] = next;
    memset(seen, 0, l->out);
    for (size_t o = 0; o < l->out; o++) { /* each neuron once */
        p->removed += !stays[unit_of(p, i, o)] && !seen[neuron_of(l, o)];
        seen[neuron_of(l, o)] = 1;
    }
}

static annulus_status plan_create(const network *n, plan *p)
{
    size_t all = 0, most = 1;
    void *map, *taken;
    *p = (plan){.n = n};
    for (size_t s = 0; s <= n->layers_count; s++) {
        p->first[s] = all;
        p->stay[s] = network_source_values(n, s);
        all += p->stay[s];
        most = p->stay[s] > most ? p->stay[s] : most;
    }
    network_ties_find(n, &p->ties);
    for (size_t i = 0; i < n->layers_count; i++) p->run[i] = dense_layer_neurons(&n->layers[i]) / p->ties.units[i];
    TRY(mem_create(all, sizeof(uint32_t), "removed neurons", &map));
    const annulus_status st = mem_create(2 * most, 1, "removed neurons", &taken);
    if (st != ANNULUS_OK) {
        mem_free(map);
        return st;
    }
    p->map = map;
    for (size_t s = 1; s < n->layers_count; s++) mark_taken(p, s, taken);
    for (size_t set = 0; set + 1 < n->layers_count; set++) {
        if (p->ties.set[set] != set) continue;
        mark_units(p, set, taken);
        level_ranges(p, set, taken);
        for (size_t i = set; i + 1 < n->layers_count; i++)
            if (p->ties.set[i] == set) number_values(p, i, taken, (uint8_t *)taken + most);
    }
    for (size_t v = 0; v < n->inputs; v++) p->map[v] = (uint32_t)v;
    for (size_t v = 0; v < p->stay[n->layers_count]; v++) p->map[p->first[n->layers_count] + v] = (uint32_t)v;
    mem_free(taken);
    return ANNULUS_OK;
}

/* Layer i: its new inputs (in of the old layer) and outputs (out), LINEAR_NOTHING where they go. */
typedef struct numbers {
    const dense_layer *l;
    uint32_t *input, *output;
    uint32_t *channel;                               /* (out) new number of a channel, + 1; 0: not met yet */
    size_t in, out;                                  /* that stay */
    size_t offsets, places, channels, channels_stay; /* of each source, where taps are of one channel, offsets counted;
                                                        channels 0: others */
} numbers;

static annulus_status numbers_create(const plan *p, size_t i, numbers *out)
{
    const dense_layer *l = &p->n->layers[i];
    uint32_t sources[NETWORK_MAX_LAYERS];
    void *memory;
    const size_t count = network_sources(p->n, i, sources);
    TRY(mem_create(l->in + 2 * l->out, sizeof(uint32_t), "removed neurons", &memory));
    *out = (numbers){.l = l, .input = memory, .output = (uint32_t *)memory + l->in};
    out->channel = out->output + l->out;
    for (size_t k = 0, at = 0; k < count; k++) {
        const size_t values = network_source_values(p->n, sources[k]);
        const uint32_t *map = p->map + p->first[sources[k]];
        for (size_t v = 0; v < values; v++)
            out->input[at++] = map[v] == LINEAR_NOTHING ? LINEAR_NOTHING : (uint32_t)out->in + map[v];
        out->in += p->stay[sources[k]];
    }
    if (has_channels(l)) {
        const size_t values = network_source_values(p->n, sources[0]);
        const dense_layer *before = sources[0] == 0 ? NULL : &p->n->layers[sources[0] - 1];
        out->offsets = before == NULL ? 1 : before->offsets;
        out->channels = before == NULL ? l->windows.channels : dense_layer_neurons(before) * before->offsets;
        out->places = values / out->channels;
        out->channels_stay = p->stay[sources[0]] / out->places;
    }
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t at = p->map[p->first[i + 1] + o * l->offsets];
        out->output[o] = at == LINEAR_NOTHING ? at : (uint32_t)(at / l->offsets);
        out->out += at != LINEAR_NOTHING;
    }
    return ANNULUS_OK;
}

/* Which rows, places and taps of a block stay. */
typedef struct part {
    const linear_block *b;
    uint8_t *row, *place, *tap;
    size_t rows, places, taps;
} part;

static int stays(const numbers *x, const linear_block *b, size_t place, size_t row)
{
    return x->output[b->to[place * b->rows + row]] != LINEAR_NOTHING;
}

/* Where taps are of one channel each, those of channels that stay do. */
static int tap_stays(const numbers *x, const part *p, size_t t)
{
    const linear_block *b = p->b;
    if (x->channels > 0) {
        const size_t block = (size_t)(b - x->l->linear.blocks), each = x->channels / x->l->linear.blocks_count;
        const size_t channel = block * each + t / (b->taps / each);
        return x->input[channel / x->offsets * x->places * x->offsets + channel % x->offsets] != LINEAR_NOTHING;
    }
    for (size_t q = 0; q < b->places; q++) {
        const uint32_t from = b->from[q * b->taps + t];
        if (p->place[q] && from != LINEAR_NOTHING && x->input[from] != LINEAR_NOTHING) return 1;
    }
    return 0;
}

static annulus_status part_fill(const numbers *x, part *p)
{
    const linear_block *b = p->b;
    for (size_t q = 0; q < b->places; q++)
        for (size_t r = 0; r < b->rows; r++)
            if (stays(x, b, q, r)) p->row[r] = p->place[q] = 1;
    for (size_t q = 0; q < b->places; q++)
        for (size_t r = 0; r < b->rows; r++)
            if (p->row[r] && p->place[q] && !stays(x, b, q, r))
                return fail(ANNULUS_ERR_INFEASIBLE,
                            "outputs that go and outputs that stay are made by the same weights at several places");
    for (size_t t = 0; t < b->taps; t++) p->taps += p->tap[t] = (uint8_t)tap_stays(x, p, t);
    for (size_t r = 0; r < b->rows; r++) p->rows += p->row[r];
    for (size_t q = 0; q < b->places; q++) p->places += p->place[q];
    if (p->taps == 0) p->taps = p->tap[0] = 1; /* takes nothing */
    return ANNULUS_OK;
}

/* *out: the part, if anything of it is left. */
static annulus_status part_copy(const numbers *x, const part *p, linear_block *out)
{
    const linear_block *b = p->b;
    int32_t *W;
    uint32_t *from, *to;
    if (p->rows == 0) return ANNULUS_OK;
    TRY(linear_block_create(p->rows, p->taps, p->places, out));
    W = out->W, from = out->from, to = out->to;
    for (size_t r = 0; r < b->rows; r++)
        for (size_t t = 0; p->row[r] && t < b->taps; t++)
            if (p->tap[t]) *W++ = b->W[r * b->taps + t];
    for (size_t q = 0; q < b->places; q++) {
        if (!p->place[q]) continue;
        for (size_t t = 0; t < b->taps; t++) {
            const uint32_t at = b->from[q * b->taps + t];
            if (p->tap[t]) *from++ = at == LINEAR_NOTHING ? at : x->input[at];
        }
        for (size_t r = 0; r < b->rows; r++)
            if (p->row[r]) *to++ = x->output[b->to[q * b->rows + r]];
    }
    return ANNULUS_OK;
}

static annulus_status block_part(const numbers *x, const linear_block *b, linear_block *out)
{
    void *memory;
    TRY(mem_create(b->rows + b->places + b->taps, 1, "removed neurons", &memory));
    part p = {.b = b, .row = memory};
    p.place = p.row + b->rows, p.tap = p.place + b->places;
    annulus_status st = part_fill(x, &p);
    if (st == ANNULUS_OK) st = part_copy(x, &p, out);
    mem_free(memory);
    return st;
}

/* The blocks of which something is left. */
static annulus_status linear_part(const numbers *x, circuit_linear *out)
{
    const circuit_linear *l = &x->l->linear;
    TRY(linear_create(l->blocks_count, out));
    out->blocks_count = 0;
    for (size_t k = 0; k < l->blocks_count; k++) {
        linear_block *b = &out->blocks[out->blocks_count];
        TRY(block_part(x, &l->blocks[k], b));
        out->blocks_count += b->rows > 0;
    }
    return ANNULUS_OK;
}

/* All but weights and blocks. */
static void copy_outputs(const numbers *x, dense_layer *to)
{
    const dense_layer *l = x->l;
    dense_layer arrays = *to;
    *to = *l;
    to->in = arrays.in, to->out = arrays.out, to->W = arrays.W, to->linear = arrays.linear;
    to->w_scale = arrays.w_scale, to->bias = arrays.bias, to->channel = arrays.channel;
    to->vary = to->bound = to->constant = NULL;
    if (l->windows.channels > 0) to->windows.channels = x->channels_stay;
    if (l->average.channels > 0) to->average.channels = x->channels_stay;
    uint32_t channels = 0;
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t at = x->output[o];
        if (at == LINEAR_NOTHING) continue;
        to->w_scale[at] = l->w_scale[o], to->bias[at] = l->bias[o];
        if (to->channel == NULL) continue;
        uint32_t *number = &x->channel[neuron_of(l, o)];
        if (*number == 0) *number = ++channels;
        to->channel[at] = *number - 1;
    }
}

static annulus_status layer_part(const numbers *x, dense_layer *to)
{
    const dense_layer *l = x->l;
    if (l->W == NULL) {
        circuit_linear linear = {0};
        const annulus_status st = linear_part(x, &linear);
        if (st != ANNULUS_OK) linear_clear(&linear);
        TRY(st);
        TRY(gathered_layer_create(x->in, x->out, &linear, to));
    } else {
        TRY(dense_layer_create(x->in, x->out, to));
        for (size_t o = 0; o < l->out; o++)
            for (size_t i = 0; x->output[o] != LINEAR_NOTHING && i < l->in; i++)
                if (x->input[i] != LINEAR_NOTHING) to->W[x->output[o] * x->in + x->input[i]] = l->W[o * l->in + i];
    }
    copy_outputs(x, to);
    return copy_sums(l, x->output, to);
}

static annulus_status copy_layer(const plan *p, size_t i, dense_layer *to)
{
    numbers x;
    TRY(numbers_create(p, i, &x));
    const annulus_status st = layer_part(&x, to);
    mem_free(x.input);
    return st == ANNULUS_OK ? st : fail_prefix(st, "layer %zu", i + 1);
}

annulus_status shrink_unread(const network *n, network **out, size_t *removed)
{
    network *c = NULL;
    plan p;
    TRY(plan_create(n, &p));
    annulus_status st = network_frame(n, n->layers_count, &c);
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++) st = copy_layer(&p, i, &c->layers[i]);
    if (st == ANNULUS_OK) st = network_copy_labels(n, c);
    mem_free(p.map);
    if (st == ANNULUS_OK)
        *out = c, *removed = p.removed;
    else
        network_destroy(c);
    return st;
}
