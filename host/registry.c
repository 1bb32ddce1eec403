// SPDX-License-Identifier: MIT
#include "registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "nodes.h"
#include "paths.h"
#include "util.h"
#include "verbs.h"

enum { LOAD_TIMEOUT_MS = 5000 };

struct plugin {
    char *path;
    const kiln_plugin *object;  // NULL: could not be used
    char *problem;
    struct node_def *def;  // [n]
    uint32_t n;
};

static struct {
    char **dir;
    size_t n_dirs;
    struct plugin **plugin;  // looked at, by path
    size_t n_plugins;
} registry;

static const char *const kinds[] = {"none",      "source",     "sink",    "filter", "encoder",
                                    "predictor", "combinator", "sampler", "hook",   "trainer"};

const char *kind_name(enum kind kind)
{
    return kinds[kind];
}

enum kind kind_by_name(const char *name)
{
    for (int k = KIND_SOURCE; k <= KIND_TRAINER; k++)
        if (!strcmp(name, kinds[k]))
            return (enum kind)k;
    return KIND_NONE;
}

enum kind def_kind(const struct node_def *def)
{
    const kiln_node *n = def->node;
    return n->filter       ? KIND_FILTER
           : n->source     ? KIND_SOURCE
           : n->sink       ? KIND_SINK
           : n->encoder    ? KIND_ENCODER
           : n->predictor  ? KIND_PREDICTOR
           : n->combinator ? KIND_COMBINATOR
           : n->sampler    ? KIND_SAMPLER
           : n->hook       ? KIND_HOOK
           : n->trainer    ? KIND_TRAINER
                           : KIND_NONE;
}

void registry_add_dir(const char *dir)
{
    GROW(registry.dir, registry.n_dirs);
    registry.dir[registry.n_dirs++] = xstrdup(dir);
}

void registry_put_first(const char *dir)
{
    registry_add_dir(dir);
    char *last = registry.dir[registry.n_dirs - 1];
    memmove(registry.dir + 1, registry.dir, (registry.n_dirs - 1) * sizeof(char *));
    registry.dir[0] = last;
}

// ---- one file -----------------------------------------------------------------------------------

// What a child that loads the file first says of it: nothing wrong, or one line. A file from
// anywhere may crash or hang in its constructors; this process shall not.
static char *try_in_child(const char *path)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC))
        return xformat("cannot be tried: %s", errno_text(errno));
    pid_t pid = fork();
    if (pid < 0) {
        close(fd[0]);
        close(fd[1]);
        return xformat("cannot be tried: %s", errno_text(errno));
    }
    if (!pid) {
        int null = open("/dev/null", O_RDWR);
        if (null >= 0) {
            dup2(null, 0);
            dup2(null, 1);
            dup2(null, 2);
        }
        for (int s = 1; s < NSIG; s++)
            signal(s, SIG_DFL);
        const char *why = "";
        void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!h)
            why = dlerror();
        size_t n = why ? strlen(why) + 1 : 0;
        if (write(fd[1], why ? why : "", n ? n : 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(fd[1]);
    char said[1024];
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    ssize_t n = poll(&p, 1, LOAD_TIMEOUT_MS) > 0 ? read(fd[0], said, sizeof(said) - 1) : -1;
    close(fd[0]);
    if (n < 0)
        kill(pid, SIGKILL);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return xformat("hangs when it is loaded (%d s)", LOAD_TIMEOUT_MS / 1000);
    if (n == 0)
        return WIFSIGNALED(status)
                   ? xformat("crashes when it is loaded (signal %d)", WTERMSIG(status))
                   : xformat("ends the process when it is loaded");
    said[n] = 0;
    const char *text = said;
    size_t len = strlen(path);  // dlerror begins with the path
    if (!strncmp(text, path, len) && text[len] == ':')
        text += len + 1 + (text[len + 1] == ' ');
    return *text ? xformat("%s", text) : NULL;
}

// Fields that an older plugin does not know stay zero.
static kiln_node *full_copy(const kiln_node *from)
{
    kiln_node *node = xcalloc(1, sizeof(*node));
    memcpy(node, from, from->size < sizeof(*node) ? from->size : sizeof(*node));
    node->size = sizeof(*node);
    return node;
}

static char *check_node(const kiln_node *node)
{
    if (!node || node->size < offsetof(kiln_node, trainer))
        return xstrdup("has a broken node table");
    if (!node->name || !*node->name ||
        strspn(node->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(node->name))
        return xformat("has a node named '%s': lower case, digits and hyphens are allowed",
                       node->name ? node->name : "");
    if (verb_find(node->name))
        return xformat("has a node named '%s', which is a verb of kiln", node->name);
    if (node->n_params && (!node->params || node->param_size < offsetof(kiln_param, min)))
        return xformat("has a broken parameter table in node '%s'", node->name);
    return NULL;
}

static char *check_object(const kiln_plugin *p)
{
    if (p->magic != KILN_MAGIC)
        return xstrdup("is no kiln plugin (wrong magic number)");
    if (p->major != KILN_MAJOR)
        return xformat("is built for version %u of the SDK, this kiln has %d", p->major,
                       KILN_MAJOR);
    if (p->minor > KILN_HEADER_MINOR)
        return xformat("needs version %u.%u of the SDK, this kiln has %d.%d", p->major, p->minor,
                       KILN_MAJOR, KILN_HEADER_MINOR);
    if (p->size < sizeof(*p) || (p->n_nodes && !p->nodes) || !p->id)
        return xstrdup("has a broken plugin table");
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        char *problem = check_node(p->nodes[i]);
        if (problem)
            return problem;
    }
    return NULL;
}

static const kiln_plugin *open_object(const char *path, char **problem)
{
    *problem = try_in_child(path);
    if (*problem)
        return NULL;
    fenv_t env;  // constructors of a -ffast-math object flip denormals for the whole process
    fegetenv(&env);
    void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    fesetenv(&env);
    if (!h) {
        *problem = xformat("%s", dlerror());
        return NULL;
    }
    const kiln_plugin *p = dlsym(h, "kiln_plugin_v1");
    if (!p) {
        char symbol[32];
        *problem = NULL;
        for (int v = 2; v < 10 && !*problem; v++) {
            snprintf(symbol, sizeof(symbol), "kiln_plugin_v%d", v);
            if (dlsym(h, symbol))
                *problem =
                    xformat("is built for version %d of the SDK, this kiln has %d", v, KILN_MAJOR);
        }
        if (!*problem)
            *problem = xstrdup("is no kiln plugin: it exports no 'kiln_plugin_v1'");
        return NULL;
    }
    *problem = check_object(p);
    return *problem ? NULL : p;
}

static struct plugin *load(const char *path)
{
    for (size_t i = 0; i < registry.n_plugins; i++)
        if (!strcmp(registry.plugin[i]->path, path))
            return registry.plugin[i];
    struct plugin *p = xcalloc(1, sizeof(*p));
    GROW(registry.plugin, registry.n_plugins);
    registry.plugin[registry.n_plugins++] = p;
    p->path = xstrdup(path);
    p->object = open_object(path, &p->problem);
    p->n = p->object ? p->object->n_nodes : 0;
    p->def = xcalloc(p->n, sizeof(*p->def));
    for (uint32_t i = 0; i < p->n; i++) {
        struct node_def *d = &p->def[i];
        d->node = full_copy(p->object->nodes[i]);
        d->id = p->object->id;
        d->version = p->object->version;
        d->path = p->path;
    }
    return p;
}

int registry_load_file(const char *path, const kiln_plugin **out)
{
    struct plugin *p = load(path);
    *out = p->object;
    return p->object ? KILN_OK : fail(KILN_ERR_IO, "%s: %s", path, p->problem);
}

// ---- directories --------------------------------------------------------------------------------

static int is_object_name(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return d->d_name[0] != '.' && n > 3 && !strcmp(d->d_name + n - 3, ".so");
}

// Calls visit with each file of each directory, in order; a file name counts where it is found
// first.
static void each_file(void (*visit)(void *ctx, const char *path), void *ctx)
{
    char **seen = NULL;
    size_t n_seen = 0;
    for (size_t i = 0; i < registry.n_dirs; i++) {
        struct dirent **list;
        int n = scandir(registry.dir[i], &list, is_object_name, alphasort);
        for (int k = 0; k < n; k++) {
            int known = 0;
            for (size_t s = 0; s < n_seen && !known; s++)
                known = !strcmp(seen[s], list[k]->d_name);
            if (!known) {
                GROW(seen, n_seen);
                seen[n_seen++] = xstrdup(list[k]->d_name);
                char *path = xformat("%s/%s", registry.dir[i], list[k]->d_name);
                visit(ctx, path);
                free(path);
            }
            free(list[k]);
        }
        if (n >= 0)
            free(list);
    }
    for (size_t s = 0; s < n_seen; s++)
        free(seen[s]);
    free(seen);
}

// Does the file hold this string, with its terminators? A node's name is in its constant data, so
// that files without it need not be loaded; no list of plugins has to be kept anywhere.
static int holds_string(const char *path, const char *s)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), found = 0;
    struct stat st;
    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0) {
        size_t size = (size_t)st.st_size, n = strlen(s) + 1;
        char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            found = memmem(map, size, s, n) != NULL;
            munmap(map, size);
        }
    }
    if (fd >= 0)
        close(fd);
    return found;
}

struct search {
    const char *id, *name;  // id: NULL for any
    size_t id_len;
    const struct node_def *found, *second;
    const char *unusable;  // a file that holds the name and could not be loaded
};

static int is_wanted(const struct search *s, const struct node_def *d)
{
    return !strcmp(d->node->name, s->name) &&
           (!s->id || (strlen(d->id) == s->id_len && !memcmp(d->id, s->id, s->id_len)));
}

static void search_file(void *ctx, const char *path)
{
    struct search *s = ctx;
    if (!holds_string(path, s->name))
        return;
    struct plugin *p = load(path);
    if (!p->object && !s->unusable)
        s->unusable = p->path;
    for (uint32_t i = 0; i < p->n; i++)
        if (is_wanted(s, &p->def[i])) {
            if (!s->found)
                s->found = &p->def[i];
            else if (strcmp(s->found->id, p->def[i].id))
                s->second = &p->def[i];
        }
}

static void load_any(void *ctx, const char *path)
{
    (void)ctx;
    load(path);
}

static int by_name(const void *a, const void *b)
{
    const struct node_def *const *x = a, *const *y = b;
    return strcmp((*x)->node->name, (*y)->node->name);
}

void registry_all(const struct node_def *const **list, size_t *n, char *const **problems,
                  size_t *n_problems)
{
    static const struct node_def **all;
    static char **bad;
    static size_t n_all, n_bad;
    if (!all) {
        each_file(load_any, NULL);
        for (size_t i = 0; builtin_nodes[i]; i++) {
            GROW(all, n_all);
            all[n_all++] = builtin_nodes[i];
        }
        for (size_t k = 0; k < registry.n_plugins; k++) {
            const struct plugin *p = registry.plugin[k];
            for (uint32_t i = 0; i < p->n; i++) {
                GROW(all, n_all);
                all[n_all++] = &p->def[i];
            }
            if (p->problem) {
                GROW(bad, n_bad);
                bad[n_bad++] = xformat("%s: %s", p->path, p->problem);
            }
        }
        qsort(all, n_all, sizeof(*all), by_name);
    }
    *list = all;
    *n = n_all;
    *problems = bad;
    *n_problems = n_bad;
}

void registry_nearest(const char *typed, const char **best)
{
    const struct node_def *const *all;
    char *const *problems;
    size_t n, n_problems;
    registry_all(&all, &n, &problems, &n_problems);
    for (size_t i = 0; i < n; i++)
        nearer(typed, all[i]->node->name, best);
}

static int not_found(const struct search *s, const char *name)
{
    const char *best = NULL;
    if (s->unusable)
        return fail(KILN_ERR_ARG, "no node '%s': the plugin %s %s", name, s->unusable,
                    load(s->unusable)->problem);
    registry_nearest(name, &best);
    if (best)
        return fail(KILN_ERR_ARG, "no node '%s': did you mean '%s'?", name, best);
    if (!registry.n_plugins)
        return fail(KILN_ERR_ARG, "no node '%s', and no plugins in %s", name,
                    registry.n_dirs ? registry.dir[registry.n_dirs - 1] : "any directory");
    return fail(KILN_ERR_ARG, "no node '%s' ('kiln list' shows all)", name);
}

int registry_find(const char *name, const struct node_def **out)
{
    const char *colon = strchr(name, ':');
    struct search s = {.name = colon ? colon + 1 : name,
                       .id = colon ? name : NULL,
                       .id_len = colon ? (size_t)(colon - name) : 0};
    for (size_t i = 0; builtin_nodes[i]; i++)
        if (is_wanted(&s, builtin_nodes[i])) {
            *out = builtin_nodes[i];
            return KILN_OK;
        }
    each_file(search_file, &s);
    if (s.second)
        return fail(KILN_ERR_ARG, "node '%s' is in two plugins: write '%s:%s' or '%s:%s'", s.name,
                    s.found->id, s.name, s.second->id, s.name);
    *out = s.found;
    return s.found ? KILN_OK : not_found(&s, name);
}
