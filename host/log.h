// Lines on standard error.
// SPDX-License-Identifier: MIT
#ifndef HOST_LOG_H
#define HOST_LOG_H

// "kiln: text"; level is a kiln_log: debug only with -v, info not with -q.
void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
