/* SPDX-License-Identifier: Apache-2.0 */
#include "base/c_locale.h"
#include "base/chart.h"
#include "base/file.h"
#include "base/memory.h"
#include "deploy/deploy_priv.h"

#include <math.h>
#include <stdio.h>

#define ROW_BYTES ((size_t)96)

/* Numbers that go on where one training follows another and counts from 1 again; *behind: of those before, 0 first. */
static unsigned number_of(const annulus_epoch *epochs, size_t i, unsigned *behind)
{
    if (i > 0 && epochs[i].epoch <= epochs[i - 1].epoch) *behind += epochs[i - 1].epoch;
    return *behind + epochs[i].epoch;
}

/* text: count + 1 rows. Bytes written. */
static size_t epochs_text(const annulus_epoch *epochs, size_t count, char *text)
{
    unsigned behind = 0;
    size_t at = (size_t)sprintf(text, "epoch,loss,validation,seconds\n");
    for (size_t i = 0; i < count; i++) {
        const annulus_epoch *e = &epochs[i];
        at += (size_t)sprintf(text + at, "%u,%.6g,", number_of(epochs, i, &behind), e->loss);
        if (!isnan(e->validation)) at += (size_t)sprintf(text + at, "%.6g", e->validation);
        at += (size_t)sprintf(text + at, ",%.4g\n", e->seconds);
    }
    return at;
}

annulus_status annulus_epochs_write_csv(const annulus_epoch *epochs, size_t count, const char *path)
{
    void *text;
    c_locale plain;
    TRY(mem_create(count + 1, ROW_BYTES, "log of training", &text));
    annulus_status st = c_locale_begin(&plain);
    if (st == ANNULUS_OK) {
        const size_t len = epochs_text(epochs, count, text);
        c_locale_end(&plain);
        st = file_write(path, text, len, 0644);
    }
    mem_free(text);
    return st;
}

annulus_status annulus_epochs_write_svg(const annulus_epoch *epochs, size_t count, const char *path)
{
    void *memory;
    int validated = 0;
    unsigned behind = 0;
    if (count == 0) return fail(ANNULUS_ERR_INPUT, "a learning curve of no epochs");
    TRY(mem_create(3 * count, sizeof(double), "learning curve", &memory));
    double *x = memory, *loss = x + count, *validation = loss + count;
    for (size_t i = 0; i < count; i++) {
        x[i] = number_of(epochs, i, &behind);
        loss[i] = epochs[i].loss;
        validation[i] = epochs[i].validation;
        validated |= !isnan(validation[i]);
    }
    const chart_line lines[] = {{"loss", loss}, {"validation", validation}};
    const annulus_status st = chart_write(path, "Training", "epoch", x, count, lines, validated ? 2 : 1);
    mem_free(memory);
    return st;
}
