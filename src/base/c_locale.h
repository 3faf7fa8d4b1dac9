/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that programs read and write have decimal points, whatever the locale of the process: the calling thread is put
 * into the C locale for a while, and back. */
#ifndef BASE_C_LOCALE_H
#define BASE_C_LOCALE_H

#include "base/status.h"
#include <locale.h>

typedef struct c_locale {
    locale_t own, before;
} c_locale;
annulus_status c_locale_begin(c_locale *l) __attribute__((warn_unused_result));
void c_locale_end(c_locale *l); /* after each that did not fail; they may be nested */
#endif
