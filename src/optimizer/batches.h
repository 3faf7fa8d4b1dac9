/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of an inference take as they are run: shared out among workers that nothing else holds up, in batches
 * as small as they are, with the keys that these read. Seconds, by the current cost model. */
#ifndef OPTIMIZER_BATCHES_H
#define OPTIMIZER_BATCHES_H

#include "optimizer/optimizer.h"

#define BATCHES_COLUMNS 256u /* ciphertext words of a linear layer that one work item takes */

/* Look-ups between two reports of progress, at most: enough for every worker to share the passes over the keys, and of
 * the largest tables so few that a report comes every few seconds. threads 0: all. */
size_t batches_slice(uint32_t EF, unsigned threads);

/* `count` look-ups of a layer whose inputs are of family `from`; c: its family, split, EF and price. workers >= 1. */
double batches_look_ups(const tfhe_families *f, uint32_t from, const layer_choice *c, double cells, size_t count,
                        unsigned workers);
/* Of so many weights, a count of those that cost_weight is the time of, on ciphertexts of p. */
double batches_linear(const tfhe_params *p, double weights, unsigned workers);
/* Packing of `count` answers; f->answers.bits > 0. */
double batches_answers(const tfhe_families *f, size_t count, unsigned workers);
/* An inference by a result of this request on its threads: linear layers by their weights, look-ups, answers. */
double batches_seconds(const optimizer_request *q, const optimizer_result *r);
#endif
