// kiln/sink.h: takes documents
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_SINK_H
#define KILN_SINK_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_sink_ops {
    uint32_t size;
    int (*put)(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image);
    int (*end)(kiln_self *self);  // after the last document; NULL: nothing to do
} kiln_sink_ops;

#ifdef __cplusplus
}
#endif
#endif
