/* SPDX-License-Identifier: Apache-2.0 */
/* What given families are expected to do: noise, failures, seconds and bytes. */
#include "optimizer/multiples.h"
#include "optimizer/optimizer_priv.h"

#include <math.h>

layer_link optimizer_link(const optimizer_request *q, size_t i, const layer_link *before)
{
    if (q->links != NULL) return q->links[i];
    const uint32_t from = i == 0 ? 0 : before->into;
    return (layer_link){
        .source = (uint32_t)i, .from = from, .into = q->layers[i].is_output || i == 0 ? from : from + 1};
}

/* Largest variance of the values of a family; of one big key those of split look-ups have most. */
static double values_variance(const optimizer_request *q, const tfhe_families *f, const layer_choice *layers,
                              uint32_t family)
{
    double most = noise_blind_rotate(&f->of[family]);
    for (size_t i = 0; i < q->layers_count; i++)
        if (layers[i].split > 0) most = fmax(most, split_output_variance(f, &q->layers[i], layers[i].split));
    return most;
}

/* log2 of the sum of two probabilities that are given so. */
static double either(double a, double b)
{
    const double most = fmax(a, b), least = fmin(a, b);
    return isinf(least) ? most : most + log2(1 + exp2(least - most));
}

/* One layer's deciding noise, failure and seconds, whose inputs are of family `from`, values of at most this variance.
 * Split look-ups have rotations of their own, other values may be fewer than all. */
static void predict_layer(const lookup_layer *layer, const tfhe_families *f, uint32_t from, double values,
                          layer_choice *c)
{
    const tfhe_params *source = &f->of[from], *p = &f->of[c->family];
    const tfhe_params keyswitch = tfhe_switch_params(f, from, c->family);
    c->seconds = layer->weights * cost_weight(source);
    const double rotate = noise_blind_rotate(source);
    const double in_common = values > rotate ? fmax(0, layer->common) : layer->common;
    double v = layer->two_norm * layer->two_norm * values + in_common * noise_common(source) * rotate +
               layer->fresh_two_norm * layer->fresh_two_norm * noise_fresh(source);
    double wrong = -INFINITY;
    if (c->split > 0) {
        split_predict(f, layer, v, c);
        return;
    }
    if (!layer->is_output) {
        const tfhe_params slotted = tfhe_slotted(p, layer->slot_bits);
        v += noise_keyswitch(&keyswitch) + noise_modulus_switch(&slotted, c->EF, c->price);
        c->seconds += (double)layer->count * (cost_keyswitch(&keyswitch) + cost_blind_rotate(p, c->EF, c->price));
        c->output_std = sqrt(noise_blind_rotate(p));
    } else if (f->answers.bits > 0) {
        const tfhe_params packing = tfhe_answers_params(f);
        const double together = (double)tfhe_answers_together(&f->answers, layer->count);
        v += noise_answers(f, together);
        wrong = multiples_wrong_log2(&f->answers, noise_answers_part(f, together));
        c->seconds += (double)(layer->count * f->answers.parts) * cost_keyswitch(&packing) +
                      (double)tfhe_answers_groups(&f->answers, layer->count) * cost_sent(&f->answers);
    }
    c->phase_std = sqrt(v);
    c->log2_failure = either(noise_failure_log2(v, layer_window(layer, p->N, c->EF)), wrong);
}

/* Of one inference, without the layers that ask for a deviation. Where every term underflows, the sum of the
 * probabilities is the probability of the union. */
static double global_failure(const optimizer_request *q, const layer_choice *layers)
{
    double log_right = 0, most = -INFINITY, sum = 0; /* natural log of P(no failure) */
    for (size_t i = 0; i < q->layers_count; i++) {
        if (q->layers[i].phase_std > 0) continue;
        log_right += (double)q->layers[i].count * log1p(-fmin(exp2(layers[i].log2_failure), 1 - 1e-16));
        most = fmax(most, layers[i].log2_failure);
    }
    if (isinf(most)) return most;
    for (size_t i = 0; i < q->layers_count; i++)
        if (!(q->layers[i].phase_std > 0)) sum += (double)q->layers[i].count * exp2(layers[i].log2_failure - most);
    return most + log2(sum) > -40 ? log2(-expm1(log_right)) : most + log2(sum);
}

static double predicted_bytes(search_objective minimize, const tfhe_families *f, const layer_choice *layers,
                              size_t count)
{
    double sum = 0, rotation = 0;
    for (uint32_t a = 0; a < f->count; a++) {
        const tfhe_params into = tfhe_switch_params(f, f->count - 1 - a, a);
        sum += search_bsk_bytes(minimize, &f->of[a]) + search_ksk_bytes(minimize, &f->of[a]);
        if (f->count > 1) sum += search_ksk_bytes(minimize, &into); /* none: of no levels */
    }
    if (f->merge.l > 0)
        sum += (double)(minimize == MINIMIZE_MEMORY ? merge_memory_bytes(&f->of[TFHE_HIGH], f->merge.l)
                                                    : merge_seeded_bytes(&f->of[TFHE_HIGH], f->merge.l));
    if (f->answers.bits > 0)
        sum += (double)(minimize == MINIMIZE_MEMORY ? tfhe_answers_memory_bytes(f) : tfhe_answers_seeded_bytes(f));
    for (size_t i = 0; i < count; i++)
        rotation = fmax(rotation, search_rotation_bytes(minimize, &f->of[layers[i].family], layers[i].EF));
    return sum + rotation;
}

void optimizer_predict(const optimizer_request *request, const tfhe_families *families, const layer_choice *layers,
                       optimizer_result *out)
{
    const size_t count = request->layers_count;
    layer_choice chosen[OPTIMIZER_MAX_LAYERS] = {0};
    uint32_t from[OPTIMIZER_MAX_LAYERS]; /* family of the inputs */
    for (size_t i = 0; i < count; i++) {
        const int output = request->layers[i].is_output;
        const size_t source = request->links == NULL ? i : request->links[i].source;
        from[i] = source == 0 ? layers[0].family : chosen[source - 1].family;
        chosen[i] = (layer_choice){.family = output ? from[i] : layers[i].family,
                                   .split = output ? 0 : layers[i].split,
                                   .EF = output ? 0 : layers[i].EF,
                                   .price = output ? 0 : layers[i].price};
    }
    *out = (optimizer_result){.families = *families, .log2_error = request->log2_error};
    for (size_t i = 0; i < count; i++) {
        out->layers[i] = chosen[i];
        predict_layer(&request->layers[i], families, from[i], values_variance(request, families, chosen, from[i]),
                      &out->layers[i]);
        out->seconds += out->layers[i].seconds;
    }
    out->log2_global_failure = global_failure(request, out->layers);
    out->key_bytes = predicted_bytes(MINIMIZE_KEY, families, chosen, count);
    out->memory_bytes = predicted_bytes(MINIMIZE_MEMORY, families, chosen, count);
}

double global_from_lookup_log2(double log2_p, double count)
{
    return log2(-expm1(count * log1p(-exp2(log2_p))));
}

double lookup_from_global_log2(double log2_global, double count)
{
    return log2(-expm1(log1p(-exp2(log2_global)) / count));
}
