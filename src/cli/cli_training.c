/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>

enum { EPOCHS_KEY = 0x400, BATCH_KEY, RATE_KEY, VALIDATION_KEY, NOISE_KEY, SHIFT_KEY, SEED_KEY };

static const struct argp_option entries[] = {
    {"epochs", EPOCHS_KEY, "E", 0, "passes over the data (default 30; prune: 10, 0 for no fine-tuning)", 0},
    {"batch", BATCH_KEY, "N", 0, "samples of one step (default 128)", 0},
    {"learning-rate", RATE_KEY, "R", 0, "of Adam at its highest (default 0.003; prune: 0.001)", 0},
    {"validation", VALIDATION_KEY, "F", 0, "fraction held out to validate on (default 0.1)", 0},
    {"phase-noise", NOISE_KEY, "F", 0, "noise on accumulators while training, in their deviations (default 0.1)", 0},
    {"shift", SHIFT_KEY, "PIXELS", 0, "move images at random by up to this many pixels (default 0)", 0},
    {"seed", SEED_KEY, "S", 0, "same seed, same file (default 1)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const training_options *t = state->input;
    annulus_train_options *o = t->o;
    switch (key) {
    case EPOCHS_KEY:
        o->epochs = (unsigned)parse_size(state, "--epochs", arg, 0, 100000);
        break;
    case BATCH_KEY:
        o->batch = parse_size(state, "--batch", arg, 2, 65536);
        break;
    case RATE_KEY:
        o->learning_rate = parse_real(state, "--learning-rate", arg, 1e-8, 10);
        break;
    case VALIDATION_KEY:
        o->validation = parse_real(state, "--validation", arg, 0, 0.5);
        break;
    case NOISE_KEY:
        o->phase_noise = parse_real(state, "--phase-noise", arg, 0, 10);
        break;
    case SHIFT_KEY:
        o->shift = (unsigned)parse_size(state, "--shift", arg, 0, 64);
        break;
    case SEED_KEY:
        o->seed = parse_size(state, "--seed", arg, 0, SIZE_MAX);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}
const struct argp training_argp = {.options = entries, .parser = parse};

progress_line *training_begin(training_options *t, const work_options *w)
{
    t->quiet = w->quiet;
    progress_begin(&t->line, w->quiet);
    return &t->line;
}

void training_report(void *context, const annulus_epoch *e)
{
    training_options *t = context;
    if (t->quiet) return;
    progress_end(&t->line);
    fprintf(stderr, "epoch %u of %u: loss %.4f", e->epoch, e->epochs, e->loss);
    if (!isnan(e->validation) && t->task == ANNULUS_CLASSIFICATION)
        fprintf(stderr, ", validation accuracy %.2f %%", 100 * e->validation);
    else if (!isnan(e->validation))
        fprintf(stderr, ", validation R^2 %.4f", e->validation);
    fprintf(stderr, ", %.1f s\n", e->seconds);
}
