// kiln: options, then a verb or a chain.
// SPDX-License-Identifier: MIT
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "device.h"
#include "error.h"
#include "file.h"
#include "instance.h"
#include "kernels/kernels.h"
#include "log.h"
#include "paths.h"
#include "pool.h"
#include "progress.h"
#include "registry.h"
#include "run.h"
#include "runtime.h"
#include "tensor.h"
#include "verbs.h"

struct runtime runtime = {.rng = "kiln"};

// ---- signals ------------------------------------------------------------------------------------

static void on_interrupt(int sig)
{
    if (interrupted) {  // the second one means it
        file_cleanup_temporaries();
        signal(sig, SIG_DFL);
        raise(sig);
        _exit(EXIT_INTERRUPTED);
    }
    interrupted = 1;
}

static void on_crash(int sig)
{
    static const char before[] = "kiln: ", after[] = ": crashed\n", none[] = "kiln: crashed\n";
    static atomic_flag crashing = ATOMIC_FLAG_INIT;
    static _Thread_local volatile sig_atomic_t here;
    const char *name = current_node;
    if (atomic_flag_test_and_set(&crashing)) {
        if (here)  // this handler itself
            _exit(EXIT_CRASHED);
        for (;;)  // another thread was first: it tells, and ends the process
            pause();
    }
    here = 1;
    file_cleanup_temporaries();
    if (name) {
        (void)!write(STDERR_FILENO, before, sizeof(before) - 1);
        (void)!write(STDERR_FILENO, name, strlen(name));
        (void)!write(STDERR_FILENO, after, sizeof(after) - 1);
        _exit(EXIT_CRASHED);
    }
    (void)!write(STDERR_FILENO, none, sizeof(none) - 1);
    signal(sig, SIG_DFL);
    raise(sig);
}

static int was_interrupted(void)
{
    return interrupted;
}

static void set_signals(void)
{
    static char stack[1 << 16];
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction act = {.sa_handler = on_interrupt};  // no SA_RESTART: reads are to end
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (signal(SIGHUP, SIG_IGN) != SIG_IGN)  // nohup says that it is to go on
        sigaction(SIGHUP, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // then the write fails, and what was begun is removed
#if !defined(__SANITIZE_ADDRESS__)
    sigaltstack(&alt, NULL);
    act = (struct sigaction){.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
    const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigaction(crashes[i], &act, NULL);
#else
    (void)alt;
    (void)on_crash;
#endif
    file_interrupted = was_interrupted;
}

// ---- options ------------------------------------------------------------------------------------

#define SHORT_OPTIONS "+:s:d:j:P:M:nkqvhV"

enum { O_RNG = 256, O_PRECISION, O_MAX_BATCH, O_MAX_MEMORY, O_PIN, O_PREVIEW };

static const struct option options[] = {
    {"seed", required_argument, NULL, 's'},
    {"rng", required_argument, NULL, O_RNG},
    {"device", required_argument, NULL, 'd'},
    {"threads", required_argument, NULL, 'j'},
    {"pin", no_argument, NULL, O_PIN},
    {"precision", required_argument, NULL, O_PRECISION},
    {"max-batch", required_argument, NULL, O_MAX_BATCH},
    {"max-memory", required_argument, NULL, O_MAX_MEMORY},
    {"plugins", required_argument, NULL, 'P'},
    {"models", required_argument, NULL, 'M'},
    {"dry-run", no_argument, NULL, 'n'},
    {"keep-going", no_argument, NULL, 'k'},
    {"preview", required_argument, NULL, O_PREVIEW},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int index_of(const char *word, const char *const *list)
{
    for (int i = 0; list[i]; i++)
        if (!strcmp(word, list[i]))
            return i;
    return -1;
}

static int parse_size(const char *text, size_t *out)
{
    static const char units[] = "KMGT";
    char *copy = xstrdup(text), *end = copy + strlen(copy);
    double v, scale = 1;
    if (end > copy && (end[-1] == 'B' || end[-1] == 'b'))
        *--end = 0;
    if (end > copy && end[-1] == '%') {
        struct sysinfo si;
        sysinfo(&si);
        scale = (double)si.totalram * si.mem_unit / 100;
        *--end = 0;
    } else if (end > copy && strchr(units, end[-1] & ~32)) {
        for (long k = strchr(units, end[-1] & ~32) - units; k >= 0; k--)
            scale *= 1024;
        *--end = 0;
    }
    int good = parse_double(copy, &v) && v >= 0 && v * scale < 1e18;
    free(copy);
    *out = good ? (size_t)(v * scale) : 0;
    return good;
}

static void each_path(const char *list, void (*fn)(const char *))
{
    while (*list) {
        size_t n = strcspn(list, ":");
        char *path = xstrndup(list, n);
        if (n)
            fn(path);
        free(path);
        list += n + (list[n] == ':');
    }
}

static int wrong_option(const char *name, const char *wants, const char *value)
{
    return fail(KILN_ERR_ARG, "%s: wants %s, not '%s'", name, wants, value);
}

static double device_share;  // --max-memory in percent is of the memory of the device, too
static int memory_said;

static int set_option(int opt, const char *value)
{
    static const char *const precisions[] = {"fast", "exact", "bf16", "fp16", NULL};
    int64_t n;
    switch (opt) {
    case 's':
        if (!parse_int(value, &n))
            return wrong_option("--seed", "a whole number", value);
        runtime.seed = (uint64_t)n;
        return KILN_OK;
    case O_RNG:
        runtime.rng = value;
        return KILN_OK;
    case 'd':
        return device_select(value);
    case 'j':
        if (!parse_int(value, &n) || n < 0 || n > 1024)
            return wrong_option("--threads", "a whole number in 0..1024", value);
        runtime.threads = (int)n;
        return KILN_OK;
    case O_PIN:
        runtime.pin = 1;
        return KILN_OK;
    case O_PRECISION:
        runtime.precision = index_of(value, precisions);
        return runtime.precision < 0
                   ? wrong_option("--precision", "one of fast, exact, bf16, fp16", value)
                   : KILN_OK;
    case O_MAX_BATCH:
        if (!parse_int(value, &runtime.max_batch) || runtime.max_batch < 0)
            return wrong_option("--max-batch", "a whole number of at least 0", value);
        return KILN_OK;
    case O_MAX_MEMORY:
        device_share = strchr(value, '%') ? strtod(value, NULL) / 100 : 0;
        memory_said = 1;
        return parse_size(value, &runtime.max_memory)
                   ? KILN_OK
                   : wrong_option("--max-memory", "a size as 8G, 500M or 75%", value);
    case 'P':
        registry_add_dir(value);
        return KILN_OK;
    case 'M':
        paths_add_models(value);
        return KILN_OK;
    case 'n':
        runtime.dry_run = 1;
        return KILN_OK;
    case 'k':
        runtime.keep_going = 1;
        return KILN_OK;
    case O_PREVIEW:
        runtime.preview = value;
        return KILN_OK;
    case 'q':
        runtime.quiet = 1;
        return KILN_OK;
    default:
        runtime.verbose = 1;
        return KILN_OK;
    }
}

static int from_environment(void)
{
    static const char *const flags[] = {"no", "yes", "0", "1", NULL};
    int e = parse_size("75%", &runtime.max_memory) ? KILN_OK : KILN_ERR_ARG;
    for (const struct option *o = options; o->name && !e; o++) {
        char *name = xformat("KILN_%s", o->name);
        for (char *p = name; *p; p++)
            *p = (char)(*p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        const char *value = getenv(name);
        if (value && *value && o->val != 'P' && o->val != 'M' && o->val != 'h' && o->val != 'V') {
            int flag = o->has_arg ? 1 : index_of(value, flags);
            if (flag < 0)
                e = wrong_option(name, "yes or no", value);
            else if (flag % 2)
                e = set_option(o->val, value);
            e = e && o->has_arg ? fail_in(e, "%s", name) : e;
        }
        free(name);
    }
    return e;
}

// After getopt_long() gave ':' or '?'. WORD is the last that it is done with: that of a long
// option, not always that of a short one.
static void refuse_option(int opt, const char *word)
{
    const struct option *known = options;
    while (known->name && known->val != optopt)
        known++;
    if (opt == ':' && !strncmp(word, "--", 2)) {
        fail(KILN_ERR_ARG, "option --%s wants a value", known->name);
    } else if (opt == ':') {
        fail(KILN_ERR_ARG, "option -%c wants a value", optopt);
    } else if (optopt && known->name) {
        fail(KILN_ERR_ARG, "option --%s takes no value", known->name);
    } else if (optopt) {
        fail(KILN_ERR_ARG, "no option '-%c' ('kiln --help' lists them)", optopt);
    } else {
        char *name = xstrndup(word + 2, strcspn(word + 2, "="));
        const char *best = NULL;
        for (known = options; known->name; known++)
            nearer(name, known->name, &best);
        if (best)
            fail(KILN_ERR_ARG, "no option '--%s': did you mean '--%s'?", name, best);
        else
            fail(KILN_ERR_ARG, "no option '--%s' ('kiln --help' lists them)", name);
        free(name);
    }
}

// 0: go on at optind; else what to do at once ('h', 'V'), or -1 for an error.
static int from_command_line(int argc, char **argv)
{
    int opt;
    while ((opt = getopt_long(argc, argv, SHORT_OPTIONS, options, NULL)) != -1) {
        if (opt == 'h' || opt == 'V')
            return opt;
        if (opt == ':' || opt == '?') {
            refuse_option(opt, argv[optind - 1]);
            return -1;
        }
        if (set_option(opt, optarg))
            return -1;
        runtime.seed_given |= opt == 's';
        runtime.rng_given |= opt == O_RNG;
    }
    return 0;
}

static int start_up(void)
{
    // After those of the command line, which were said for this run.
    const char *plugins = getenv("KILN_PLUGINS"), *models = getenv("KILN_MODELS");
    char *own_plugins = path_user("plugins"), *own_models = path_user("models");
    if (plugins)
        each_path(plugins, registry_add_dir);
    if (models)
        each_path(models, paths_add_models);
    if (own_plugins)
        registry_add_dir(own_plugins);
    if (own_models)
        paths_add_models(own_models);
    free(own_plugins);
    free(own_models);
    registry_add_dir(path_plugins());
    pool_set_threads(runtime.threads, runtime.pin);
    tensor_limit(runtime.max_memory);
    runtime.isa = kernels_cpu_isa();
    if (runtime.isa < 0)
        return fail(KILN_ERR_ARG, "KILN_CPU: wants one of ref, avx2, avx512, amx, not '%s'",
                    getenv("KILN_CPU"));
    runtime.ops = kernels_cpu(runtime.isa, runtime.precision);
    if (!runtime.ops && device_selected())  // what the GPU leaves to the processor is in fp32
        runtime.ops = kernels_cpu(runtime.isa, KERNELS_FAST);
    if (!runtime.ops)
        return fail(KILN_ERR_UNSUPPORTED,
                    "--precision: this processor has no matrix units for it (fast and exact "
                    "always work)");
    runtime.text_precision = runtime.precision == KERNELS_BF16 ? KERNELS_BF16 : KERNELS_EXACT;
    runtime.text_ops = kernels_cpu(runtime.isa, runtime.text_precision);
    if (!runtime.text_ops)
        runtime.text_ops = kernels_cpu(runtime.isa, KERNELS_EXACT);
    return device_begin(memory_said ? runtime.max_memory : 0, device_share);
}

// Of an option or the environment. Only a chain has a stage below that reads a stream.
static int usage_error(int argc, char **argv)
{
    while (getopt_long(argc, argv, SHORT_OPTIONS, options, NULL) != -1)
        ;
    if (optind < argc && !verb_find(argv[optind]))
        return run_refuse(KILN_ERR_ARG);
    log_line(KILN_LOG_WARNING, "%s", fail_text());
    return EXIT_USAGE;
}

// The first word is a node or a verb; of one that is neither, a verb may be what was meant.
static const char *meant_verb(const char *word)
{
    const struct node_def *def;
    const char *node = NULL, *best;
    if (!registry_find(word, &def))
        return NULL;
    registry_nearest(word, &node);
    best = node;
    for (const struct verb *v = verbs; v->name; v++)
        nearer(word, v->name, &best);
    return best == node ? NULL : best;
}

static int dispatch(int argc, char **argv)
{
    const struct verb *verb = verb_find(argv[0]);
    if (verb)
        return verb->run(argc, argv);
    if (argc == 2 && !strcmp(argv[1], "--help"))
        return help_node(argv[0]);
    const char *meant = meant_verb(argv[0]);
    if (meant)
        return run_refuse(
            fail(KILN_ERR_ARG, "no node or verb '%s': did you mean 'kiln %s'?", argv[0], meant));
    struct chain *c;
    int e = chain_parse_argv(argv, argc, &c);
    if (e)
        return run_refuse(e);
    int status = run_chain(c);
    chain_free(c);
    return status;
}

int main(int argc, char **argv)
{
    opterr = 0;  // messages are ours
    paths_init();
    set_signals();
    if (from_environment())
        return usage_error(argc, argv);
    int what = from_command_line(argc, argv);
    if (what < 0 || start_up())
        return usage_error(argc, argv);
    static char help[] = "help", version[] = "version";
    if (what)
        return dispatch(1, (char *[]){what == 'h' ? help : version, NULL});
    argc -= optind;
    argv += optind;
    if (!argc) {
        dispatch(1, (char *[]){help, NULL});
        return EXIT_USAGE;
    }
    int status = dispatch(argc, argv);
    device_end();
    return status;
}
