/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/footprint.h"

#include "base/memory.h"
#include "circuit/exec_priv.h"
#include "circuit/mix.h"
#include "tfhe/split.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t layer_bytes(const circuit_layer *l)
{
    size_t bytes = l->out * (2 * sizeof(double) + 7 * sizeof(int64_t));
    if (l->cells != 0)
        bytes += circuit_tabled(l) * sizeof(uint32_t) + (l->unit != 0 ? l->out * sizeof(uint64_t) : 0) +
                 mem_bytes(l->tables * circuit_table_entries(l) * sizeof(int32_t));
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
        if (l->packed.groups > 0) bytes += packed_weights_memory(circuit_inputs(c), &l->packed);
        if (l->split > 0) {
            bytes += l->tables * split_table_memory(c->choice.families.of[l->family].N, l->cells, l->split);
            continue;
        }
        size_t tables = l->cells == 0 ? 0 : l->tables;
        int step = 0;
        if (mix_of(l)) bytes += mix_bytes(l, &tables, &step);
        bytes += (tables + (size_t)step) * mem_bytes(ROUND_UP(sizeof(lut)) + words * sizeof(uint64_t));
    }
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
    if (f->merge.l > 0) {
        *sent += mem_bytes(merge_seeded_bytes(&f->of[TFHE_HIGH], f->merge.l));
        *expanded += mem_bytes(merge_memory_bytes(&f->of[TFHE_HIGH], f->merge.l));
    }
    if (f->answers.bits == 0) return;
    *sent += mem_bytes(tfhe_answers_seeded_bytes(f));
    const size_t rows = tfhe_answers_sent_memory_bytes(&f->answers);
    *expanded += mem_bytes(tfhe_answers_memory_bytes(f) - rows) + (rows > 0 ? mem_bytes(rows) : 0);
}

/* Rooms of a layer's sums, of its look-ups and, with a checkpoint, of the file behind it and its body. */
static size_t layer_work(const circuit *c, size_t i, size_t together, unsigned threads)
{
    const circuit_layer *l = &c->layers[i];
    const tfhe_families *of = &c->choice.families;
    const int packed = l->packed.groups > 0;
    const size_t products = packed ? packed_sums_memory(circuit_inputs(c), c->input.features, threads) : 0;
    const size_t single =
        packed && l->sources_count == 1 ? 0 : mem_bytes(parallel_threads(threads) * linear_room(&l->linear));
    const size_t sums = larger(products, single);
    if (l->cells == 0) return sums;
    const tfhe_params keyswitch = tfhe_switch_params(of, circuit_source(c, i), l->family);
    const size_t rotations = together * l->out, slice = batches_slice(l->EF, threads);
    const size_t parts = (rotations + slice - 1) / slice, most = (rotations + parts - 1) / parts;
    const size_t work =
        l->split > 0 ? mem_bytes(most * sizeof(split_job)) + split_memory(of, l->cells, l->split, l->EF, most, threads)
                     : mem_bytes(most * sizeof(bootstrap_job)) +
                           bootstrap_memory(&keyswitch, &of->of[l->family], l->EF, most, threads);
    return larger(sums, mem_bytes(most * exec_words(c, l->sources[0]) * sizeof(uint64_t)) + work);
}

static size_t work_bytes(const circuit *c, size_t answers, size_t together, unsigned threads, int kept)
{
    size_t most = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        const size_t live = mem_bytes(together * exec_live_words(c, i + 1) * sizeof(uint64_t));
        most = larger(most, layer_work(c, i, together, threads));
        if (kept && c->layers[i].cells != 0) most = larger(most, 2 * (live + answers));
    }
    const tfhe_families *f = &c->choice.families;
    if (f->answers.bits > 0) most = larger(most, answers_pack_memory(f, circuit_last(c)->out, together, threads));
    return most;
}

footprint circuit_footprint(const circuit *c, size_t samples, size_t together, unsigned threads, int kept)
{
    const size_t group = exec_group(c, samples, together, threads);
    size_t sent, expanded;
    const size_t answers = mem_bytes(samples * exec_answer_bytes(c));
    const size_t sums = mem_bytes(group * circuit_last(c)->out * lwe_words(circuit_outputs(c)) * sizeof(uint64_t));
    const size_t inputs =
        mem_bytes(samples * sizeof(seed256)) + mem_bytes(samples * c->input.features * sizeof(uint64_t));
    key_bytes(&c->choice.families, &sent, &expanded);
    footprint f = {.circuit = circuit_bytes(c),
                   .keys = sent + expanded,
                   .tables = plan_bytes(c),
                   .samples = inputs + answers,
                   .values = exec_memory_bytes(c, group) + sums,
                   .work = work_bytes(c, answers, group, threads, kept)};
    const size_t base = FOOTPRINT_PROCESS + f.circuit + inputs;
    const size_t reading = 2 * sent, running = f.keys + answers + f.tables + f.values + f.work;
    const size_t writing = f.keys + 3 * answers; /* with the file's body, and the file */
    f.peak = base + larger(reading, larger(running, writing));
    return f;
}
