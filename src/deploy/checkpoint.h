/* SPDX-License-Identifier: Apache-2.0 */
/* Where a run stands, in a file: the answers of the samples that are finished, and of those that are run together at
 * the moment the values behind their last finished layer. */
#ifndef DEPLOY_CHECKPOINT_H
#define DEPLOY_CHECKPOINT_H

#include "deploy/deploy_priv.h"

typedef struct checkpoint {
    const char *path; /* NULL: nothing is kept; borrowed */
    const circuit *c;
    const annulus_input *x;
    size_t sample, layer; /* the next to run; layer 0: the sample begins */
    size_t together;      /* samples that are run together, from that one on, if layer is not 0 */
    uint64_t *values;     /* ciphertexts of exec_live(layer) of all of them if that is not 0, else NULL; owned */
    uint8_t inputs[2][32];
    struct {
        size_t sample, layer, bytes; /* what the file has; bytes 0: none was written yet */
        double end, took;            /* seconds: of CLOCK_MONOTONIC, or when the run began; of writing it */
    } last;
} checkpoint;

/* The state in the file at `path`, the answers of finished samples in y; the beginning if there is no file or path is
 * NULL. ANNULUS_ERR_INPUT: a file that is none, or of another circuit, key or input. */
annulus_status checkpoint_open(const char *path, const circuit *c, const annulus_input *x, annulus_output *y,
                               checkpoint *out) __attribute__((warn_unused_result));
void checkpoint_close(checkpoint *p);
/* Writes that `layer` of p->sample and those together with it is next, with the values that are live then (count 0 if
 * layer is 0); unless that would take more than 1/20 of the time since the last was written, by what that took. */
annulus_status checkpoint_keep(checkpoint *p, const annulus_output *y, size_t layer, const exec_ciphertexts *live,
                               size_t count) __attribute__((warn_unused_result));
/* Writes it, unless the file has it. */
annulus_status checkpoint_stop(checkpoint *p, const annulus_output *y, size_t layer, const exec_ciphertexts *live,
                               size_t count) __attribute__((warn_unused_result));
#endif
