/* SPDX-License-Identifier: Apache-2.0 */
/* The costs of this host: a JSON file in the user's cache, good for the processor, kernels and version that it was
 * measured with, and named by them: machines that share a home keep theirs side by side. */
#ifndef DEPLOY_HOST_COSTS_H
#define DEPLOY_HOST_COSTS_H

#include "optimizer/cost.h"

#include <jansson.h>
#include <stdio.h>

#define HOST_PATH_BYTES 3072u

typedef struct host_key {
    char processor[128]; /* host_processor of /proc/cpuinfo */
    char kernels[64];
    char version[32];
} host_key;
void host_key_init(host_key *key); /* of this process */
/* The first "model name", and of ARM "CPU implementer" and "CPU part", in printable ASCII; "unknown" without any. */
void host_processor(FILE *cpuinfo, char *out, size_t size);

/* The key's file, host-DIGEST.json, in $XDG_CACHE_HOME/annulus if that is an absolute path, else in ~/.cache/annulus;
 * folders: makes them, for the user only, and sees whether the file can be written. ANNULUS_ERR_IO: neither variable
 * names a folder, one cannot be made, or the file cannot be written. */
annulus_status host_costs_path(const host_key *key, int folders, char path[HOST_PATH_BYTES])
    __attribute__((warn_unused_result));
/* New reference; NULL without memory. error: largest relative error of the fit. */
json_t *host_costs_json(const host_key *key, const cost_model *m, double error);
/* The same for people, with a line where other work ran beside; malloc'ed, NULL without memory. */
char *host_costs_text(const host_key *key, const cost_model *m, double error, const char *path);
/* ANNULUS_ERR_INPUT if the file is damaged, of another key, or a cost is out of range (cost_model_check). */
annulus_status host_costs_read(const char *path, const host_key *key, cost_model *out)
    __attribute__((warn_unused_result));
annulus_status host_costs_write(const char *path, const json_t *costs) __attribute__((warn_unused_result));

/* Makes the costs of this host, if there are any, the current model; once a process. */
void host_costs_load(void);
/* The same from a file just written: not beside searches and predictions. */
annulus_status host_costs_adopt(const char *path, const host_key *key) __attribute__((warn_unused_result));
#endif
