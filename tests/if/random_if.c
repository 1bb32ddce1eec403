// random_if [OPTION…] NET FOLDER: a pipeline folder of DeepFloyd IF as people download it, with
// random weights: for what only a net can show where the licensed ones are not at hand.
//     --dtype fp32|fp16|bf16   of the weights (fp16), which are the same but for rounding
//     --shards N               in N files with an index (1: one file, none)
//     --seed N                 of the weights (1)
//     --values yes|no          no: zeros, which take no room on the disk (yes)
// NET: a name of tests/if/nets.c. Build it with tests/if/if.bash, or by hand:
//     cc -O2 -I. -o random_if tests/if/random_if.c tests/if/nets.c -lm
// SPDX-License-Identifier: MIT
#include "kernels/half.h"
#include "tests/if/nets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum dtype { FP32, FP16, BF16 };
static const char *const dtype_word[] = {"fp32", "fp16", "bf16"};
static const char *const dtype_name[] = {"F32", "F16", "BF16"};
static const int dtype_size[] = {4, 2, 2};

struct job {
    const char *folder;
    const struct if_net *net;
    struct if_tensors all;  // by name
    enum dtype dtype;
    int shards, no_values;
    uint64_t seed;
};

static FILE *create(const struct job *job, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", job->folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static void finish(FILE *f)
{
    if (ferror(f) || fclose(f)) {
        perror("random_if");
        exit(1);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct if_tensor *)a)->name, ((const struct if_tensor *)b)->name);
}

// splitmix64 (Steele et al. 2014) from a state that the seed and the tensor's name give (FNV-1a).
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void write_values(const struct job *job, const struct if_tensor *t, FILE *f)
{
    enum { ROOM = 4096 };
    float v[ROOM];
    uint16_t half[ROOM];
    uint64_t state = 0xcbf29ce484222325u ^ job->seed;
    for (const char *s = t->name; *s; s++)
        state = (state ^ (unsigned char)*s) * 0x100000001b3u;
    for (int64_t left = if_tensor_numel(t), n; left; left -= n) {
        n = left < ROOM ? left : ROOM;
        for (int i = 0; i < n; i++) {
            double u = (double)(next(&state) >> 11) / (double)(1ll << 52) - 1;  // [-1,1)
            v[i] = (float)(t->mean + t->spread * u);
            half[i] = job->dtype == BF16 ? bf16_of_float(v[i]) : f16_of_float(v[i]);
        }
        if (job->dtype == FP32)
            fwrite(v, sizeof(*v), (size_t)n, f);
        else
            fwrite(half, sizeof(*half), (size_t)n, f);
    }
}

// The safetensors header, padded with blanks to a multiple of 8; returns the bytes of the data.
static int64_t header(const struct job *job, int from, int to, char **text)
{
    int64_t at = 0;
    size_t size = 0;
    FILE *f = open_memstream(text, &size);
    fputs("{\"__metadata__\":{\"format\":\"pt\"}", f);
    for (int i = from; i < to; i++) {
        const struct if_tensor *t = &job->all.tensor[i];
        int64_t bytes = if_tensor_numel(t) * dtype_size[job->dtype];
        fprintf(f, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name, dtype_name[job->dtype]);
        for (int k = 0; k < t->rank; k++)
            fprintf(f, "%s%lld", k ? "," : "", (long long)t->shape[k]);
        fprintf(f, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + bytes));
        at += bytes;
    }
    fputc('}', f);
    fflush(f);
    for (size_t n = size; n % 8; n++)
        fputc(' ', f);
    fclose(f);
    return at;
}

// File k of the weights, counted from 0; diffusers' names.
static void file_name(const struct job *job, int k, char *out, size_t room)
{
    const char *variant = job->dtype == FP16 ? ".fp16" : "";
    if (job->shards == 1)
        snprintf(out, room, "diffusion_pytorch_model%s.safetensors", variant);
    else
        snprintf(out, room, "diffusion_pytorch_model%s-%05d-of-%05d.safetensors", variant, k + 1,
                 job->shards);
}

static int first_of(const struct job *job, int k)
{
    return (int)((int64_t)job->all.n * k / job->shards);
}

static void write_weights(const struct job *job)
{
    char name[128], path[160], *text;
    for (int k = 0; k < job->shards; k++) {
        int from = first_of(job, k), to = first_of(job, k + 1);
        file_name(job, k, name, sizeof(name));
        snprintf(path, sizeof(path), "unet/%s", name);
        int64_t bytes = header(job, from, to, &text);
        uint64_t size = strlen(text);
        FILE *f = create(job, path);
        fwrite(&size, sizeof(size), 1, f);  // little-endian, as what this runs on
        fwrite(text, 1, size, f);
        for (int i = from; i < to && !job->no_values; i++)
            write_values(job, &job->all.tensor[i], f);
        if (job->no_values &&
            (fflush(f) || ftruncate(fileno(f), (off_t)(8 + size + (uint64_t)bytes))))
            perror(path);
        finish(f);
        free(text);
    }
}

static void write_index(const struct job *job)
{
    char name[128];
    int64_t total = 0;
    for (int i = 0; i < job->all.n; i++)
        total += if_tensor_numel(&job->all.tensor[i]) * dtype_size[job->dtype];
    FILE *f =
        create(job, job->dtype == FP16 ? "unet/diffusion_pytorch_model.safetensors.index.fp16.json"
                                       : "unet/diffusion_pytorch_model.safetensors.index.json");
    fprintf(f, "{\n  \"metadata\": {\n    \"total_size\": %lld\n  },\n  \"weight_map\": {",
            (long long)total);
    for (int k = 0; k < job->shards; k++) {
        file_name(job, k, name, sizeof(name));
        for (int i = first_of(job, k); i < first_of(job, k + 1); i++)
            fprintf(f, "%s\n    \"%s\": \"%s\"", i ? "," : "", job->all.tensor[i].name, name);
    }
    fputs("\n  }\n}\n", f);
    finish(f);
}

static void write_folder(const struct job *job)
{
    static const char *const parts[] = {"", "/unet", "/scheduler", "/image_noising_scheduler"};
    char path[4096];
    for (int i = 0; i < 3 + job->net->second; i++) {
        snprintf(path, sizeof(path), "%s%s", job->folder, parts[i]);
        mkdir(path, 0777);  // what is wrong with it shows when a file in it is made
    }
    FILE *f = create(job, "model_index.json");
    fprintf(f,
            "{\n  \"_class_name\": \"%s\",\n  \"_diffusers_version\": \"0.42.1\",\n%s"
            "  \"scheduler\": [\n    \"diffusers\",\n    \"DDPMScheduler\"\n  ],\n"
            "  \"unet\": [\n    \"diffusers\",\n    \"UNet2DConditionModel\"\n  ]\n}\n",
            job->net->second ? "IFSuperResolutionPipeline" : "IFPipeline",
            job->net->second ? "  \"image_noising_scheduler\": [\n    \"diffusers\",\n"
                               "    \"DDPMScheduler\"\n  ],\n"
                             : "");
    finish(f);
    if_net_config(job->net, f = create(job, "unet/config.json"));
    finish(f);
    if_net_scheduler(job->net, 0, f = create(job, "scheduler/scheduler_config.json"));
    finish(f);
    if (job->net->second) {
        f = create(job, "image_noising_scheduler/scheduler_config.json");
        if_net_scheduler(job->net, 1, f);
        finish(f);
    }
    write_weights(job);
    if (job->shards > 1)
        write_index(job);
}

static int usage(void)
{
    fputs("usage: random_if [--dtype fp32|fp16|bf16] [--shards N] [--seed N] [--values yes|no] "
          "NET FOLDER\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct job job = {.dtype = FP16, .shards = 1, .seed = 1};
    int i = 1;
    for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--shards"))
            job.shards = atoi(value);
        else if (!strcmp(argv[i], "--seed"))
            job.seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--values"))
            job.no_values = !strcmp(value, "no");
        else if (strcmp(argv[i], "--dtype") != 0)
            return usage();
        else
            for (job.dtype = FP32; strcmp(dtype_word[job.dtype], value) != 0; job.dtype++)
                if (job.dtype == BF16)
                    return usage();
    }
    if (i + 2 != argc || job.shards < 1 || !(job.net = if_net_find(argv[i])))
        return usage();
    job.folder = argv[i + 1];
    job.all = if_net_tensors(job.net);
    qsort(job.all.tensor, (size_t)job.all.n, sizeof(*job.all.tensor), by_name);
    write_folder(&job);
    free(job.all.tensor);
    return 0;
}
