/* SPDX-License-Identifier: Apache-2.0 */
#include "base/c_locale.h"

annulus_status c_locale_begin(c_locale *l)
{
    l->own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (l->own == (locale_t)0) return fail(ANNULUS_ERR_MEMORY, "no memory for the C locale");
    l->before = uselocale(l->own);
    return ANNULUS_OK;
}

void c_locale_end(c_locale *l)
{
    (void)uselocale(l->before);
    freelocale(l->own);
}
