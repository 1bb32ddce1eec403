// Where the net lies, and its weights on the way into memory.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <kiln/ext/paths.h>

#include "unet.h"

int unet_bad(struct unet *s, const char *format, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    return kiln_fail(&s->base, KILN_ERR_IO, "%s: %s", s->where, why);
}

static int exists(const char *folder, const char *name)
{
    char path[4400];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return !stat(path, &st);
}

// The folder that was named, and the net's in it.
struct place {
    char base[4096], folder[4200];
};

static int find(struct unet *s, struct place *p)
{
    const char *name = s->base.args[P_MODEL].s;
    const char *found = kiln_get_paths(&s->base)->find(s->base.host, "models", name);
    snprintf(p->base, sizeof(p->base), "%s", found ? found : name);
    snprintf(p->folder, sizeof(p->folder), "%s%s", p->base, exists(p->base, "unet") ? "/unet" : "");
    return found != NULL;
}

int unet_found(struct unet *s)
{
    struct place p;
    double number;
    const char *text;
    kiln_file *f;
    if (!find(s, &p) || !exists(p.folder, "config.json"))
        return 0;
    // Weights that are damaged are described, and the failure then says how.
    if (kiln_get_weights(&s->base)->open(s->base.host, p.folder, &f))
        return strcmp(p.base, p.folder) != 0;
    int e = config_field(s, f, "config.json", "_class_name", &number, &text);
    int is = e ? !config_field(s, f, "config.json", "down_block_types/0", &number, &text)
               : text && !strcmp(text, "UNet2DConditionModel");
    kiln_get_weights(&s->base)->close(s->base.host, f);
    return is;
}

int unet_describe(struct unet *s)
{
    const kiln_value *args = s->base.args;
    const kiln_weights *w = kiln_get_weights(&s->base);
    struct place p;
    if (s->described)
        return KILN_OK;
    if (find(s, &p) && !exists(p.folder, "config.json"))
        return kiln_fail(&s->base, KILN_ERR_IO,
                         "%.300s: neither a pipeline's folder nor its unet/, with a config.json",
                         p.base);
    int half = args[P_WEIGHTS].i == WEIGHTS_FP16;
    snprintf(s->where, sizeof(s->where), "%.200s", p.folder);
    int e = (half ? w->open_half : w->open)(s->base.host, p.folder, &s->file);
    e = e ? e : config_read(s);
    e = e ? e : layout_build(s);
    e = e ? e : layout_check(s);
    e = e ? e : schedule_read(s, p.base);
    if (!e && s->config.in == 3 && (args[P_NOISE_LEVEL].set || args[P_LOWRES].n))
        e = kiln_fail(&s->base, KILN_ERR_ARG,
                      "noise_level and lowres are for stage II, this net is of stage I");
    s->described = !e;
    if (e)
        unet_free(s);
    return e;
}

static int read_tensor(struct unet *s, const struct module *m, const char *leaf,
                       const kiln_tensor *near, int dtype, int32_t ndim, kiln_tensor **out)
{
    char name[96];
    snprintf(name, sizeof(name), "%s%s", m->name, leaf);
    return kiln_get_weights(&s->base)->tensor(s->base.host, s->file, name, near, dtype, ndim,
                                              m->shape, out);
}

static int kept_type(const struct unet *s)
{
    static const int types[] = {
        [WEIGHTS_AUTO] = 0, [WEIGHTS_FP16] = KILN_F16, [WEIGHTS_FP32] = KILN_F32};
    return types[s->base.args[P_WEIGHTS].i];
}

static int pack(struct unet *s, struct module *m)
{
    static const kiln_conv same = {.kernel = 3, .stride = 1, .pad = 1};
    static const kiln_conv pointwise = {.kernel = 1, .stride = 1};
    const kiln_host *h = s->base.host;
    const kiln_ops *ops = kiln_get_ops(&s->base);
    kiln_tensor *t;
    int e = read_tensor(s, m, ".weight", h->device, kept_type(s), module_ndim(m), &t);
    if (e)
        return e;
    e = m->kind == LINEAR ? ops->pack_linear(h, t, 0, &m->w)
                          : ops->pack_conv(h, m->kind == CONV ? &same : &pointwise, t, 0, &m->w);
    h->tensor_free(h, t);
    return e;
}

int module_load(struct unet *s, struct module *m)
{
    const kiln_tensor *device = s->base.host->device;
    if (m->kind == NONE)
        return KILN_OK;
    if (m->kind == POSITIONS)
        return read_tensor(s, m, "", device, s->base.host->map_dtype, 2, &m->gamma);
    int e =
        m->kind == NORM ? read_tensor(s, m, ".weight", device, KILN_F32, 1, &m->gamma) : pack(s, m);
    return e ? e : read_tensor(s, m, ".bias", device, KILN_F32, 1, &m->bias);
}

void module_unload(struct unet *s, struct module *m)
{
    const kiln_host *h = s->base.host;
    const kiln_ops *ops = kiln_get_ops(&s->base);
    if (m->w)
        ops->pack_free(h, m->w);
    h->tensor_free(h, m->gamma);
    h->tensor_free(h, m->bias);
    m->w = NULL;
    m->gamma = m->bias = NULL;
}

int unet_load(struct unet *s)
{
    const kiln_host *h = s->base.host;
    int e = unet_describe(s);
    if (e || s->loaded)
        return e;
    s->loaded = 1;
    for (int i = 0; i < s->n_modules && !e; i++) {
        if (!s->module[i].once)
            e = module_load(s, &s->module[i]);
        e = e ? e : h->progress(h, (double)i / (double)s->n_modules, "weights");
    }
    if (e)
        unet_unload(s);
    return e;
}

void unet_unload(struct unet *s)
{
    for (int i = 0; i < s->n_modules; i++)
        module_unload(s, &s->module[i]);
    s->loaded = 0;
}

void unet_free(struct unet *s)
{
    unet_unload(s);
    if (s->file)
        kiln_get_weights(&s->base)->close(s->base.host, s->file);
    schedule_free(&s->schedule);
    free(s->module);
    free(s->json);
    s->file = NULL;
    s->module = NULL;
    s->json = NULL;
    s->n_modules = s->room = s->n_resnets = s->n_attentions = 0;
}
