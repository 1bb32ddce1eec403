// SPDX-License-Identifier: MIT
#include "progress.h"

#include <fcntl.h>
#include <kiln/base.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "runtime.h"

volatile int interrupted;

static struct {
    char what[64];
    double start, drawn;
    int depth, shown, watch, gone;
    int lock;  // a descriptor, 0: none yet
    int locked;
} line;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_watch_output(void)
{
    line.watch = 1;
}

int progress_reader_gone(void)
{
    if (line.watch && !line.gone) {
        struct pollfd p = {.fd = STDOUT_FILENO};
        line.gone = poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
    }
    return line.gone;
}

void progress_begin(const char *what)
{
    if (line.depth++)
        return;
    snprintf(line.what, sizeof(line.what), "%s", what);
    line.start = now();
    line.drawn = 0;
}

void progress_erase(void)
{
    if (line.shown)
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
    line.shown = 0;
    if (line.locked)
        flock(line.lock, LOCK_UN);
    line.locked = 0;
}

void progress_end(void)
{
    if (line.depth && !--line.depth)
        progress_erase();
}

static void duration(char *s, size_t n, double seconds)
{
    long t = (long)(seconds + 0.5);
    if (t < 60)
        snprintf(s, n, "%ld s", t);
    else if (t < 3600)
        snprintf(s, n, "%ld:%02ld min", t / 60, t % 60);
    else
        snprintf(s, n, "%ld:%02ld h", t / 3600, t / 60 % 60);
}

static void draw(double done, const char *note, double at)
{
    char left[32], text[512];
    struct winsize w;
    size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 80 : w.ws_col;
    int bar = columns > 70 ? 20 : 8, full = (int)(done * bar + 0.5);
    char cells[64] = "";
    for (int i = 0; i < bar; i++)
        strcat(cells, i < full ? "#" : ".");
    duration(left, sizeof(left), done > 0 ? (at - line.start) * (1 - done) / done : 0);
    snprintf(text, sizeof(text), "%s %s %3d%%%s%s%s", line.what, cells, (int)(done * 100),
             done > 0 ? ", " : "", done > 0 ? left : "", done > 0 ? " left" : "");
    if (note) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "  %s", note);
    }
    if (strlen(text) >= columns)
        text[columns - 1] = 0;
    dprintf(STDERR_FILENO, "\r%s\033[K", text);
    line.shown = 1;
}

int progress_at(double done, const char *note)
{
    static int terminal = -1;
    if (interrupted)
        return fail(KILN_ERR_CANCEL, "interrupted");
    double at = now();
    if (at - line.drawn < 0.1)
        return KILN_OK;
    line.drawn = at;
    if (progress_reader_gone())
        return fail(KILN_ERR_CANCEL, "nobody reads the output");
    if (terminal < 0)
        terminal = isatty(STDERR_FILENO);
    if (!terminal || runtime.quiet || line.depth != 1 || at - line.start < 0.5)
        return KILN_OK;
    // Several stages of a pipe have one terminal: who holds the lock draws. The descriptor that
    // they inherited is one and the same to flock, so each opens its own.
    if (!line.lock)
        line.lock = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (!line.locked && line.lock > 0)
        line.locked = !flock(line.lock, LOCK_EX | LOCK_NB);
    if (line.locked)
        draw(done < 0 ? 0 : done > 1 ? 1 : done, note, at);
    return KILN_OK;
}
