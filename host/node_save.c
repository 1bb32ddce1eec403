// save, tee: images to files. show: to the terminal.
// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "image_file.h"
#include "instance.h"
#include "nodes.h"
#include "show.h"
#include "stream.h"

enum { P_PATH, P_FORMAT, P_BITS, P_QUALITY, P_META };
enum { FORMAT_AUTO, FORMAT_PNG, FORMAT_JPEG, FORMAT_STATE };
enum { META_CHAIN, META_PATHS, META_NONE };
static const kiln_param params[] = {
    {"path", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL,
     "- is standard output; %d document, %i image, %t timestep, %p prompt, %s seed, %f input's "
     "name",
     0, 0},
    {"format", KILN_ENUM, 0, "auto", "auto|png|jpeg|safetensors", "auto: by the name's ending", 0,
     0},
    {"bits", KILN_ENUM, 0, "8", "8|16", "of a value in a PNG", 0, 0},
    {"quality", KILN_INT, 0, "92", NULL, "of a JPEG", 1, 100},
    {"meta", KILN_ENUM, 0, "chain", "chain|paths|none",
     "what the file says of its making: the chain, without or with folders", 0, 0},
};

// Files that this process wrote: a chain that would overwrite its own work stops.
static char **written;
static size_t n_written;

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcasecmp(s + n - k, end);
}

static int format_of(const struct bound *b, int *format)
{
    const char *path = b->value[P_PATH].s;
    *format = (int)b->value[P_FORMAT].i;
    if (*format)
        return KILN_OK;
    if (!strcmp(path, "-") || ends_with(path, ".png") || !strncmp(path, "/dev/", 5))
        *format = FORMAT_PNG;
    else if (ends_with(path, ".jpg") || ends_with(path, ".jpeg"))
        *format = FORMAT_JPEG;
    else if (ends_with(path, ".safetensors"))
        *format = FORMAT_STATE;
    else
        return fail(KILN_ERR_ARG,
                    "%s: path: '%s' ends in none of .png, .jpg, .jpeg, .safetensors: say format=",
                    b->def->node->name, path);
    return KILN_OK;
}

static void add_clean(struct text *t, const char *s)  // into a file name
{
    for (; *s; s++)
        text_add_n(t, *s == '/' || (unsigned char)*s < ' ' ? "_" : s, 1);
}

static int expand_path(const struct bound *b, const struct state *s, int64_t i, char **out,
                       int *per_image)
{
    struct text t = {0};
    *per_image = 0;
    for (const char *p = b->value[P_PATH].s; *p; p++) {
        if (*p != '%') {
            text_add_n(&t, p, 1);
            continue;
        }
        switch (*++p) {
        case '%':
            text_add(&t, "%");
            break;
        case 'd':
            text_format(&t, "%lld", (long long)s->doc);
            break;
        case 'i':
            text_format(&t, "%lld", (long long)i);
            *per_image = 1;
            break;
        case 't':
            if (s->n && s->t[i] < 0)
                text_add(&t, "clean");
            else
                text_double(&t, s->n ? s->t[i] : KILN_CLEAN);
            *per_image = 1;
            break;
        case 'p':
            add_clean(&t, s->n && s->prompt[i] >= 0 ? prompt_text(s->prompt[i]) : "");
            *per_image = 1;
            break;
        case 's':
            text_format(&t, "%llu", (unsigned long long)s->seed);
            break;
        case 'f':
            add_clean(&t, s->name ? s->name : "image");
            break;
        default:  // check_path has refused others
            break;
        }
    }
    *out = text_take(&t);
    return KILN_OK;
}

// What the file says of its making, as JSON.
static char *chain_text(const struct bound *b, const struct state *s)
{
    int meta = (int)b->value[P_META].i;
    if (meta == META_NONE)
        return NULL;
    struct text t = {0};
    text_format(&t, "{\"kiln\":\"%s\",\"seed\":\"%llu\",\"rng\":", KILN_VERSION,
                (unsigned long long)s->seed);
    text_json(&t, s->rng);
    text_add(&t, ",\"chain\":[");
    for (size_t i = 0; i < s->n_chain; i++) {
        struct bound *line;
        char *shown = NULL;
        if (meta == META_CHAIN && !bind_text(s->chain[i], &line)) {
            shown = bound_line(line, 1);
            bound_free(line);
        }
        text_add(&t, i ? "," : "");
        text_json(&t, shown ? shown : s->chain[i]);
        free(shown);
    }
    text_add(&t, "]");
    if (s->inputs.n) {
        text_add(&t, ",\"inputs\":");
        origins_write(&t, &s->inputs, meta == META_CHAIN);
    }
    text_add(&t, "}");
    return text_take(&t);
}

static int claim(const struct bound *b, const char *path)
{
    if (!strcmp(path, "-") || !strncmp(path, "/dev/", 5))
        return KILN_OK;
    for (size_t i = 0; i < n_written; i++)
        if (!strcmp(written[i], path))
            return fail(KILN_ERR_ARG,
                        "%s: '%s' was written by this chain already: %%d or %%i in the name tells "
                        "documents and images apart",
                        b->def->node->name, path);
    GROW(written, n_written);
    written[n_written++] = xstrdup(path);
    return KILN_OK;
}

static int write_bytes(const char *path, const void *bytes, size_t n)
{
    if (strcmp(path, "-"))
        return file_write_atomic(path, bytes, n);
    return fd_write(STDOUT_FILENO, "standard output", bytes, n);
}

static int save_state(const struct bound *b, const struct state *s)
{
    char *path;
    int per_image;
    struct file_atomic f = {.fd = -1};
    int e = expand_path(b, s, 0, &path, &per_image);
    if (e)
        return e;
    struct state *alone = state_copy(s);  // a file is a stream of one document
    alone->doc = 0;
    alone->docs = 1;
    e = claim(b, path);
    if (!e && !strcmp(path, "-")) {
        e = stream_write(STDOUT_FILENO, alone);
    } else if (!e) {
        e = file_atomic_open(path, &f);
        e = e ? e : stream_write(f.fd, alone);
        e = e ? e : file_atomic_commit(&f);
        file_atomic_abort(&f);
    }
    state_free(alone);
    free(path);
    return e;
}

static int save_images(const struct bound *b, const struct state *s, int format)
{
    char *text = chain_text(b, s);
    int e = s->image ? KILN_OK
                     : fail(KILN_ERR_ARG, "%s: there is no image to write", b->def->node->name);
    for (int64_t i = 0; i < s->n && !e; i++) {
        char *path;
        int per_image;
        void *bytes = NULL;
        size_t n;
        e = expand_path(b, s, i, &path, &per_image);
        if (e)
            break;
        if (s->n > 1 && !per_image)
            e = fail(KILN_ERR_ARG,
                     "%s: %lld images for one file: put 'grid' before it, or %%i in the name",
                     b->def->node->name, (long long)s->n);
        if (!e && s->image->shape[1] > 4)
            e = fail(KILN_ERR_SHAPE, "%s: an image of %lld channels cannot be written as a picture",
                     b->def->node->name, (long long)s->image->shape[1]);
        e = e ? e : claim(b, path);
        e = e ? e
              : image_encode(
                    s->image, i, s->lo, s->hi, format == FORMAT_PNG ? IMAGE_PNG : IMAGE_JPEG,
                    b->value[P_BITS].i ? 16 : 8, (int)b->value[P_QUALITY].i, text, &bytes, &n);
        e = e ? e : write_bytes(path, bytes, n);
        free(bytes);
        free(path);
    }
    free(text);
    return e;
}

static int write_out(struct bound *b, struct state *s)
{
    int format;
    int e = format_of(b, &format);
    if (e)
        return e;
    e = format == FORMAT_STATE ? save_state(b, s) : save_images(b, s, format);
    return e ? node_fail(b, e) : KILN_OK;
}

static int check_path(const struct bound *b)
{
    int format;
    for (const char *p = b->value[P_PATH].s; (p = strchr(p, '%')); p += 2)
        if (!p[1] || !strchr("%ditpsf", p[1]))
            return fail(KILN_ERR_ARG,
                        "%s: path: '%.2s' means nothing: %%d, %%i, %%t, %%p, %%s, %%f, %%%%",
                        b->def->node->name, p);
    return format_of(b, &format);
}

// A folder that is not there is better told now than after the work.
static int check_folder(const struct bound *b)
{
    const char *path = b->value[P_PATH].s, *slash = strrchr(path, '/');
    struct stat st;
    if (!slash || slash == path)
        return KILN_OK;
    char *folder = xstrndup(path, (size_t)(slash - path));
    int e = KILN_OK;
    if (!strchr(folder, '%') && (stat(folder, &st) || !S_ISDIR(st.st_mode)))
        e = fail(KILN_ERR_IO, "%s: cannot write '%s': there is no directory '%s'",
                 b->def->node->name, path, folder);
    free(folder);
    return e;
}

static const kiln_sink_ops is_sink = {.size = sizeof(is_sink)};
static const kiln_filter_ops is_filter = {.size = sizeof(is_filter)};
static const struct builtin save_builtin = {
    .put = write_out, .check = check_path, .begin = check_folder};
static const kiln_node save = {
    .size = sizeof(save),
    .name = "save",
    .summary = "write images or the State to files",
    .example = "digits test images=0:4 ! grid 4 ! save digits.png",
    .params = KILN_PARAMS(params),
    .sink = &is_sink,
};
const struct node_def node_save = {&save, &save_builtin, "kiln", KILN_VERSION, NULL};

static const struct builtin tee_builtin = {
    .apply = write_out, .check = check_path, .begin = check_folder, .writes = 1};
static const kiln_node tee = {
    .size = sizeof(tee),
    .name = "tee",
    .summary = "write images or the State to files, and go on",
    .example = "digits test images=0:4 ! grid 4 ! tee digits.png ! show",
    .params = KILN_PARAMS(params),
    .filter = &is_filter,
};
const struct node_def node_tee = {&tee, &tee_builtin, "kiln", KILN_VERSION, NULL};

// ---- show ---------------------------------------------------------------------------------------

static const kiln_param show_params[] = {
    {"width", KILN_INT, 0, "0", NULL, "columns; 0: the terminal's", 0, 10000},
};

int show_state(const struct state *s, int width)
{
    if (!s->image)
        return fail(KILN_ERR_ARG, "show: there is no image to show");
    int e =
        show_images(stdout, s->image, s->lo, s->hi, width, show_colour_of_terminal(STDOUT_FILENO));
    if (!e && fflush(stdout))
        e = fail(KILN_ERR_IO, "show: cannot write: %s", errno_text(errno));
    return e;
}

static int show_put(struct bound *b, struct state *s)
{
    return show_state(s, (int)b->value[0].i);
}

static const struct builtin show_builtin = {.put = show_put};
static const kiln_node show = {
    .size = sizeof(show),
    .name = "show",
    .summary = "draw the images in the terminal",
    .example = "digits test images=0:8 ! grid ! show",
    .params = KILN_PARAMS(show_params),
    .sink = &is_sink,
};
const struct node_def node_show = {&show, &show_builtin, "kiln", KILN_VERSION, NULL};
