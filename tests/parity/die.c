// Preloaded into the program: it gets DIE_SIGNAL in the middle of call number DIE_AT of DIE_IN,
// which is write (to files), fsync or rename. So a test can stop it at each moment of writing a
// file. SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int now(const char *call)
{
    static int count;
    const char *in = getenv("DIE_IN"), *at = getenv("DIE_AT");
    return in && at && !strcmp(in, call) && ++count == atoi(at);
}

static void die(void)
{
    const char *sig = getenv("DIE_SIGNAL");
    raise(sig ? atoi(sig) : SIGKILL);
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t (*next)(int, const void *, size_t);
    struct stat st;
    *(void **)&next = dlsym(RTLD_NEXT, "write");
    if (fd > 2 && !fstat(fd, &st) && S_ISREG(st.st_mode) && now("write")) {
        ssize_t half = next(fd, data, (n + 1) / 2);
        die();
        return half;
    }
    return next(fd, data, n);
}

int fsync(int fd)
{
    int (*next)(int);
    *(void **)&next = dlsym(RTLD_NEXT, "fsync");
    if (now("fsync"))
        die();
    return next(fd);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *);
    *(void **)&next = dlsym(RTLD_NEXT, "rename");
    if (now("rename"))
        die();
    return next(from, to);
}
