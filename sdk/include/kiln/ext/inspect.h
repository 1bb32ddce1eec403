// kiln/ext/inspect.h: "kiln.inspect/1", offered by a predictor that knows nets in folders
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_INSPECT_H
#define KILN_EXT_INSPECT_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_inspect {
    uint32_t size;
    // What net the first parameter names, by configuration and headers: a JSON object of numbers,
    // texts, and lists of objects that have the same members, which are shown as tables. The text
    // is the instance's. KILN_END: it is none that this node can use.
    int (*net)(kiln_self *self, const char **json);
} kiln_inspect;

#ifdef __cplusplus
}
#endif
#endif
