// Shared by file.c, file_atomic.c and file_sweep.c.
// SPDX-License-Identifier: MIT
#ifndef HOST_FILE_FD_H
#define HOST_FILE_FD_H

// N for /dev/fd/N, /proc/self/fd/N, /dev/stdin, /dev/stdout and /dev/stderr; -1 for other paths.
int file_fd_of_name(const char *path);

// Removes temporaries of file_atomic_open in the folder of path that no running process of this
// machine owns and that are ten minutes old; once per folder. Any thread; keeps errno.
void file_sweep(const char *path);

#endif
