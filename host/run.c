// SPDX-License-Identifier: MIT
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embed_kept.h"
#include "error.h"
#include "exec.h"
#include "file.h"
#include "inputs.h"
#include "instance.h"
#include "load_file.h"
#include "log.h"
#include "nodes.h"
#include "progress.h"
#include "runtime.h"
#include "sample.h"
#include "stack.h"
#include "stream.h"
#include "tensor.h"
#include "verbs.h"

enum output { TO_SINK, TO_STREAM, TO_TERMINAL };

struct running {
    struct bound_chain *chain;
    struct stage *top;
    struct stream_reader input;
    char start[8];
    struct bound *sink;
    struct instance *sink_instance;
    enum output output;
    int64_t given;  // documents written
    int64_t docs;   // how many there will be, -1 not known
    int failures;   // with --keep-going
    int is_last;    // nobody reads a stream from here
};

// ---- input --------------------------------------------------------------------------------------

static int stdin_next(struct stage *g, struct state **out)
{
    struct running *r = g->priv;
    if (r->input.fd < 0) {  // a picture
        if (g->count++)
            return KILN_END;
        void *bytes;
        size_t n;
        int e = fd_read_after(STDIN_FILENO, r->input.name, (size_t)1 << 32, r->start,
                              r->input.n_start, &bytes, &n);
        if (e)
            return e;
        e = load_decode(r->input.name, bytes, n, ALPHA_WHITE, -1, out);
        free(bytes);
        if (e)
            return e;
        struct state *s = *out;
        state_use_rng(s);
        state_add_line(s, "load path=- list=\"\" alpha=white range=signed");
        return KILN_OK;
    }
    return stream_read(&r->input, out);
}

static int on_note(void *ctx, int64_t doc, int64_t docs, const char *message);

static int open_stdin(struct running *r, struct stage **out)
{
    r->input = (struct stream_reader){.fd = STDIN_FILENO,
                                      .name = "standard input",
                                      .start = r->start,
                                      .docs = -1,
                                      .note = on_note,
                                      .ctx = r};
    int e = fd_take(STDIN_FILENO, r->input.name, r->start, sizeof(r->start), &r->input.n_start);
    if (e)
        return e;
    if (image_sniff(r->start, r->input.n_start) != IMAGE_AUTO)
        r->input.fd = -1;
    *out = stage_new(NULL, NULL, stdin_next);
    (*out)->priv = r;
    return KILN_OK;
}

// ---- output -------------------------------------------------------------------------------------

static void warn_unused(const struct state *s)
{
    static int warned;  // not for each document
    for (size_t i = 0; i < s->n_pending && !warned; i++)
        if (s->pending[i].kind != KIND_ENCODER && !stack_has_run(s->pending[i].bound)) {
            log_line(KILN_LOG_WARNING, "%s was never run: no sampler follows it",
                     s->pending[i].bound->def->node->name);
            warned = 1;
        }
}

static int put_plugin(struct running *r, struct state *s)
{
    struct bound *b = r->sink;
    const kiln_tensor **in = NULL;
    uint32_t n_in = 0;
    if (!s->image)
        return node_fail(b, fail(KILN_ERR_ARG, "there is no image to work on"));
    int e = r->sink_instance ? KILN_OK : instance_get(b, 0, &r->sink_instance);
    e = e ? e : eval_inputs(b, s, s->lo, s->hi, &in, &n_in);
    if (e)
        return e;
    struct context context = {.state = s};
    kiln_rows rows = state_rows(s, in, n_in);
    kiln_tensor *image;
    instance_enter(r->sink_instance, &context);
    e = instance_side(r->sink_instance, s->image, TENSOR_READ, &image);
    e = e ? e : instance_inputs(r->sink_instance, in, n_in);
    e = e ? e : b->def->node->sink->put(r->sink_instance->self, &rows, image);
    e = instance_leave(r->sink_instance, e);
    free((void *)(uintptr_t)rows.prompt);
    inputs_free(in, n_in);
    return e;
}

static void describe_line(const struct state *s, const char *before)
{
    struct text t = {0};
    text_format(&t, "%sdocument %lld", before, (long long)s->doc);
    if (s->docs >= 0)
        text_format(&t, " of %lld", (long long)s->docs);
    if (s->image) {
        text_format(&t, ": %s, ", shape_text(4, s->image->shape));
        int same = 1;
        for (int64_t i = 1; i < s->n; i++)
            same = same && s->t[i] == s->t[0];
        if (same && s->t[0] < 0)
            text_add(&t, "clean");
        else if (same && isinf(s->t[0]))
            text_add(&t, "pure noise");
        else if (same)
            text_format(&t, "t %g", s->t[0]);
        else
            text_add(&t, "several t");
        text_format(&t, ", range %g..%g", s->lo, s->hi);
    } else {
        text_add(&t, ": no image");
    }
    for (size_t i = 0; i < s->n_pending; i++)
        text_format(&t, "%s%s", i ? ", " : "; pending: ", s->pending[i].bound->def->node->name);
    printf("%s\n", t.s);
    text_free(&t);
}

static int put(struct running *r, struct state *s)
{
    progress_erase();
    if (r->output == TO_SINK) {
        warn_unused(s);
        return r->sink->def->builtin ? r->sink->def->builtin->put(r->sink, s) : put_plugin(r, s);
    }
    if (r->output == TO_STREAM)
        return stream_write(STDOUT_FILENO, s);
    describe_line(s, "");
    int e = s->image ? show_state(s, 0) : KILN_OK;
    fflush(stdout);
    return e;
}

static int finish(struct running *r)
{
    int e = KILN_OK;
    if (r->sink_instance && r->sink->def->node->sink->end) {
        struct context none = {0};
        instance_enter(r->sink_instance, &none);
        e = instance_leave(r->sink_instance, r->sink->def->node->sink->end(r->sink_instance->self));
    }
    if (!e && r->output == TO_STREAM && r->docs < 0)
        e = stream_write_end(STDOUT_FILENO, r->given);
    return e;
}

// ---- the whole ----------------------------------------------------------------------------------

static int is_pipe(int fd)
{
    struct stat st;
    return !fstat(fd, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static void die_of_sigpipe(void)
{
    file_cleanup_temporaries();
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _exit(141);
}

// What a failure means for the stages below and for the exit status.
static int failed(struct running *r, int e)
{
    const char *text = fail_text();
    int upstream = r->input.upstream_failed;
    progress_erase();
    if (e == KILN_ERR_CANCEL && !interrupted && progress_reader_gone())
        die_of_sigpipe();
    if (e == KILN_ERR_IO && errno == EPIPE)
        die_of_sigpipe();
    if (!upstream || r->is_last)
        log_line(KILN_LOG_WARNING, "%s", text);
    if (r->output == TO_STREAM) {
        if (upstream && !strncmp(text, "upstream: ", 10))
            text += 10;
        char *message = xstrdup(text);
        if (stream_write_error(STDOUT_FILENO, r->given, e, message) && errno == EPIPE)
            die_of_sigpipe();
        free(message);
    }
    return e == KILN_ERR_CANCEL && interrupted ? EXIT_INTERRUPTED
           : upstream                          ? EXIT_UPSTREAM
                                               : EXIT_FAILED;
}

// Does each document that comes in give one that goes out?
static int is_one_to_one(const struct running *r)
{
    for (size_t i = 1; i < r->chain->n; i++) {
        const struct node_def *def = r->chain->node[i]->def;
        if ((def->builtin && def->builtin->open) || bound_kind(r->chain->node[i]) == KIND_TRAINER)
            return 0;
    }
    return 1;
}

// A document that failed above, under --keep-going.
static int on_note(void *ctx, int64_t doc, int64_t docs, const char *message)
{
    struct running *r = ctx;
    r->failures++;
    if (r->output == TO_STREAM && is_one_to_one(r)) {
        r->given++;
        return stream_write_note(STDOUT_FILENO, doc, docs, KILN_ERR_INTERNAL, message);
    }
    if (r->is_last)
        log_line(KILN_LOG_WARNING, "upstream: document %lld: %s", (long long)doc, message);
    return KILN_OK;
}

// --keep-going: 1 when this failure was that of one document and the rest can go on.
static int passed_over(struct running *r, int e)
{
    if (!runtime.keep_going || e == KILN_ERR_CANCEL || r->input.upstream_failed || r->input.ended ||
        (r->output == TO_STREAM && !is_one_to_one(r)) || errno == EPIPE)
        return 0;
    r->failures++;
    log_line(KILN_LOG_WARNING, "%s", fail_text());
    if (r->output == TO_STREAM) {
        char *message = xstrdup(fail_text());
        e = stream_write_note(STDOUT_FILENO, r->given++, r->docs, e, message);
        free(message);
        return !e;
    }
    return 1;
}

static int pump(struct running *r)
{
    int e;
    for (;;) {
        struct state *s;
        errno = 0;
        e = r->top->next(r->top, &s);
        if (!e) {
            r->docs = s->docs;
            e = put(r, s);
            r->given += !e;
            state_free(s);
        }
        if (!e)
            continue;
        if (e > 0 || !passed_over(r, e))
            break;
    }
    if (e == KILN_END)
        e = finish(r);
    if (e)
        return failed(r, e);
    return r->failures ? EXIT_FAILED : EXIT_DONE;
}

// Values that only the nodes themselves can judge: each is created once, brackets included. Those
// that are shared stay for the run.
static int create_nodes(const struct bound_chain *c)
{
    int e = KILN_OK;
    for (size_t i = 0; i < c->n && !e; i++) {
        struct bound *b = c->node[i];
        enum kind kind = bound_kind(b);
        struct instance *x = NULL;
        int shared = kind != KIND_SOURCE && kind != KIND_SINK && kind != KIND_TRAINER;
        if (!b->def->builtin)
            e = instance_get(b, shared, &x);
        if (!shared)
            instance_free(x);
        for (uint32_t p = 0; p < b->def->node->n_params && !e; p++)
            for (size_t k = 0; k < b->items[p].n && !e; k++)
                if (b->items[p].item[k].chain)
                    e = create_nodes(b->items[p].item[k].chain);
    }
    return e;
}

// Everything that can be wrong before anything runs.
static int prepare(struct running *r, const struct chain *c)
{
    int e = bind_chain(c, &r->chain);
    if (!e && !r->chain->n)
        e = fail(KILN_ERR_ARG, "the chain is empty");
    e = e ? e : chain_check(r->chain, 0);
    if (e)
        return e;
    int has_source = bound_kind(r->chain->node[0]) == KIND_SOURCE;
    if (!has_source && (runtime.seed_given || runtime.rng_given))
        return fail(KILN_ERR_ARG, "--%s belongs to the process that starts the chain",
                    runtime.seed_given ? "seed" : "rng");
    if (!has_source && isatty(STDIN_FILENO))
        return fail(KILN_ERR_ARG, "nothing comes in: begin with load, randn or digits, or pipe a "
                                  "stream in");
    return create_nodes(r->chain);
}

// The chain with its defaults, as a chain file; what else there is to say stands in comments. Where
// a source begins it, the first document goes through all that is cheap, so that files, nets and
// sizes are checked.
static int dry_run(struct running *r)
{
    struct state *s = NULL;
    for (size_t i = 0; i < r->chain->n; i++)
        printf("%s%s\n", i ? "! " : "", r->chain->node[i]->line);
    if (bound_kind(r->chain->node[0]) != KIND_SOURCE)
        return EXIT_DONE;
    fflush(stdout);
    int e = stages_build(r->chain, r->chain->n - (r->sink ? 1 : 0), NULL, &r->top);
    e = e ? e : r->top->next(r->top, &s);
    if (e) {
        log_line(KILN_LOG_WARNING, "%s", fail_text());
        return EXIT_FAILED;
    }
    describe_line(s, "# ");
    printf("# tensors take %.1f MB at most, without nets\n", (double)tensor_peak() / 1e6);
    state_free(s);
    return EXIT_DONE;
}

static void running_free(struct running *r)
{
    stage_free(r->top);
    instance_free(r->sink_instance);
    bound_chain_free(r->chain);
    instances_free();
    embed_kept_free();
}

int run_refuse(int e)
{
    log_line(KILN_LOG_WARNING, "%s", fail_text());
    if (is_pipe(STDOUT_FILENO) && !runtime.dry_run) {
        char *message = xstrdup(fail_text());
        stream_write_error(STDOUT_FILENO, 0, e, message);
        free(message);
    }
    return e == KILN_ERR_IO ? EXIT_FAILED : EXIT_USAGE;  // a file is wrong, not the line
}

int run_chain(const struct chain *c)
{
    struct running r = {.docs = -1};
    r.input.docs = -1;
    int e = prepare(&r, c), status;
    struct bound *last = !e ? r.chain->node[r.chain->n - 1] : NULL;
    r.sink = last && bound_kind(last) == KIND_SINK ? last : NULL;
    r.output = r.sink ? TO_SINK : isatty(STDOUT_FILENO) ? TO_TERMINAL : TO_STREAM;
    r.is_last = r.output != TO_STREAM || !is_pipe(STDOUT_FILENO);
    if (e) {
        status = run_refuse(e);
        running_free(&r);
        return status;
    }
    if (runtime.dry_run) {
        status = verb_end(dry_run(&r));
        running_free(&r);
        return status;
    }
    if (r.output == TO_STREAM)
        progress_watch_output();
    struct stage *input = NULL;
    for (size_t i = 0; i < r.chain->n && !e; i++) {
        const struct builtin *builtin = r.chain->node[i]->def->builtin;
        e = builtin && builtin->begin ? builtin->begin(r.chain->node[i]) : KILN_OK;
    }
    if (!e && bound_kind(r.chain->node[0]) != KIND_SOURCE)
        e = open_stdin(&r, &input);
    e = e ? e : stages_build(r.chain, r.chain->n - (r.sink ? 1 : 0), input, &r.top);
    status = e ? failed(&r, e) : pump(&r);
    running_free(&r);
    return status;
}
