// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "file_fd.h"

enum { SLOTS = 64, TRIES = 100, LINKS_MAX = 40 };

// The temporaries that exist. Whoever takes a name out of its slot owns it, so a signal handler
// never sees one that another thread frees.
static _Atomic(char *) temporaries[SLOTS];

static int list_add(char *name)
{
    for (int i = 0; i < SLOTS; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&temporaries[i], &none, name))
            return i;
    }
    return -1;  // more at once than anybody writes: that one is not cleaned up after a signal
}

// 1: the name is the caller's again; 0: file_cleanup_temporaries() has it and may still read it.
static int list_remove(int slot)
{
    return slot < 0 || atomic_exchange(&temporaries[slot], NULL) != NULL;
}

void file_cleanup_temporaries(void)
{
    int err = errno;
    for (int i = 0; i < SLOTS; i++) {
        char *name = atomic_exchange(&temporaries[i], NULL);
        if (name)
            unlink(name);
    }
    errno = err;
}

// dir of path, a slash included, then name; NULL: out of memory.
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t dir = slash ? (size_t)(slash - path) + 1 : 0;
    char *s = malloc(dir + strlen(name) + 1);
    if (s) {
        memcpy(s, path, dir);
        strcpy(s + dir, name);
    }
    return s;
}

// path with symbolic links at its end followed, whether or not there is a file behind them.
static char *resolved(const char *path)
{
    char *s = strdup(path), target[PATH_MAX];
    for (int i = 0; s && i < LINKS_MAX; i++) {
        ssize_t l = readlink(s, target, sizeof(target) - 1);
        if (l <= 0)
            break;
        target[l] = 0;
        char *next = target[0] == '/' ? strdup(target) : beside(s, target);
        free(s);
        s = next;
    }
    return s;
}

static int cannot(const struct file_atomic *f, int err)
{
    errno = err;
    return fail(KILN_ERR_IO, "cannot write '%s': %s", f->shown, errno_text(err));
}

static int no_memory(void)
{
    return fail(KILN_ERR_MEMORY, "out of memory");
}

// Creates the temporary; an errno, or 0. Its name is short and does not match "*.png".
static int create_temporary(struct file_atomic *f)
{
    static atomic_uint count;
    for (int i = 0; i < TRIES; i++) {
        struct timespec now;
        char name[64];
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(name, sizeof(name), ".kiln-%ld-%u-%lx.tmp", (long)getpid(),
                 atomic_fetch_add(&count, 1), (unsigned long)now.tv_nsec);
        f->from = beside(f->path, name);
        if (!f->from)
            return ENOMEM;
        f->slot = list_add(f->from);  // before it exists, so that no moment leaves it unlisted
        f->fd = open(f->from, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0)
            return 0;
        int err = errno;
        if (list_remove(f->slot))
            free(f->from);
        f->from = NULL;
        f->slot = -1;
        if (err != EEXIST && err != EINTR)
            return err;
    }
    return EEXIST;
}

static int open_direct(struct file_atomic *f, int flags)
{
    int own = file_fd_of_name(f->shown);
    do {
        f->fd = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0)
                         : open(f->shown, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags);
        if (f->fd < 0 && errno == EINTR && file_interrupted && file_interrupted())
            return fail(KILN_ERR_CANCEL, "interrupted");  // while a FIFO had no reader
    } while (f->fd < 0 && errno == EINTR);
    return f->fd < 0 ? cannot(f, errno) : KILN_OK;
}

// The target does not exist and neither did a temporary come about.
static int no_directory(const struct file_atomic *f)
{
    char *dir = beside(f->path, "");
    if (!dir)
        return no_memory();
    size_t l = strlen(dir);
    if (l > 1)
        dir[l - 1] = 0;
    int e = access(dir, F_OK)
                ? fail(KILN_ERR_IO, "cannot write '%s': there is no directory '%s'", f->shown, dir)
                : cannot(f, ENOENT);
    free(dir);
    errno = ENOENT;
    return e;
}

static int open_any(struct file_atomic *f)
{
    struct stat st;
    size_t l = strlen(f->shown);
    int there = !stat(f->shown, &st);
    if (file_fd_of_name(f->shown) >= 0)
        return open_direct(f, 0);
    if ((there && S_ISDIR(st.st_mode)) || (l && f->shown[l - 1] == '/'))
        return fail(KILN_ERR_IO, "cannot write '%s': it is a directory", f->shown);
    if (there && !S_ISREG(st.st_mode))
        return open_direct(f, 0);
    // rename() would replace a file that we may not write to
    if (there && faccessat(AT_FDCWD, f->shown, W_OK, AT_EACCESS))
        return cannot(f, errno);
    f->path = resolved(f->shown);
    if (!f->path)
        return no_memory();
    file_sweep(f->path);
    int err = create_temporary(f);
    if (there && (err == EACCES || err == EPERM || err == EROFS))
        return open_direct(f, O_TRUNC);
    if (err == ENOENT)
        return no_directory(f);
    if (err)
        return cannot(f, err);
    if (there && fchmod(f->fd, st.st_mode & 0777))
        return cannot(f, errno);
    return KILN_OK;
}

int file_atomic_open(const char *path, struct file_atomic *f)
{
    *f = (struct file_atomic){.fd = -1, .slot = -1, .shown = strdup(path)};
    if (!f->shown)
        return no_memory();
    int e = open_any(f);
    if (e)
        file_atomic_abort(f);
    return e;
}

int file_atomic_write(struct file_atomic *f, const void *data, size_t n)
{
    return fd_write(f->fd, f->shown, data, n);
}

int file_atomic_commit(struct file_atomic *f)
{
    int e = KILN_OK;
    if (f->from && fsync(f->fd) && errno != EINVAL && errno != ENOTSUP)
        e = cannot(f, errno);
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) && errno != EINTR && !e)
        e = cannot(f, errno);
    if (!e && f->from) {
        if (rename(f->from, f->path)) {
            e = cannot(f, errno);
        } else {
            if (list_remove(f->slot))
                free(f->from);
            f->from = NULL;
            f->slot = -1;
        }
    }
    file_atomic_abort(f);
    return e;
}

void file_atomic_abort(struct file_atomic *f)
{
    int err = errno;
    if (!f->shown)
        return;  // never opened, or done
    if (f->fd >= 0)
        close(f->fd);
    if (f->from) {
        unlink(f->from);
        if (list_remove(f->slot))
            free(f->from);
    }
    free(f->path);
    free(f->shown);
    *f = (struct file_atomic){.fd = -1, .slot = -1};
    errno = err;
}

int file_write_atomic(const char *path, const void *data, size_t n)
{
    struct file_atomic f;
    int e = file_atomic_open(path, &f);
    if (e)
        return e;
    e = file_atomic_write(&f, data, n);
    if (e) {
        file_atomic_abort(&f);
        return e;
    }
    return file_atomic_commit(&f);
}
