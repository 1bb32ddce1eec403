// kiln/param.h: one static table for parsing, checks, help, completion
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_PARAM_H
#define KILN_PARAM_H

#include <kiln/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_type {
    KILN_INT = 1,
    KILN_FLOAT,
    KILN_BOOL,
    KILN_ENUM,
    KILN_STRING,
    KILN_PATH,
    KILN_INTS,  // 1,2,5 or 0:10:2 (end excluded) or 3x64x64
    KILN_FLOATS,
    KILN_STRINGS,
    KILN_PATHS,
    KILN_PROMPT,
    KILN_IMAGE,  // these four: never in args, but with each call in kiln_rows.in
    KILN_IMAGES,
    KILN_MASK,  // one channel in [0,1], fitted to the size of the current image
    KILN_MASKS,
    KILN_MODEL,  // these two: args give n; expand's children are evaluated by these branches
    KILN_MODELS,
    KILN_FILTER,
    KILN_FILTERS,
};

enum kiln_param_flags {
    KILN_PARAM_POSITIONAL = 1 << 0,  // may be given by position, in table order
    KILN_PARAM_REST = 1 << 1,        // list: takes all remaining positional words
    KILN_PARAM_CAPTURE = 1 << 2,     // IMAGE: if not given, the current one when the node is named;
                                     // of a predictor only where its net has aux
    KILN_PARAM_VIEW = 1 << 3,        // FILTER(S): the host proves V V^T = I, else refuses
    KILN_PARAM_LINEAR = 1 << 4,      // FILTER(S): the host proves linearity, else refuses
    KILN_PARAM_SIZE = 1 << 5,        // INTS: shown as 3x64x64
};

typedef struct kiln_param {  // an array: the node gives its stride
    const char *name;        // one word, lower case; stands nowhere else
    uint32_t type, flags;
    const char *def;      // as typed on the command line; NULL: required; "" for lists: none
    const char *choices;  // ENUM: "a|b|c"
    const char *help;     // one line, lower case, with the unit
    double min, max;      // inclusive, each element of a list; checked only when min < max
} kiln_param;

typedef struct kiln_filter kiln_filter;  // a host's handle of a filter given as an argument

// One parsed, checked, defaulted argument; 16 bytes for ever; valid until destroy.
typedef struct kiln_value {
    union {
        int64_t i;                          // INT; BOOL 0, 1; ENUM its index; PROMPT its handle
        double f;                           // FLOAT, finite
        const char *s;                      // STRING, PATH
        const int64_t *is;                  // INTS [n]
        const double *fs;                   // FLOATS [n]
        const char *const *ss;              // STRINGS, PATHS [n]
        const kiln_filter *filter;          // FILTER, NULL when not given
        const kiln_filter *const *filters;  // FILTERS [n]
    };
    uint32_t n;    // elements of a list; images, masks, branches given
    uint32_t set;  // 1: by the user, to something other than the default
} kiln_value;

#ifdef __cplusplus
}
#endif
#endif
