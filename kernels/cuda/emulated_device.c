// A device of the CPU: memory that the host cannot touch, and the calls of backend.h. Only the
// tests have it. SPDX-License-Identifier: MIT
#include "kernels/cuda/emulated.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/cuda/services.h"

// ---- memory -------------------------------------------------------------------------------------

// Two ranges of equal size: one without access, whose addresses tensors have, and one for the
// kernels. What is taken from them is never given back to the system; freed blocks are kept by
// size.
enum { LEAST = 256, MOST_BLOCKS = 1 << 16 };
static const size_t range = (size_t)1 << 34;
static struct block {
    char *at;
    size_t bytes;
    int used;
} block[MOST_BLOCKS];
static struct {
    pthread_mutex_t lock;
    char *shown, *real;
    size_t end, taken, peak, limit;
    int blocks;
    char why[160];
} device = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *emulated_address(const kiln_tensor *t)
{
    char *p = (char *)t->data + t->byte_offset;
    if (t->device.type == KILN_DEVICE_CPU)
        return p;
    if (p < device.shown || p >= device.shown + device.end) {
        fprintf(stderr, "emulated device: an address that is none of its own\n");
        abort();
    }
    return device.real + (p - device.shown);
}

static char *real(const void *p)
{
    const char *c = p;
    return device.real + (c - device.shown);
}

static int failed(int code, const char *why)
{
    snprintf(device.why, sizeof(device.why), "%s", why);
    return code;
}

static const char *why(void)
{
    return device.why;
}

static int count(int *n)
{
    *n = 1;
    return KILN_OK;
}

static int describe(int index, struct cuda_device *out)
{
    const char *given = getenv("KILN_EMULATED_MEMORY");
    size_t memory = given ? (size_t)strtoull(given, NULL, 10) : (size_t)4 << 30;
    if (index)
        return failed(KILN_ERR_DEVICE, "there is one emulated device, number 0");
    *out = (struct cuda_device){.capability = 80, .memory = memory, .free = memory};
    snprintf(out->name, sizeof(out->name), "emulated on the CPU");
    return KILN_OK;
}

static int open_device(int index)
{
    struct cuda_device d;
    int e = describe(index, &d);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (e || device.shown)
        return e;
    void *shown = mmap(NULL, range, PROT_NONE, flags, -1, 0);
    void *own = mmap(NULL, range, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (shown == MAP_FAILED || own == MAP_FAILED)
        return failed(KILN_ERR_DEVICE, "no room for the emulated memory");
    device.shown = shown;
    device.real = own;
    device.limit = d.memory;
    return KILN_OK;
}

// KILN_EMULATED_COUNTS=FILE: how often the host and the device were at each other, for tests.
static void close_device(void)
{
    const char *path = getenv("KILN_EMULATED_COUNTS");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    fprintf(f,
            "to_device %ld\nto_host %ld\ncopy %ld\nwaits %ld\nlaunches %ld\nrecorded %ld\n"
            "graphs %ld\nreplays %ld\ndropped %ld\nblocks %d\npeak %zu\nleft %zu\n",
            emulated_counts.to_device, emulated_counts.to_host, emulated_counts.copy,
            emulated_counts.waits, emulated_counts.launches, emulated_counts.recorded,
            emulated_counts.graphs, emulated_counts.replays, emulated_counts.dropped, device.blocks,
            device.peak, device.taken);
    fclose(f);
}

static int take(size_t bytes, void **out)
{
    bytes = (bytes + LEAST - 1) / LEAST * LEAST + (bytes == 0) * LEAST;
    pthread_mutex_lock(&device.lock);
    int i = 0, e = KILN_OK;
    while (i < device.blocks && (block[i].used || block[i].bytes != bytes))
        i++;
    if (device.taken + bytes > device.limit || i == MOST_BLOCKS ||
        (i == device.blocks && device.end + bytes > range)) {
        e = failed(KILN_ERR_MEMORY, "out of memory");
    } else if (i == device.blocks) {
        block[device.blocks++] = (struct block){device.shown + device.end, bytes, 0};
        device.end += bytes;
    }
    if (!e) {
        block[i].used = 1;
        device.taken += bytes;
        device.peak = device.taken > device.peak ? device.taken : device.peak;
        if (!emulated_listing())
            memset(real(block[i].at), 0xff, bytes);  // NaN in every float type
        *out = block[i].at;
    }
    pthread_mutex_unlock(&device.lock);
    return e;
}

// Of both: the kernels take an address of a tensor in host memory as it is.
static int take_shared(size_t bytes, void **out)
{
    *out = malloc(bytes);
    return *out ? KILN_OK : failed(KILN_ERR_MEMORY, "out of memory");
}

static void give(void *p)
{
    emulated_not_recorded("memory is given back");
    pthread_mutex_lock(&device.lock);
    int i = 0;
    while (i < device.blocks && block[i].at != p)
        i++;
    if (i == device.blocks || !block[i].used) {
        fprintf(stderr, "emulated device: freed what it did not give\n");
        abort();
    }
    block[i].used = 0;
    device.taken -= block[i].bytes;
    pthread_mutex_unlock(&device.lock);
}

static int to_device(void *dst, const void *src, size_t bytes)
{
    emulated_not_recorded("a copy from the host");
    emulated_counts.to_device++;
    if (!emulated_listing())
        memcpy(real(dst), src, bytes);
    return KILN_OK;
}

static int to_host(void *dst, const void *src, size_t bytes)
{
    emulated_not_recorded("a copy to the host");
    emulated_counts.to_host++;
    memcpy(dst, real(src), bytes);
    return KILN_OK;
}

static void poison(void *p, size_t bytes)
{
    if (!emulated_recorded(real(p), NULL, bytes))
        memset(real(p), 0xff, bytes);
}

static int copy(void *dst, const void *src, size_t bytes)
{
    if (emulated_recorded(real(dst), real(src), bytes))
        return KILN_OK;
    emulated_counts.copy++;
    memcpy(real(dst), real(src), bytes);
    return KILN_OK;
}

// ---- the rest -----------------------------------------------------------------------------------

static int synchronize(void)
{
    emulated_not_recorded("a wait");
    emulated_counts.waits++;
    return KILN_OK;
}

static void wait_each(int on)
{
    (void)on;  // each launch is done when it returns
}

static int event_new(void **event)
{
    *event = &device;
    return KILN_OK;
}

static void event_free(void *event)
{
    (void)event;
}

static int event_any(void *event)
{
    (void)event;
    emulated_not_recorded("an event");
    return KILN_OK;
}

static void *stream(void)
{
    return &device;
}

// A module is a shared object of the CPU, image its path; a kernel of it does all blocks, and gets
// a function that finds the memory at an address of the device.
typedef void module_fn(const uint32_t grid[3], const uint32_t threads[3], void **args,
                       void *(*memory)(void *));

static void *memory_at(void *p)
{
    return real(p);
}

static int module_load(const void *image, size_t bytes, const char *name, void **function)
{
    char path[512];
    snprintf(path, sizeof(path), "%.*s", (int)bytes, (const char *)image);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    *function = object ? dlsym(object, name) : NULL;
    return *function ? KILN_OK : failed(KILN_ERR_DEVICE, "no such module or function");
}

static int module_launch(void *function, const uint32_t grid[3], const uint32_t threads[3],
                         uint32_t shared_bytes, void **args)
{
    module_fn *fn;
    (void)shared_bytes;
    if (emulated_recording())  // the sizes of the arguments are not known here
        return failed(KILN_ERR_UNSUPPORTED, "a kernel of a module is not recorded");
    memcpy(&fn, &function, sizeof(fn));
    emulated_counts.launches++;
    fn(grid, threads, args, memory_at);
    return KILN_OK;
}

extern const struct cuda_backend kiln_cuda_backend;
__attribute__((visibility("default"))) const struct cuda_backend kiln_cuda_backend = {
    .version = CUDA_BACKEND_VERSION,
    .size = sizeof(kiln_cuda_backend),
    .name = "cuda-emulated",
    .why = why,
    .count = count,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .alloc = take,
    .free = give,
    .alloc_shared = take_shared,
    .free_shared = free,
    .wait_each = wait_each,
    .to_device = to_device,
    .to_host = to_host,
    .copy = copy,
    .synchronize = synchronize,
    .poison = poison,
    .event_new = event_new,
    .event_free = event_free,
    .event_record = event_any,
    .event_wait = event_any,
    .stream = stream,
    .ops = emulated_ops,
    .convert = cuda_convert,
    .normal = cuda_normal,
    .uniform = cuda_uniform,
    .finite = cuda_finite,
    .module_load = module_load,
    .module_launch = module_launch,
    .capture_begin = emulated_capture_begin,
    .capture_end = emulated_capture_end,
    .replay = emulated_replay,
    .drop = emulated_drop,
};
