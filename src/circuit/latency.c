/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/latency.h"

#include "base/parallel.h"
#include "circuit/intake.h"
#include "optimizer/batches.h"

double circuit_seconds(const circuit *c, unsigned threads, double *layers)
{
    const tfhe_families *f = &c->choice.families;
    const unsigned workers = parallel_threads(threads);
    const double crowd = cost_crowd(workers, parallel_threads(0));
    double all = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const uint32_t from = circuit_source(c, i);
        const tfhe_params *p = &f->of[from];
        const layer_choice look_ups = {.family = l->family, .split = l->split, .EF = l->EF, .price = l->price};
        const int packed = l->packed.groups > 0;
        double seconds = batches_linear(p, intake_linear_weights(c, i, packed), workers);
        if (packed) seconds += intake_seconds(p, &l->packed, workers);
        if (i == 0 && !c->inputs_packed)
            seconds += cost_weight(p) * cost_expand_weights() * (double)parallel_busiest(c->input.features, workers);
        if (l->cells == 0 && f->answers.bits > 0) seconds += batches_answers(f, l->out, workers);
        if (l->cells != 0) seconds += batches_look_ups(f, from, &look_ups, l->cells, l->out, workers);
        seconds *= crowd;
        if (layers != NULL) layers[i] = seconds;
        all += seconds;
    }
    return all;
}
