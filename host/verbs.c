// SPDX-License-Identifier: MIT
#include "verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "log.h"

const struct verb verbs[] = {
    {"help", "[NODE or TOPIC]", "how chains are written, what a node does",
     "Without a name: an overview. 'kiln NODE --help' shows the same page. Topics are chain, pipe, "
     "prompt, range, errors and options.",
     verb_help},
    {"list", "[KIND] [--json]", "nodes, with one line each",
     "Kinds are source, filter, encoder, predictor, combinator, hook, sampler, sink and trainer. "
     "--json gives the tables of the nodes with all parameters. Plugins that cannot be used are "
     "named on standard error.",
     verb_list},
    {"inspect", "FILE or DIR or NODE [--json]", "what is in a stream, picture, model or plugin",
     "Of a stream or State file ('-' is standard input) each document; of a PNG or JPEG its size "
     "and chain; of a weights file, a model folder or the name of a model its tensors, without "
     "reading the weights; of a plugin its nodes. The name of a node gives its help.",
     verb_inspect},
    {"recipe", "FILE [--full]", "the chain that a picture or stream carries, ready to paste",
     "Only what differs from the defaults is printed; --full prints every parameter. FILE '-' is "
     "standard input. 'kiln run FILE' runs the chain.",
     verb_recipe},
    {"run", "FILE [NAME=VALUE…] [! CHAIN]", "run a chain file, or the chain of a picture",
     "In a chain file # begins a comment, newlines are blanks, \"…\" keeps blanks and $ as they "
     "are, and $NAME elsewhere is replaced: by NAME=VALUE, else from the environment. The chain of "
     "a PNG, JPEG or State file "
     "runs without its old sinks and tees, with its own seed unless -s says another; which files "
     "it reads is said on standard error. What follows the first ! is added at the end.",
     verb_run},
    {"new", "KIND NAME", "begin a plugin: source, Makefile, test, README",
     "Makes the folder NAME. There, 'make' gives NAME.so and 'make check' tests it.", verb_new},
    {"check", "PLUGIN.so…", "does a plugin keep its promises?",
     "Tables, names, defaults and the example of each node; of filters also: equal results again, "
     "with other threads and in other batches, odd sizes, finite values, no leaks, and whether "
     "they can be used as a view or where linear ones are wanted. One line for each check, "
     "status 1 when one fails.",
     verb_check},
    {"version", "[-v]", "version; -v: instruction set, search paths, models, libraries", NULL,
     verb_version},
    {"completion", "bash, zsh or fish", "a script for the shell, on standard output",
     "bash: source <(kiln completion bash). zsh: kiln completion zsh > DIR/_kiln with DIR in "
     "fpath. fish: kiln completion fish > ~/.config/fish/completions/kiln.fish. The script knows "
     "the plugins that are found when it is made.",
     verb_completion},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct verb *verb_find(const char *name)
{
    for (const struct verb *v = verbs; v->name; v++)
        if (!strcmp(v->name, name))
            return v;
    return NULL;
}

int verb_usage(const char *verb, const char *format, ...)
{
    char what[1024];
    const struct verb *v = verb_find(verb);
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    log_line(KILN_LOG_WARNING, "%s: %s; usage: kiln %s %s", verb, what, verb, v ? v->usage : "");
    return 2;
}

int verb_failed(const char *verb)
{
    log_line(KILN_LOG_WARNING, "%s: %s", verb, fail_text());
    return 1;
}

int verb_end(int status)
{
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    struct pollfd out = {.fd = STDOUT_FILENO};
    if (!errno && poll(&out, 1, 0) > 0 && (out.revents & POLLERR))
        errno = EPIPE;  // it was an earlier write that failed
    if (errno == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    if (errno)
        log_line(KILN_LOG_WARNING, "cannot write to standard output: %s", errno_text(errno));
    else
        log_line(KILN_LOG_WARNING, "cannot write to standard output");
    return 1;
}

int verb_option(int *argc, char **argv, const char *option)
{
    for (int i = 1; i < *argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], option)) {
            memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof(*argv));
            --*argc;
            return 1;
        }
    return 0;
}

const char *verb_unknown_option(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (argv[i][0] == '-' && argv[i][1])
            return argv[i];
    return NULL;
}
