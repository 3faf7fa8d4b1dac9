/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/footprint.h"

#include "base/memory.h"
#include "circuit/exec_priv.h"
#include "tfhe/bootstrap.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t layer_bytes(const circuit_layer *l)
{
    size_t bytes = l->out * (2 * sizeof(double) + 7 * sizeof(int64_t));
    if (l->cells != 0)
        bytes += l->out * sizeof(uint32_t) + (l->unit != 0 ? l->out * sizeof(uint64_t) : 0) +
                 mem_bytes(l->tables * l->cells * sizeof(int32_t));
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        bytes += sizeof *b + mem_bytes(b->rows * b->taps * sizeof *b->W) +
                 mem_bytes(b->places * b->taps * sizeof *b->from) + mem_bytes(b->places * b->rows * sizeof *b->to);
    }
    return bytes;
}

static size_t circuit_bytes(const circuit *c)
{
    size_t bytes = c->input.features * 2 * sizeof(double);
    for (size_t i = 0; i < c->layers_count; i++) bytes += layer_bytes(&c->layers[i]);
    return bytes;
}

/* What exec_plan_create makes. */
static size_t plan_bytes(const circuit *c)
{
    size_t bytes = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const size_t words = (size_t)l->EF * c->choice.families.of[l->family].N;
        bytes += l->out * sizeof(uint64_t);
        if (l->cells != 0) bytes += l->tables * mem_bytes(ROUND_UP(sizeof(lut)) + words * sizeof(uint64_t));
    }
    if (circuit_packs_inputs(c)) bytes += packed_weights_memory(circuit_inputs(c), c->layers[0].out, c->layers[0].in);
    return bytes;
}

/* The key as it was sent, and its expanded form. */
static void key_bytes(const tfhe_families *f, size_t *sent, size_t *expanded)
{
    *sent = *expanded = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        *sent += mem_bytes(tfhe_bsk_seeded_bytes(&f->of[i]));
        *expanded += mem_bytes(tfhe_bsk_memory_bytes(&f->of[i]));
        for (uint32_t from = 0; from < f->count; from++) {
            const tfhe_params p = tfhe_switch_params(f, from, i);
            if (p.ks_l == 0) continue;
            *sent += mem_bytes(tfhe_ksk_seeded_bytes(&p));
            *expanded += mem_bytes(tfhe_ksk_memory_bytes(&p));
        }
    }
}

/* Bytes of `count` ciphertexts under the big key of a source. */
static size_t ciphertexts(const circuit *c, size_t source, size_t count)
{
    return mem_bytes(count * lwe_words(&c->choice.families.of[circuit_family(c, source)]) * sizeof(uint64_t));
}

/* Of the sources before layer `next` that it or a later one takes, without `but`. */
static size_t live_bytes(const circuit *c, size_t next, size_t but)
{
    uint32_t sources[CIRCUIT_MAX_LAYERS + 1];
    const size_t count = exec_live(c, next, sources);
    size_t bytes = 0;
    for (size_t k = 0; k < count; k++)
        if (sources[k] != but) bytes += ciphertexts(c, sources[k], circuit_source_values(c, sources[k]));
    return bytes;
}

static void take_larger(footprint *f, size_t values, size_t work)
{
    if (values + work > f->values + f->work) f->values = values, f->work = work;
}

/* A layer's sums. */
static void linear_stage(const circuit *c, size_t i, unsigned threads, footprint *f)
{
    const circuit_layer *l = &c->layers[i];
    const int packed = i == 0 && circuit_packs_inputs(c);
    const size_t sums = i + 1 < c->layers_count ? ciphertexts(c, l->sources[0], l->out) : 0; /* else the answers */
    const size_t room = packed ? packed_sums_memory(circuit_inputs(c), l->in, threads)
                               : mem_bytes(parallel_threads(threads) * linear_room(&l->linear));
    take_larger(f, (packed ? 0 : live_bytes(c, i, SIZE_MAX)) + sums, room);
}

/* Its look-ups: sums and values, in one place if both are as long, and a copy of a slice. */
static void look_up_stage(const circuit *c, size_t i, unsigned threads, footprint *f)
{
    const circuit_layer *l = &c->layers[i];
    const tfhe_families *of = &c->choice.families;
    const uint32_t from = circuit_source(c, i);
    const tfhe_params keyswitch = tfhe_switch_params(of, from, l->family);
    const size_t slice = exec_slice(l->EF, threads), parts = (l->out + slice - 1) / slice;
    const size_t most = (l->out + parts - 1) / parts;
    const int in_place = lwe_words(&of->of[from]) == lwe_words(&of->of[l->family]) && l->offsets == 1;
    const size_t sums = ciphertexts(c, l->sources[0], l->out);
    const size_t values = in_place ? 0 : ciphertexts(c, i + 1, circuit_values(l));
    take_larger(f, live_bytes(c, i + 1, i + 1) + sums + values,
                ciphertexts(c, l->sources[0], most) + mem_bytes(most * sizeof(bootstrap_job)) +
                    bootstrap_memory(&keyswitch, &of->of[l->family], l->EF, most, threads));
}

static void run_stages(const circuit *c, size_t answers, unsigned threads, int kept, footprint *f)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        linear_stage(c, i, threads, f);
        if (c->layers[i].cells == 0) continue;
        look_up_stage(c, i, threads, f);
        const size_t live = live_bytes(c, i + 1, SIZE_MAX);
        if (kept) take_larger(f, live, 2 * (live + answers)); /* the file's body, and the file */
    }
}

footprint circuit_footprint(const circuit *c, size_t samples, unsigned threads, int kept)
{
    size_t sent, expanded;
    const size_t answers = mem_bytes(samples * circuit_last(c)->out * lwe_words(circuit_outputs(c)) * sizeof(uint64_t));
    const size_t inputs =
        mem_bytes(samples * sizeof(seed256)) + mem_bytes(samples * c->input.features * sizeof(uint64_t));
    key_bytes(&c->choice.families, &sent, &expanded);
    footprint f = {
        .circuit = circuit_bytes(c), .keys = sent + expanded, .tables = plan_bytes(c), .samples = inputs + answers};
    run_stages(c, answers, threads, kept, &f);
    const size_t base = FOOTPRINT_PROCESS + f.circuit + inputs;
    const size_t reading = 2 * sent, running = f.keys + answers + f.tables + f.values + f.work;
    const size_t writing = f.keys + 3 * answers; /* with the file's body, and the file */
    f.peak = base + larger(reading, larger(running, writing));
    return f;
}
