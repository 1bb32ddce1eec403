// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file_fd.h"

enum { PIECE = 1 << 22 };  // of a long read, which a signal ends between two of them

int (*file_interrupted)(void);

// After a failed call: 1, try again; 0, errno is a failure; or KILN_ERR_CANCEL.
static int again(void)
{
    if (errno != EINTR)
        return 0;
    if (file_interrupted && file_interrupted())
        return fail(KILN_ERR_CANCEL, "interrupted");
    return 1;
}

int file_fd_of_name(const char *path)
{
    static const char *const prefixes[] = {"/dev/fd/", "/proc/self/fd/"};
    if (!strcmp(path, "/dev/stdin"))
        return 0;
    if (!strcmp(path, "/dev/stdout"))
        return 1;
    if (!strcmp(path, "/dev/stderr"))
        return 2;
    for (size_t i = 0; i < 2; i++) {
        size_t l = strlen(prefixes[i]);
        if (strncmp(path, prefixes[i], l) != 0)
            continue;
        const char *digits = path + l;
        size_t count = strspn(digits, "0123456789");
        if (count && count < 9 && !digits[count])
            return atoi(digits);
    }
    return -1;
}

int file_open(const char *path, int *fd)
{
    struct stat st;
    int e;
    while ((*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
        e = again();
        if (e < 0)
            return e;
        int own = errno == ENXIO ? file_fd_of_name(path) : -1;
        if (own >= 0) {  // a socket cannot be opened by its name in /dev/fd
            *fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
            if (*fd >= 0)
                break;
        }
        if (!e)
            return fail(KILN_ERR_IO, "cannot open '%s': %s", path, errno_text(errno));
    }
    if (!fstat(*fd, &st) && S_ISDIR(st.st_mode)) {
        close(*fd);
        *fd = -1;
        return fail(KILN_ERR_IO, "cannot open '%s': it is a directory", path);
    }
    return KILN_OK;
}

static int too_big(const char *name, size_t limit)
{
    if (limit < 10000)
        return fail(KILN_ERR_IO, "'%s' is larger than %zu bytes", name, limit);
    return fail(KILN_ERR_IO, "'%s' is larger than %.4g MB", name, (double)limit / 1e6);
}

// What a regular file still has to give, 0 for other kinds.
static size_t expected(int fd)
{
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return 0;
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at >= 0 && st.st_size > at ? (size_t)(st.st_size - at) : 0;
}

// 0: the end; below 0: an error, and it is said.
static ssize_t read_some(int fd, const char *name, void *p, size_t n)
{
    for (;;) {
        ssize_t got = read(fd, p, n);
        if (got >= 0)
            return got;
        int e = again();
        if (e <= 0)
            return e ? e : fail(KILN_ERR_IO, "cannot read '%s': %s", name, errno_text(errno));
    }
}

int fd_take(int fd, const char *name, void *to, size_t n, size_t *got)
{
    ssize_t k = 1;
    for (*got = 0; *got < n && k > 0; *got += k > 0 ? (size_t)k : 0) {
        size_t piece = n - *got < PIECE ? n - *got : PIECE;
        k = read_some(fd, name, (char *)to + *got, piece);
    }
    return k < 0 ? (int)k : KILN_OK;
}

int fd_read_after(int fd, const char *name, size_t limit, const void *start, size_t n_start,
                  void **bytes, size_t *n)
{
    size_t room = expected(fd), at = n_start;
    int e = KILN_OK;
    *bytes = NULL;
    *n = 0;
    if (limit && n_start + room > limit)
        return too_big(name, limit);
    // Two more: one to see the end of the file, one for the zero.
    room = n_start + (room ? room + 2 : 65536);
    char *data = malloc(room);
    if (data && n_start)
        memcpy(data, start, n_start);
    while (data) {
        ssize_t got = read_some(fd, name, data + at, room - 1 - at);
        if (got <= 0) {
            e = (int)got;
            break;
        }
        at += (size_t)got;
        if (limit && at > limit) {
            e = too_big(name, limit);
            break;
        }
        if (at < room - 1)
            continue;
        char *grown = room > SIZE_MAX / 2 ? NULL : realloc(data, room * 2);
        if (!grown)
            free(data);
        data = grown;
        room *= 2;
    }
    if (!data)
        return fail(KILN_ERR_MEMORY, "not enough memory to read '%s'", name);
    if (e) {
        free(data);
        return e;
    }
    data[at] = 0;
    *bytes = data;
    *n = at;
    return KILN_OK;
}

int fd_read(int fd, const char *name, size_t limit, void **bytes, size_t *n)
{
    return fd_read_after(fd, name, limit, NULL, 0, bytes, n);
}

int file_read(const char *path, size_t limit, void **bytes, size_t *n)
{
    int fd;
    *bytes = NULL;
    *n = 0;
    int e = file_open(path, &fd);
    if (e)
        return e;
    e = fd_read(fd, path, limit, bytes, n);
    close(fd);
    return e;
}

int fd_write(int fd, const char *name, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0) {
            int e = again();
            if (e > 0)
                continue;
            int err = errno;
            if (!e)
                e = fail(KILN_ERR_IO, "cannot write '%s': %s", name, errno_text(err));
            errno = err;
            return e;
        }
        p += done;
        n -= (size_t)done;
    }
    return KILN_OK;
}
