// Shared by file.c and file_atomic.c.
// SPDX-License-Identifier: MIT
#ifndef HOST_FILE_FD_H
#define HOST_FILE_FD_H

// N for /dev/fd/N, /proc/self/fd/N, /dev/stdin, /dev/stdout and /dev/stderr; -1 for other paths.
int file_fd_of_name(const char *path);

#endif
