// Whole files in and out. Errors name the file: "cannot open 'x.png': no such file or directory".
// SPDX-License-Identifier: MIT
#ifndef HOST_FILE_H
#define HOST_FILE_H

#include <stddef.h>

// Reads all of a file, FIFO, or /dev/fd/N into malloc'd memory; a zero byte follows the *n bytes.
// limit: refuse more than that many (0: no limit); a regular file is refused before memory is
// taken. Fails with KILN_ERR_IO, KILN_ERR_MEMORY or, where file_interrupted says so,
// KILN_ERR_CANCEL. Any thread.
int file_read(const char *path, size_t limit, void **bytes, size_t *n);
// The same from where an open fd stands, to its end. name is for messages; fd stays open.
int fd_read(int fd, const char *name, size_t limit, void **bytes, size_t *n);
// The same; the n_start bytes at start, which were read before, come first.
int fd_read_after(int fd, const char *name, size_t limit, const void *start, size_t n_start,
                  void **bytes, size_t *n);
// The next n bytes, or what there is until the end: *got of them.
int fd_take(int fd, const char *name, void *to, size_t n, size_t *got);
// Writes all n bytes. On failure errno is that of write(), EPIPE for instance.
int fd_write(int fd, const char *name, const void *data, size_t n);
// Opens for reading; *fd is close-on-exec. A directory is refused.
int file_open(const char *path, int *fd);

// A file that appears under its name only when it is whole. The data goes to a temporary file
// beside it, which commit flushes to the disk and renames; so a reader, or a run that is killed,
// finds the old content or the new. A file that is there keeps its permissions, a new one gets them
// from the umask; through a symbolic link, the file that it points to is replaced. /dev/stdout,
// /dev/fd/N, FIFOs and devices are written to directly, and so is a file in a directory that takes
// no new ones.
struct file_atomic {
    int fd;       // to write to; -1 when not open
    int slot;     // in the list of temporaries, -1: none
    char *path;   // where it goes, with links resolved
    char *from;   // the temporary, NULL: written directly
    char *shown;  // the name as given, for messages
};
// On failure nothing is left behind, and f needs no abort (which does no harm either).
int file_atomic_open(const char *path, struct file_atomic *f);
int file_atomic_write(struct file_atomic *f, const void *data, size_t n);
int file_atomic_commit(struct file_atomic *f);  // closes; failed: the temporary is removed
// Closes and removes the temporary; keeps errno. Fine on one that is zeroed or done.
void file_atomic_abort(struct file_atomic *f);

// All of that in one call.
int file_write_atomic(const char *path, const void *data, size_t n);

// Removes the temporaries of files that are being written: for a signal handler or an exit that
// does not come back. Async-signal-safe.
void file_cleanup_temporaries(void);

// Asked when a signal interrupts a read or write: non-zero gives up with KILN_ERR_CANCEL. NULL, as
// at first: go on. Set it before there are threads.
extern int (*file_interrupted)(void);

#endif
