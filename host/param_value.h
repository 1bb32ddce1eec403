// One value of a parameter: text to kiln_value and back.
// SPDX-License-Identifier: MIT
#ifndef HOST_PARAM_VALUE_H
#define HOST_PARAM_VALUE_H

#include <kiln/param.h>

// Parses word for p into v, which owns what it points to; a list of strings or paths is appended
// to. Fails with KILN_ERR_ARG and a text that says what was expected, without names.
int value_parse(const kiln_param *p, const char *word, kiln_value *v);
// Canonical, malloc'd; of a list of strings its k-th, of anything else the whole.
char *value_text(const kiln_param *p, const kiln_value *v, size_t k);
void value_free(const kiln_param *p, kiln_value *v);
// "a number in 0..1", "one of a, b, c": in a buffer of this thread.
const char *type_text(const kiln_param *p);

#endif
