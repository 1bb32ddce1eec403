// Errors inside the host: a function that fails calls fail() once and returns its code; whoever can
// say more about the place wraps the text. The text is per thread and lives until the next fail().
// SPDX-License-Identifier: MIT
#ifndef HOST_ERROR_H
#define HOST_ERROR_H

#include <kiln/base.h>

// Keeps the message (one line, lower case, no full stop) and returns code, a negative kiln_err.
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Puts "prefix: " before the message of the failure that code came from; returns code.
int fail_in(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The message of the last failure of this thread, "" if there was none.
const char *fail_text(void);
// Like strerror, but thread-safe and lower case: " (no such file or directory)" style is the
// caller's.
const char *errno_text(int err);

#endif
