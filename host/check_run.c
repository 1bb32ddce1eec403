// check: children in which a node is tried, so that a crash or a hang of it ends nothing else.
// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "instance.h"
#include "pool.h"
#include "runtime.h"

enum { TIMEOUT_S = 60, THREADS = 3 };

void digest_add(uint64_t *digest, const void *data, size_t n)  // FNV-1a
{
    const unsigned char *s = data;
    for (size_t i = 0; i < n; i++)
        *digest = (*digest ^ s[i]) * 0x100000001b3u;
}

static uint64_t scramble(uint64_t x)  // splitmix64's finaliser
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

double check_uniform(uint64_t i)
{
    return (double)(scramble(i) >> 40) * 0x1p-23 - 1;
}

double check_normal(uint64_t i)  // Box and Muller
{
    double u = (check_uniform(2 * i) + 1) / 2 + 0x1p-26, v = check_uniform(2 * i + 1);
    return sqrt(-2 * log(u)) * cos(3.14159265358979323846 * v);
}

const kiln_net *check_net(int64_t c, int64_t h, int64_t w)
{
    enum { T = 300 };
    static double alpha[T], sigma[T];
    static kiln_net net;
    for (int i = 0; i < T; i++) {
        alpha[i] = cos(1.5 * (i + 1) / T);
        sigma[i] = sin(1.5 * (i + 1) / T);
    }
    net = (kiln_net){.size = sizeof(net),
                     .pred = KILN_EPS,
                     .variance = KILN_VARIANCE_BETA,
                     .chw = {c, h, w},
                     .steps = 20,
                     .alpha = alpha,
                     .sigma = sigma,
                     .n_t = T,
                     .lo = -1,
                     .hi = 1,
                     .threshold = 1};
    return &net;
}

// Runs the trial in a child. 1: it came to its end; then its findings and digest are here.
static int in_child(struct findings *f, struct bound *b, int threads, uint64_t *digest)
{
    int fd[2], status;
    uint64_t got[2];
    fflush(stdout);
    if (pipe(fd)) {
        found_bad(f, "cannot be tried: %s", errno_text(errno));
        return 0;
    }
    pid_t pid = fork();
    if (!pid) {
        for (int s = 1; s < NSIG; s++)
            signal(s, SIG_DFL);
        alarm(TIMEOUT_S);
        pool_set_threads(threads, 0);
        runtime.rng = "kiln";
        f->failed = 0;
        uint64_t d = 0xcbf29ce484222325u;
        if (b->def->node->filter && bound_kind(b) == KIND_FILTER)
            check_filter(f, b, &d);
        else
            check_other(f, b, &d);
        fflush(stdout);
        got[0] = d;
        got[1] = (uint64_t)f->failed;
        _exit(write(fd[1], got, sizeof(got)) == (ssize_t)sizeof(got) ? 0 : 1);
    }
    close(fd[1]);
    ssize_t n = 0;
    if (pid > 0)
        while ((n = read(fd[0], got, sizeof(got))) < 0 && errno == EINTR)
            ;
    close(fd[0]);
    if (pid < 0) {
        found_bad(f, "cannot be tried: %s", errno_text(errno));
        return 0;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n == (ssize_t)sizeof(got)) {
        *digest = got[0];
        f->failed += (int)got[1];
        return 1;
    }
    f->silent = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        found_bad(f, "hangs (%d s)", TIMEOUT_S);
    else if (WIFSIGNALED(status))
        found_bad(f, "crashes (signal %d)", WTERMSIG(status));
    else
        found_bad(f, "ends the process (status %d)", WEXITSTATUS(status));
    return 0;
}

void check_behaviour(struct findings *f, struct bound *b)
{
    uint64_t one, many;
    if (!in_child(f, b, 1, &one))
        return;
    struct findings again = {.node = f->node, .silent = 1};
    if (!in_child(&again, b, THREADS, &many)) {
        f->failed += again.failed;
        return;
    }
    if (one == many)
        found_good(f, "threads: the same with 1 and %d", THREADS);
    else
        found_bad(f, "threads: other results with %d than with 1", THREADS);
}
