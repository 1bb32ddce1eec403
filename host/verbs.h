// The verbs of the command line: everything kiln does beside running a chain.
// SPDX-License-Identifier: MIT
#ifndef HOST_VERBS_H
#define HOST_VERBS_H

#include <stddef.h>

struct verb {
    const char *name;
    const char *usage;    // what follows the name: "FILE [--full]"
    const char *summary;  // one line
    const char *details;  // for its page of help, NULL: nothing more to say
    // argv[0] is the verb's name, argv[argc] NULL. Prints its own errors; returns the exit status.
    int (*run)(int argc, char **argv);
};

extern const struct verb verbs[];                // ends with a name of NULL
const struct verb *verb_find(const char *name);  // NULL: no such

// The page of a node, topic or verb on standard output; returns the exit status.
int help_node(const char *name);
int list_node_json(const char *name);  // one node as list --json gives it

int verb_help(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_inspect(int argc, char **argv);
int verb_recipe(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_new(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_version(int argc, char **argv);
int verb_completion(int argc, char **argv);

// Ways for a verb to end. The first prints "kiln: VERB: what; usage: …" and gives 2, the second
// prints the last failure and gives 1. The third flushes standard output; where that fails it says
// so and gives 1, or ends the process as SIGPIPE does when nobody reads.
int verb_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
int verb_failed(const char *verb);
int verb_end(int status);

// Takes the option (a whole word) out of the arguments; 1: it was there.
int verb_option(int *argc, char **argv, const char *option);
// An option that none has taken: its word, else NULL. "-" and what follows "--" are none.
const char *verb_unknown_option(int argc, char **argv);

#endif
