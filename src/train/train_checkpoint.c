/* SPDX-License-Identifier: Apache-2.0 */
/* Where training stands, in a file: parameters with the optimizer's moments, ranges, the best parameters so far,
 * and what was reported. Everything else follows from data and options, whose digest the file carries. */
#include "train/train_priv.h"

#include "base/bytes.h"
#include "base/file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MOST ((size_t)1 << 34)

/* The arrays of floats that make up a layer's state; those of the first TRAIN_PARAMETERS are the parameters. */
#define TRAIN_ARRAYS 18
#define TRAIN_PARAMETERS 7
#define TRAIN_MOMENTS 5 /* of each kind, from there on; those of the second are squares */
typedef struct array {
    float *p;
    size_t n;
} array;

static void layer_arrays(const train_layer *l, array out[TRAIN_ARRAYS])
{
    const param *const all[] = {&l->w, &l->gamma, &l->beta, &l->step, l->learns ? &l->log_scale : NULL};
    for (size_t k = 0; k < TRAIN_MOMENTS; k++) {
        const param none = {0, l->w.x, l->w.g, l->w.m, l->w.v}, *p = all[k] == NULL ? &none : all[k];
        out[k] = (array){p->x, p->n};
        out[TRAIN_PARAMETERS + k] = (array){p->m, p->n};
        out[TRAIN_PARAMETERS + TRAIN_MOMENTS + k] = (array){p->v, p->n};
    }
    const size_t waves = (size_t)train_has_waves(l);
    out[TRAIN_MOMENTS] = (array){waves ? l->center : l->w.x, waves * l->groups * l->in};
    out[TRAIN_MOMENTS + 1] = (array){waves ? l->wide : l->w.x, waves * l->out};
    out[TRAIN_ARRAYS - 1] = (array){l->range, 2 * l->out};
}

static size_t parameters(const train_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->layers; i++) {
        array a[TRAIN_ARRAYS];
        layer_arrays(&m->layer[i], a);
        for (size_t k = 0; k < TRAIN_PARAMETERS; k++) n += a[k].n;
    }
    return n;
}

annulus_status train_best_create(const train_model *m, train_best *out)
{
    void *p;
    TRY(mem_create(parameters(m), sizeof(float), "best parameters", &p));
    *out = (train_best){.x = p};
    return ANNULUS_OK;
}

/* Between the model's parameters and the best ones. */
static void copy_best(const train_model *m, const train_best *b, int store)
{
    float *at = b->x;
    for (size_t i = 0; i < m->layers; i++) {
        array a[TRAIN_ARRAYS];
        layer_arrays(&m->layer[i], a);
        for (size_t k = 0; k < TRAIN_PARAMETERS; at += a[k++].n)
            memcpy(store ? at : a[k].p, store ? a[k].p : at, a[k].n * sizeof *at);
    }
}

void train_best_store(const train_model *m, unsigned epoch, double score, train_best *b)
{
    copy_best(m, b, 1);
    b->epoch = epoch;
    b->score = score;
}

void train_best_restore(const train_best *b, train_model *m)
{
    copy_best(m, b, 0);
}

static void write_function(writer *w, const function *f)
{
    for (size_t i = 0; f != NULL && i < f->count; i++)
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) {
            const function_operand *o = &f->steps[i].in[k];
            write_u32(w, (uint32_t)f->steps[i].op);
            write_u32(w, (uint32_t)o->value);
            write_f64(w, o->constant);
        }
    for (size_t i = 0; f != NULL && i < f->entries; i++) write_f64(w, (double)f->table[i]);
}

/* Of options that say it for each layer. */
static void write_noise(writer *w, const train_model *m, const train_options *o)
{
    if (o->index_noise > 0) write_f64(w, o->index_noise);
    for (size_t i = 0; (o->noise_of != NULL || o->noise_kept) && i < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        const float all[] = {l->noise, l->cells, l->value_noise};
        write_bytes(w, all, sizeof all);
        if (l->score_noise != NULL) write_bytes(w, l->score_noise, l->out * sizeof *l->score_noise);
    }
}

static void write_convolutions(writer *w, const train_options *o)
{
    for (size_t i = 0; i < o->conv_count; i++) {
        const train_convolution *c = &o->conv[i];
        const uint64_t shape[] = {c->channels, c->kernel, c->stride, c->padding,
                                  c->groups,   c->add,    c->pool,   (uint64_t)c->sums};
        write_u64s(w, shape, sizeof shape / sizeof *shape);
    }
}

static void write_teacher(writer *w, const train_options *o)
{
    write_convolutions(w, o);
    for (size_t i = 0; i < o->hidden_count; i++) write_u64(w, o->hidden[i]), write_u64(w, o->hidden_add[i]);
    for (size_t i = 0; i < o->layer_acts_count; i++) {
        write_u32(w, (uint32_t)o->layer_acts[i].act);
        write_f64(w, o->layer_acts[i].rise);
        write_function(w, o->layer_acts[i].own);
    }
}

/* What decides how training goes, but for the number of threads: options, data and the parameters it starts with. */
annulus_status train_digest(const train_model *m, const train_data *t, const train_options *o,
                            uint8_t out[SHA256_BYTES])
{
    writer w;
    writer_init(&w, 0);
    const double reals[] = {o->learning_rate, o->validation, o->phase_noise,     o->weight_decay,
                            o->outlier,       o->sparsity,   o->target_error,    o->momentum,
                            o->value_noise,   o->rise,       o->clip_percentile, o->dropout};
    const uint64_t wholes[] = {o->epochs,
                               o->batch,
                               o->shift,
                               o->accumulator_bits,
                               (uint64_t)o->accumulator_masks,
                               (uint64_t)o->flip,
                               o->offsets,
                               o->distill_count,
                               o->rounding_bits,
                               o->optimizer,
                               o->schedule,
                               o->patience,
                               (uint64_t)o->power_of_two,
                               (uint64_t)o->clip_learned,
                               o->seed,
                               t->count,
                               t->features};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) write_f64(&w, reals[i]);
    write_u64s(&w, wholes, sizeof wholes / sizeof *wholes);
    for (size_t i = 0; i < o->distill_count; i++) write_u64(&w, o->distill[i]);
    if (m->taught != NULL) write_bytes(&w, m->taught, t->count * t->outputs * sizeof *m->taught);
    if (o->taught_by != NULL) write_u8(&w, (uint8_t)train_moves(t, o->shift, o->flip)); /* what it sees */
    if (o->teacher != NULL) write_teacher(&w, o->teacher);
    write_noise(&w, m, o);
    write_convolutions(&w, o);
    for (size_t i = 0; m->class_weight != NULL && i < t->outputs; i++) write_f64(&w, (double)m->class_weight[i]);
    write_bytes(&w, t->q, t->count * t->features);
    if (t->target != NULL)
        write_bytes(&w, t->target, t->count * t->outputs * sizeof *t->target);
    else
        write_bytes(&w, t->label, t->count * sizeof *t->label);
    for (size_t i = 0; i < m->layers; i++) {
        array a[TRAIN_ARRAYS];
        layer_arrays(&m->layer[i], a);
        const uint32_t kind[] = {(uint32_t)m->layer[i].act, m->layer[i].bits,           (uint32_t)m->layer[i].lo,
                                 (uint32_t)m->layer[i].hi,  (uint32_t)m->layer[i].adds, (uint32_t)m->layer[i].two};
        write_u32s(&w, kind, sizeof kind / sizeof *kind);
        write_f64(&w, (double)m->layer[i].rise);
        write_f64(&w, (double)m->layer[i].drop);
        write_function(&w, m->layer[i].own);
        for (size_t k = 0; k < TRAIN_PARAMETERS; k++) write_bytes(&w, a[k].p, a[k].n * sizeof(float));
    }
    annulus_status st = w.status;
    if (st == ANNULUS_OK) st = bytes_sha256(w.p, w.len, out);
    writer_clear(&w);
    return st;
}

annulus_status train_checkpoint_write(const char *path, const uint8_t digest[SHA256_BYTES], const train_epoch *history,
                                      unsigned epochs, const train_model *m, const train_best *best)
{
    writer w;
    uint8_t sum[SHA256_BYTES];
    writer_init(&w, 0);
    write_string(&w, TRAIN_CHECKPOINT_MARK);
    write_u32(&w, TRAIN_CHECKPOINT_VERSION);
    write_bytes(&w, digest, SHA256_BYTES);
    write_u32(&w, epochs);
    for (unsigned e = 0; e < epochs; e++) {
        const double values[] = {history[e].loss, history[e].validation, history[e].seconds}; /* or NaN */
        write_bytes(&w, values, sizeof values);
        write_u8(&w, (uint8_t)history[e].best);
    }
    for (size_t i = 0; i < m->layers; i++) {
        array a[TRAIN_ARRAYS];
        layer_arrays(&m->layer[i], a);
        for (size_t k = 0; k < TRAIN_ARRAYS; k++) write_bytes(&w, a[k].p, a[k].n * sizeof(float));
    }
    write_u8(&w, best->x != NULL);
    if (best->x != NULL) {
        write_u32(&w, best->epoch);
        write_f64(&w, best->score);
        write_bytes(&w, best->x, parameters(m) * sizeof(float));
    }
    annulus_status st = w.status;
    if (st == ANNULUS_OK) st = bytes_sha256(w.p, w.len, sum);
    write_bytes(&w, sum, sizeof sum);
    if (st == ANNULUS_OK) st = w.status;
    if (st == ANNULUS_OK) st = file_write(path, w.p, w.len, 0644);
    writer_clear(&w);
    return st;
}

static annulus_status check_head(reader *r, const uint8_t digest[SHA256_BYTES])
{
    char *magic = NULL;
    uint32_t version = 0;
    uint8_t found[SHA256_BYTES], sum[SHA256_BYTES];
    const annulus_status st = read_string(r, &magic);
    const int known = st == ANNULUS_OK && strcmp(magic, TRAIN_CHECKPOINT_MARK) == 0;
    mem_free(magic);
    if (!known) return read_fail(r, "not a checkpoint of training");
    TRY(read_u32(r, &version));
    if (version != TRAIN_CHECKPOINT_VERSION)
        return read_fail(r, "version %u, %u is known", version, TRAIN_CHECKPOINT_VERSION);
    if (r->len - r->pos < SHA256_BYTES) return read_fail(r, "cut short");
    r->len -= SHA256_BYTES;
    TRY(bytes_sha256(r->p, r->len, sum));
    if (memcmp(sum, r->p + r->len, sizeof sum) != 0) return read_fail(r, "damaged: the checksum differs");
    TRY(read_bytes(r, found, sizeof found));
    if (memcmp(found, digest, sizeof found) != 0)
        return read_fail(r, "of training with other data or options; give its own, or remove the file to start anew");
    return ANNULUS_OK;
}

/* Finite numbers, and with `least` none below it. */
static annulus_status read_floats(reader *r, float *out, size_t n, float least)
{
    TRY(read_bytes(r, out, n * sizeof *out));
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]) || out[i] < least) return read_fail(r, "%g among the parameters", (double)out[i]);
    return ANNULUS_OK;
}

static annulus_status read_state(reader *r, const train_options *o, train_epoch *history, unsigned *epochs,
                                 train_model *m, train_best *best)
{
    uint32_t done = 0, best_epoch = 0;
    uint8_t has_best = 0;
    TRY(read_u32(r, &done));
    if (done < 1 || done > o->epochs) return read_fail(r, "%u epochs of %u are done", done, o->epochs);
    for (uint32_t e = 0; e < done; e++) {
        double values[3];
        uint8_t better = 0;
        TRY(read_bytes(r, values, sizeof values));
        TRY(read_u8(r, &better));
        history[e] = (train_epoch){e + 1, o->epochs, values[0], values[1], values[2], better != 0};
    }
    for (size_t i = 0; i < m->layers; i++) {
        array a[TRAIN_ARRAYS];
        layer_arrays(&m->layer[i], a);
        for (size_t k = 0; k < TRAIN_ARRAYS; k++) /* second moments are squares */
            TRY(read_floats(r, a[k].p, a[k].n,
                            k >= TRAIN_PARAMETERS + TRAIN_MOMENTS && k + 1 < TRAIN_ARRAYS ? 0 : -INFINITY));
    }
    TRY(read_u8(r, &has_best));
    if (has_best != (best->x != NULL)) return read_fail(r, "best parameters are missing or not wanted");
    if (has_best) {
        TRY(read_u32(r, &best_epoch));
        TRY(read_f64(r, &best->score));
        if (best_epoch > done) return read_fail(r, "epoch %u of %u was the best", best_epoch, done);
        TRY(read_floats(r, best->x, parameters(m), -INFINITY));
    }
    best->epoch = best_epoch;
    *epochs = done;
    return read_end(r);
}

annulus_status train_checkpoint_read(const char *path, const uint8_t digest[SHA256_BYTES], const train_options *o,
                                     train_epoch *history, unsigned *epochs, train_model *m, train_best *best)
{
    uint8_t *bytes;
    reader r = {.name = path};
    *epochs = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT) return ANNULUS_OK;
    TRY(file_read(path, FILE_MOST, &bytes, &r.len));
    r.p = bytes;
    annulus_status st = check_head(&r, digest);
    if (st == ANNULUS_OK) st = read_state(&r, o, history, epochs, m, best);
    mem_free(bytes);
    return st;
}
