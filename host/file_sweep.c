// Temporaries that a run which was killed has left.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file_fd.h"

// Another machine that shares the folder has process numbers of its own, so a file must also be
// old.
enum { OLD_SECONDS = 600 };

static int is_left_over(int dir, const char *name)
{
    long pid;
    unsigned count;
    unsigned long salt;
    int end = 0;
    struct stat st;
    return sscanf(name, ".kiln-%ld-%u-%lx.tmp%n", &pid, &count, &salt, &end) == 3 && end &&
           !name[end] && pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH &&
           !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
           time(NULL) - st.st_mtime > OLD_SECONDS;
}

void file_sweep(const char *path)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *swept;  // the folder of the last call: most runs write into one
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
    int err = errno;
    if (!folder)
        return;
    pthread_mutex_lock(&lock);
    DIR *d = swept && !strcmp(swept, folder) ? NULL : opendir(folder);
    if (d) {
        for (struct dirent *x; (x = readdir(d));)
            if (is_left_over(dirfd(d), x->d_name))
                unlinkat(dirfd(d), x->d_name, 0);
        closedir(d);
        free(swept);
        swept = folder;
        folder = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(folder);
    errno = err;
}
