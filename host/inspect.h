// What kiln inspect says of one thing: as text when json is NULL, else into *json.
// SPDX-License-Identifier: MIT
#ifndef HOST_INSPECT_H
#define HOST_INSPECT_H

#include <jansson.h>

#include "record.h"
#include "state.h"

// All documents of a stream.
int inspect_stream(const char *path, json_t **json);
// A weights file or a folder with one.
int inspect_weights(const char *path, json_t **json);
// A folder with a net that a predictor knows; KILN_END: there is none.
int inspect_net(const char *path, json_t **json);
int inspect_plugin(const char *path, json_t **json);
int inspect_image(const char *path, json_t **json);

// "  name       value", wrapped.
void inspect_line(struct text *t, const char *name, const char *value);
void inspect_format(struct text *t, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void inspect_grouped(struct text *t, int64_t v);  // 12,345
// The lines of a record as a list under the name "chain", and under "reads" what they read.
void inspect_chain(struct text *t, const struct record *r);
json_t *inputs_json(const struct origins *inputs);
json_t *shape_json(int32_t ndim, const int64_t *shape);
const char *dtype_name(int dtype);  // "F32"

#endif
