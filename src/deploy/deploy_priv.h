/* SPDX-License-Identifier: Apache-2.0 */
/* The objects behind the public handles; for the files of this folder only. */
#ifndef DEPLOY_DEPLOY_PRIV_H
#define DEPLOY_DEPLOY_PRIV_H

#include "annulus/annulus.h"
#include "base/random.h"
#include "circuit/exec.h"
#include "data/dataset.h"
#include "nn/network.h"
#include "tfhe/key_set.h"

#define KEY_ID_BYTES 16u

/* What keys and ciphertexts repeat, so that parts that do not belong together are refused. */
typedef struct binding {
    uint8_t circuit[32];       /* digest */
    uint8_t key[KEY_ID_BYTES]; /* random name of the key pair */
} binding;

struct annulus_dataset {
    dataset *d;
};
struct annulus_model {
    network *n;
};
struct annulus_circuit {
    circuit *c;
};
struct annulus_client_key {
    binding of;
    secret_key_set *secret;
};
struct annulus_evaluation_key {
    binding of;
    seeded_eval_key_set *seeded;
    eval_key_set *expanded;
};
struct annulus_input {
    binding of;
    size_t count, features;
    uint32_t bits;  /* of the body's words, a multiple of 8; the others are 0 */
    seed256 seed;   /* of the masks of all; fresh from the operating system */
    seed256 *seeds; /* (count) derived from it, one a sample */
    uint64_t *body; /* (count, features) */
};
struct annulus_output {
    binding of;
    size_t count, outputs, bytes; /* bytes of a sample's answers (exec_answer_bytes) */
    uint8_t *answers;             /* (count, bytes) */
};

void binding_write(writer *w, const binding *b);
annulus_status binding_read(reader *r, binding *out) __attribute__((warn_unused_result));
/* `what` ("the evaluation key") belongs to circuit c, else a message with the remedy. */
annulus_status binding_check_circuit(const binding *b, const circuit *c, const char *what)
    __attribute__((warn_unused_result));
/* An evaluation key of these families is that of circuit c. */
annulus_status evaluation_key_check(const binding *of, const tfhe_families *f, const circuit *c)
    __attribute__((warn_unused_result));
annulus_status binding_check_key(const binding *a, const char *what_a, const binding *b, const char *what_b)
    __attribute__((warn_unused_result));

/* The data, called "data", have as many features as what they are for, "circuit", takes; else a message with the
 * remedy.
 */
annulus_status features_check(const char *data, const dataset *d, const char *taker, size_t takes)
    __attribute__((warn_unused_result));
/* The data fit the circuit, else a message with the remedy. */
annulus_status samples_check(const circuit *c, const dataset *d) __attribute__((warn_unused_result));
/* q (count, features): the samples as integers, those outside the circuit's range moved to its ends. */
annulus_status samples_quantize(const circuit *c, const dataset *d, unsigned threads, int32_t *q)
    __attribute__((warn_unused_result));

struct lower_options;
/* options as the lowering takes them; *memory is freed by the caller, also after a failure. */
annulus_status compile_lowering(const annulus_model *m, const annulus_dataset *calibration,
                                const annulus_compile_options *options, struct lower_options *o, void **memory)
    __attribute__((warn_unused_result));

/* A zeroed public object of `size` bytes. */
annulus_status object_create(size_t size, void **out) __attribute__((warn_unused_result));
/* d, which it takes over, as a public object, unless st says that there is none. */
annulus_status dataset_wrap(annulus_status st, dataset *d, annulus_dataset **out) __attribute__((warn_unused_result));
/* All zero; bytes: of a sample's answers. */
annulus_status output_create(const binding *of, size_t count, size_t outputs, size_t bytes, annulus_output **out)
    __attribute__((warn_unused_result));
#endif
