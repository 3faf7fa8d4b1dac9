/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, as one JSON object; the text for people is written from it, so that both always agree. */
#include "base/c_locale.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/circuit_text.h"
#include "circuit/extend.h"
#include "circuit/footprint.h"
#include "circuit/latency.h"
#include "circuit/mix.h"
#include "circuit/unseen.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"
#include "deploy/host_costs.h"
#include "deploy/inspect_priv.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned bits_of(int64_t lo, int64_t hi)
{
    unsigned bits = 1;
    while (bits < 62 && (INT64_C(1) << bits) < hi - lo + 1) bits++;
    return bits;
}

static unsigned widest_bits(const int64_t *lo, const int64_t *hi, size_t n)
{
    unsigned most = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned b = bits_of(lo[i], hi[i]);
        most = b > most ? b : most;
    }
    return most;
}

static void extremes(const int64_t *lo, const int64_t *hi, size_t n, int64_t out[2])
{
    out[0] = lo[0], out[1] = hi[0];
    for (size_t i = 1; i < n; i++) {
        if (lo[i] < out[0]) out[0] = lo[i];
        if (hi[i] > out[1]) out[1] = hi[i];
    }
}

static json_t *digest_json(const uint8_t *p, size_t n)
{
    char hex[65] = {0};
    for (size_t i = 0; i < n && i < 32; i++) (void)snprintf(hex + 2 * i, 3, "%02x", p[i]);
    return json_string(hex);
}

/* Predicted for one core and for all, of the circuit and of each layer. */
typedef struct seconds {
    unsigned threads;
    double one, all, layers_one[CIRCUIT_MAX_LAYERS], layers_all[CIRCUIT_MAX_LAYERS];
} seconds;

static seconds seconds_of(const circuit *c)
{
    seconds s = {.threads = parallel_threads(0)};
    s.one = circuit_seconds(c, 1, s.layers_one);
    s.all = circuit_seconds(c, 0, s.layers_all);
    return s;
}

static void seconds_add(json_t *j, double one, double all)
{
    (void)json_object_set_new(j, "seconds_one_core", json_real(one));
    (void)json_object_set_new(j, "seconds_all_cores", json_real(all));
}

/* Dimensions of `values` values, or more; each of the first stands for `times`. */
static json_t *shape_json(const uint32_t dims[LINEAR_RANK_MAX], size_t values, size_t times)
{
    json_t *j = json_array();
    if (linear_shape_values(dims, values) == 0)
        (void)json_array_append_new(j, json_integer((json_int_t)(values * times)));
    else
        for (size_t d = 0; d < LINEAR_RANK_MAX && dims[d] != 0; d++)
            (void)json_array_append_new(j, json_integer((json_int_t)(d == 0 ? dims[d] * times : dims[d])));
    return j;
}

/* Its linear part: sources, and what there is of matrices. */
static void linear_add_json(json_t *j, const circuit *c, const circuit_layer *l)
{
    size_t taps = 0, places = 0, weights = 0;
    json_t *sources = json_array(), *numbers = json_array();
    for (size_t k = 0; k < l->sources_count; k++) {
        const uint32_t s = l->sources[k];
        (void)json_array_append_new(sources, json_string(s == 0 ? "input" : c->layers[s - 1].name));
        (void)json_array_append_new(numbers, json_integer(s));
    }
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        taps = b->taps > taps ? b->taps : taps;
        places += b->places;
        weights += b->rows * b->taps;
    }
    (void)json_object_set_new(j, "operation", json_string(l->op));
    (void)json_object_set_new(j, "shape_in", shape_json(l->shape.in, l->in, 1));
    (void)json_object_set_new(j, "shape_out", shape_json(l->shape.out, l->out, l->offsets > 0 ? l->offsets : 1));
    (void)json_object_set_new(j, "sources", sources);
    (void)json_object_set_new(j, "source_numbers", numbers);
    (void)json_object_set_new(j, "matrices", json_integer((json_int_t)l->linear.blocks_count));
    (void)json_object_set_new(j, "taps", json_integer((json_int_t)taps));
    (void)json_object_set_new(j, "places", json_integer((json_int_t)places));
    (void)json_object_set_new(j, "weights", json_integer((json_int_t)weights));
    (void)json_object_set_new(j, "products", json_real(linear_products(&l->linear)));
    (void)json_object_set_new(j, "tables", json_integer((json_int_t)l->tables));
}

/* What a layer was given: a bound on failures, or on the deviation of its noise. */
static void bound_add(json_t *j, const circuit *c, const circuit_layer *l, const layer_choice *choice)
{
    if (l->noise > 0) {
        (void)json_object_set_new(j, "noise_log2_std_asked", json_real(log2(l->noise)));
        return;
    }
    (void)json_object_set_new(j, "log2_error", json_real(circuit_bound(c, l)));
    (void)json_object_set_new(j, "log2_failure", json_real(fmax(choice->log2_failure, -1000)));
}

/* Standard deviation of the deciding phase, fraction of the torus, that its bound allows. */
static double allowed_std(const circuit *c, const circuit_layer *l)
{
    return l->noise > 0 ? l->noise
                        : circuit_last_window(c, l) / noise_kappa(circuit_bound(c, l) - log2(l->split + 1.0));
}

/* Its noise against what is allowed, and its weights, which make it. */
static void noise_add_json(json_t *j, const circuit *c, size_t i, const lookup_layer *norms)
{
    const circuit_layer *l = &c->layers[i];
    const double std = c->choice.layers[i].phase_std, allowed = allowed_std(c, l);
    if (l->noise == 0)
        (void)json_object_set_new(j, "noise_log2_half_window", json_real(log2(circuit_last_window(c, l))));
    (void)json_object_set_new(j, "noise_log2_std_allowed", json_real(log2(allowed)));
    (void)json_object_set_new(j, "noise_used", json_real(std / allowed));
    (void)json_object_set_new(j, "two_norm", json_real(norms->two_norm));
    (void)json_object_set_new(j, "two_norm_inputs", json_real(norms->fresh_two_norm));
}

/* Whether sums lose low bits before they are looked up, and how many are left. */
static void rounding_add_json(json_t *j, const circuit_layer *l)
{
    const char *kind = circuit_is_bit(l)   ? "bit"
                       : l->unit != 0      ? "torus-native"
                       : l->low_bits > 0   ? "exact"
                       : circuit_rounds(l) ? "approximate"
                                           : "none";
    const double scores = l->noise > 0 ? log2((double)l->period) : l->output_bits;
    (void)json_object_set_new(j, "rounding", json_string(kind));
    (void)json_object_set_new(j, "rounding_bits", json_real(l->cells == 0 ? scores : log2(l->cells)));
    if (l->grid > 1) (void)json_object_set_new(j, "function_step", json_integer((json_int_t)l->grid));
}

/* Sums that calibration has not met, of measured ranges. */
static void unseen_add_json(json_t *j, const circuit *c, size_t i)
{
    const unseen u = circuit_unseen(c, i);
    if (!c->ranges_measured || c->layers[i].unit != 0) return;
    (void)json_object_set_new(j, "out_of_range_probability", json_real(u.range));
    (void)json_object_set_new(j, "out_of_measured_probability", json_real(u.measured));
    (void)json_object_set_new(j, "sample_out_of_range_probability", json_real(u.any));
}

/* How a rotation reads several tables: shifts of one, sums of steps (of some neurons at least), side by side, or shifts
 * of fewer side by side. */
static const char *several_tables(const circuit_layer *l)
{
    size_t tables;
    int steps;
    if (l->slot_bits > 0) return circuit_shifts_slots(l) ? "shifts in slots" : "slots";
    if (!circuit_is_mixed(l)) return "none";
    (void)mix_bytes(l, &tables, &steps);
    return steps ? "steps" : "shifts";
}

static json_t *layer_json(const circuit *c, size_t i)
{
    const circuit_layer *l = &c->layers[i];
    const layer_choice *choice = &c->choice.layers[i];
    int64_t range[2];
    extremes(l->lo, l->hi, l->out, range);
    json_t *j = json_pack("{s:s, s:s, s:b, s:i, s:I, s:I, s:i, s:i, s:[I,I], s:f}", "name", l->name, "activation",
                          l->activation, "torus_native", circuit_is_wave(l), "family", (int)l->family + 1, "inputs",
                          (json_int_t)l->in, "outputs", (json_int_t)circuit_values(l), "accumulator_bits_proven",
                          (int)widest_bits(l->proven_lo, l->proven_hi, l->out), "accumulator_bits_measured",
                          (int)widest_bits(l->measured_lo, l->measured_hi, l->out), "range", (json_int_t)range[0],
                          (json_int_t)range[1], "noise_log2_std", fmax(log2(choice->phase_std), -1000));
    if (j != NULL) bound_add(j, c, l, choice);
    if (j != NULL) linear_add_json(j, c, l);
    if (j == NULL || l->cells == 0) {
        if (j != NULL && l->noise == 0) (void)json_object_set_new(j, "output_bits", json_integer(l->output_bits));
        return j;
    }
    json_t *look = json_pack(
        "{s:b, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:f}", "extended", circuit_is_extended(l), "several_tables",
        several_tables(l), "rotations", (json_int_t)circuit_layer_rotations(l), "split_low_bits", (json_int_t)l->split,
        "look_ups", (json_int_t)circuit_layer_look_ups(l), "cells", (json_int_t)l->cells, "bits", log2(l->cells),
        "rounding_step", (json_int_t)l->step, "extension_factor", (json_int_t)l->EF, "extension_price",
        (json_int_t)l->price, "products_per_mask_element", extension_expected(l->EF, l->price).products);
    (void)json_object_update(j, look);
    json_decref(look);
    return j;
}

static json_t *family_json(const tfhe_families *f, uint32_t i)
{
    const tfhe_params *p = &f->of[i];
    return json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "family", (int)i + 1, "switch_l",
                     (int)f->into[i].l, "switch_log2_B", (int)f->into[i].b, "n", (int)p->n, "k", (int)p->k, "N",
                     (int)p->N, "pbs_l", (int)p->pbs_l, "pbs_l_body", (int)p->pbs_lb, "pbs_log2_Bg", (int)p->pbs_bg,
                     "key_bits_a_step", (int)p->pbs_group, "ks_l", (int)p->ks_l, "ks_log2_B", (int)p->ks_b,
                     "lwe_noise_tuniform", (int)p->lwe_noise, "glwe_noise_tuniform", (int)p->glwe_noise);
}

static json_t *families_json(const tfhe_families *f)
{
    json_t *all = json_array();
    for (uint32_t i = 0; all != NULL && i < f->count; i++) (void)json_array_append_new(all, family_json(f, i));
    return all;
}

/* null: no split look-ups. */
static json_t *merge_json(const tfhe_families *f)
{
    if (f->merge.l == 0) return json_null();
    return json_pack("{s:i,s:i,s:I}", "l", (int)f->merge.l, "log2_B", (int)f->merge.bg, "bytes",
                     (json_int_t)merge_seeded_bytes(&f->of[TFHE_HIGH], f->merge.l));
}

/* null: not packed. */
static json_t *answers_json(const circuit *c)
{
    const tfhe_answers *a = &c->choice.families.answers;
    if (a->bits == 0) return json_null();
    json_t *multiples = json_array();
    for (uint32_t t = 0; t < a->parts; t++) (void)json_array_append_new(multiples, json_integer(a->multiple[t]));
    json_t *sent = a->sent_k == 0 ? json_null()
                                  : json_pack("{s:i,s:i,s:i}", "k", (int)a->sent_k, "switch_l", (int)a->sent_l,
                                              "noise_tuniform", (int)a->sent_noise);
    return json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:o,s:i,s:i,s:o,s:f}", "family", (int)a->family + 1, "k", (int)a->k, "N",
                     (int)a->N, "switch_l", (int)a->l, "switch_log2_B", (int)a->b, "noise_tuniform", (int)a->noise,
                     "sent", sent, "word_bits", (int)a->bits, "body_bits", (int)a->body_bits, "multiples", multiples,
                     "bytes_a_value", (double)exec_answer_bytes(c) / (double)circuit_last(c)->out);
}

static json_t *sizes_json(const circuit *c)
{
    const tfhe_families *f = &c->choice.families;
    size_t file = 0, bsk = 0, ksk = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        file += tfhe_bsk_seeded_bytes(&f->of[i]);
        bsk += tfhe_bsk_memory_bytes(&f->of[i]);
        for (uint32_t from = 0; from < f->count; from++) {
            const tfhe_params p = tfhe_switch_params(f, from, i);
            file += tfhe_ksk_seeded_bytes(&p);
            ksk += tfhe_ksk_memory_bytes(&p);
        }
    }
    if (f->merge.l > 0) {
        file += merge_seeded_bytes(&f->of[TFHE_HIGH], f->merge.l);
        ksk += merge_memory_bytes(&f->of[TFHE_HIGH], f->merge.l);
    }
    if (f->answers.bits > 0) {
        file += tfhe_answers_seeded_bytes(f);
        ksk += tfhe_answers_memory_bytes(f);
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "evaluation_key_file", (json_int_t)file, "bootstrapping_key_memory",
                     (json_int_t)bsk, "keyswitching_key_memory", (json_int_t)ksk, "encrypted_input",
                     (json_int_t)(c->input.features * c->input_bits / 8), "encrypted_output",
                     (json_int_t)exec_answer_bytes(c));
}

/* Of a run of one sample on all cores. */
static json_t *memory_json(const circuit *c)
{
    const footprint f = circuit_footprint(c, 1, 1, 0, 0);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "circuit", (json_int_t)f.circuit, "keys", (json_int_t)f.keys,
                     "tables", (json_int_t)f.tables, "samples", (json_int_t)f.samples, "values", (json_int_t)f.values,
                     "work", (json_int_t)f.work, "peak", (json_int_t)f.peak);
}

static json_t *passes_json(const circuit_passes *p)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "constant_neurons", (json_int_t)p->constant, "unread_neurons",
                     (json_int_t)p->dead, "equal_neurons", (json_int_t)p->equal, "layers", (json_int_t)p->layers,
                     "equal_tables", (json_int_t)p->tables, "shared_rotations", (json_int_t)p->rotations);
}

json_t *inspect_circuit(const circuit *c)
{
    json_t *layers = json_array();
    const seconds predicted = seconds_of(c);
    lookup_layer norms[CIRCUIT_MAX_LAYERS];
    if (circuit_lookup_layers(c, norms) != ANNULUS_OK) {
        json_decref(layers);
        return NULL;
    }
    for (size_t i = 0; layers != NULL && i < c->layers_count; i++) {
        json_t *layer = layer_json(c, i);
        if (layer != NULL) {
            seconds_add(layer, predicted.layers_one[i], predicted.layers_all[i]);
            (void)json_object_set_new(layer, "share_one_core", json_real(predicted.layers_one[i] / predicted.one));
            (void)json_object_set_new(layer, "share_all_cores", json_real(predicted.layers_all[i] / predicted.all));
            rounding_add_json(layer, &c->layers[i]);
            unseen_add_json(layer, c, i);
            noise_add_json(layer, c, i, &norms[i]);
        }
        (void)json_array_append_new(layers, layer);
    }
    const size_t look_ups = circuit_look_ups(c), rotations = circuit_rotations_before(c, c->layers_count);
    json_t *head = json_pack("{s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:s, s:f, s:f, s:f, s:b, s:i}",
                             "schema", "annulus-circuit-2", "kind", "circuit", "version", (int)CONTAINER_VERSION,
                             "task", network_task_name((network_task)c->task), "inputs", (json_int_t)c->input.features,
                             "outputs", (json_int_t)circuit_last(c)->out, "look_ups", (json_int_t)look_ups, "rotations",
                             (json_int_t)rotations, "ranges",
                             c->saturates         ? "measured"
                             : c->ranges_measured ? "likely"
                                                  : "proven",
                             "calibration_samples", (json_int_t)c->calibration_count, "error_target",
                             c->target == ERROR_GLOBAL ? "inference" : "look-up", "log2_error", c->log2_error,
                             "log2_error_look_up", c->choice.log2_error, "log2_failure_inference",
                             fmax(c->choice.log2_global_failure, -1000), "shared_output", circuit_shared_output(c),
                             "security_bits", (int)c->level);
    if (head == NULL) {
        json_decref(layers);
        return NULL;
    }
    (void)json_object_set_new(head, "torus_native", json_integer((json_int_t)circuit_waves(c)));
    seconds_add(head, predicted.one, predicted.all);
    (void)json_object_set_new(head, "cores", json_integer(predicted.threads));
    (void)json_object_set_new(head, "cost_model", json_string(annulus_costs_measured(NULL) ? "host" : "shipped"));
    (void)json_object_set_new(head, "digest", digest_json(c->digest, sizeof c->digest));
    (void)json_object_set_new(head, "passes", passes_json(&c->passes));
    (void)json_object_set_new(head, "layers", layers);
    (void)json_object_set_new(head, "families", families_json(&c->choice.families));
    (void)json_object_set_new(head, "merge", merge_json(&c->choice.families));
    (void)json_object_set_new(head, "answers", answers_json(c));
    (void)json_object_set_new(head, "bytes", sizes_json(c));
    (void)json_object_set_new(head, "memory", memory_json(c));
    return head;
}

static annulus_status inspect_other(container *file, json_t **out)
{
    binding of;
    TRY(binding_read(&file->body, &of));
    json_t *j = json_pack("{s:s, s:s, s:I}", "schema", "annulus-file-1", "kind", container_kind_name(file->kind),
                          "bytes", (json_int_t)file->len);
    if (j == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the description");
    (void)json_object_set_new(j, "circuit", digest_json(of.circuit, sizeof of.circuit));
    (void)json_object_set_new(j, "key", digest_json(of.key, sizeof of.key));
    *out = j;
    return ANNULUS_OK;
}

static annulus_status inspect_file(container *file, json_t **out)
{
    if (file->kind != CONTAINER_CIRCUIT) return inspect_other(file, out);
    circuit *c = NULL;
    host_costs_load();
    TRY(circuit_read(&file->body, &c));
    annulus_status st = read_end(&file->body);
    if (st == ANNULUS_OK) {
        *out = inspect_circuit(c);
        if (*out == NULL) st = fail(ANNULUS_ERR_MEMORY, "no memory for the description");
    }
    circuit_destroy(c);
    return st;
}

static json_t *numbers_json(const int64_t *v, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) (void)json_array_append_new(list, json_integer((json_int_t)v[i]));
    return list;
}

/* malloc'ed; NULL without memory. */
static char *program_json(const circuit *c)
{
    json_t *j = inspect_circuit(c);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        json_t *layer = json_array_get(json_object_get(j, "layers"), i);
        (void)json_object_set_new(layer, "proven_lo", numbers_json(l->proven_lo, l->out));
        (void)json_object_set_new(layer, "proven_hi", numbers_json(l->proven_hi, l->out));
        if (c->calibration_count == 0) continue;
        (void)json_object_set_new(layer, "measured_lo", numbers_json(l->measured_lo, l->out));
        (void)json_object_set_new(layer, "measured_hi", numbers_json(l->measured_hi, l->out));
    }
    char *text = json_dumps(j, JSON_REAL_PRECISION(6)); /* NULL of NULL */
    json_decref(j);
    return text;
}

static char *program_text(const circuit *c)
{
    size_t len = 0;
    char *text = NULL;
    c_locale plain;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL) return NULL;
    const int begun = c_locale_begin(&plain) == ANNULUS_OK;
    if (begun) circuit_print(f, c), c_locale_end(&plain);
    if (fclose(f) == 0 && begun) return text;
    free(text);
    return NULL;
}

static annulus_status describe_program(container *file, int json, char **out)
{
    circuit *c = NULL;
    host_costs_load();
    TRY(circuit_read(&file->body, &c));
    annulus_status st = read_end(&file->body);
    if (st == ANNULUS_OK) {
        char *text = (json ? program_json : program_text)(c);
        if (text == NULL)
            st = fail(ANNULUS_ERR_MEMORY, "no memory for the program");
        else
            *out = text;
    }
    circuit_destroy(c);
    return st;
}

annulus_status annulus_inspect_program(const char *path, int json, char **out)
{
    container file;
    TRY(container_read(path, CONTAINER_CIRCUIT, &file));
    const annulus_status st = describe_program(&file, json, out);
    container_clear(&file);
    return st;
}

annulus_status annulus_inspect(const char *path, int json, char **out)
{
    container file;
    json_t *j = NULL;
    TRY(container_open(path, &file));
    annulus_status st = inspect_file(&file, &j);
    container_clear(&file);
    if (st != ANNULUS_OK) return st;
    char *text = json ? json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : inspect_text(j);
    json_decref(j);
    if (text == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the description");
    *out = text;
    return ANNULUS_OK;
}

annulus_status annulus_inspect_html(const char *path, const char *report)
{
    container file;
    json_t *j = NULL;
    TRY(container_read(path, CONTAINER_CIRCUIT, &file));
    annulus_status st = inspect_file(&file, &j);
    container_clear(&file);
    if (st != ANNULUS_OK) return st;
    c_locale plain;
    char *html = NULL;
    if (c_locale_begin(&plain) == ANNULUS_OK) html = inspect_html(j), c_locale_end(&plain);
    json_decref(j);
    if (html == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the report");
    st = file_write(report, html, strlen(html), 0644);
    free(html);
    return st;
}

void annulus_text_destroy(char *text)
{
    mem_free(text);
}
