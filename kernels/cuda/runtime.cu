// The calls of backend.h by the CUDA runtime. SPDX-License-Identifier: MIT
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/services.h"

#include <stdio.h>
#include <string.h>

namespace
{

cudaStream_t the_stream;
bool waits;  // for each launch
char text[256];

const char *why()
{
    return text;
}

int failed(cudaError_t err, const char *what)
{
    if (err == cudaSuccess)
        return KILN_OK;
    cudaGetLastError();  // so that the next call does not tell of it again
    snprintf(text, sizeof(text), "%s: %s", what, cudaGetErrorString(err));
    return err == cudaErrorMemoryAllocation ? KILN_ERR_MEMORY : KILN_ERR_DEVICE;
}

int count(int *n)
{
    *n = 0;
    cudaError_t err = cudaGetDeviceCount(n);
    if (err == cudaErrorInsufficientDriver) {
        int driver = 0, needs = CUDART_VERSION;
        cudaGetLastError();
        if (cudaDriverGetVersion(&driver) == cudaSuccess && driver)
            snprintf(text, sizeof(text), "the NVIDIA driver is for CUDA %d.%d, this wants %d.%d",
                     driver / 1000, driver % 1000 / 10, needs / 1000, needs % 1000 / 10);
        else
            snprintf(text, sizeof(text), "there is no NVIDIA driver");
        return KILN_ERR_DEVICE;
    }
    if (err == cudaErrorNoDevice || (err == cudaSuccess && !*n)) {
        cudaGetLastError();
        snprintf(text, sizeof(text), "there is no NVIDIA GPU");
        return KILN_ERR_DEVICE;
    }
    return failed(err, "the NVIDIA driver");
}

int describe(int index, struct cuda_device *out)
{
    cudaDeviceProp p;
    int n, err = count(&n);
    if (err)
        return err;
    if (index < 0 || index >= n) {
        snprintf(text, sizeof(text), "there %s %d GPU%s, number %d is none of them",
                 n == 1 ? "is" : "are", n, n == 1 ? "" : "s", index);
        return KILN_ERR_DEVICE;
    }
    err = failed(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
    if (err)
        return err;
    memset(out, 0, sizeof(*out));
    snprintf(out->name, sizeof(out->name), "%s", p.name);
    out->capability = p.major * 10 + p.minor;
    out->memory = out->free = p.totalGlobalMem;
    size_t left, all;
    if (the_stream && cudaMemGetInfo(&left, &all) == cudaSuccess)  // without a context it made one
        out->free = left;
    return KILN_OK;
}

int open_device(int index)
{
    struct cuda_device d;
    int err = describe(index, &d);
    if (!err && d.capability < 75) {
        snprintf(text, sizeof(text), "%s has compute capability %d.%d, at least 7.5 is wanted",
                 d.name, d.capability / 10, d.capability % 10);
        err = KILN_ERR_DEVICE;
    }
    err = err ? err : failed(cudaSetDevice(index), "cudaSetDevice");
    return err ? err
               : failed(cudaStreamCreateWithFlags(&the_stream, cudaStreamNonBlocking),
                        "cudaStreamCreate");
}

void close_device()
{
    if (the_stream)
        cudaStreamDestroy(the_stream);
    the_stream = nullptr;
}

int take(size_t bytes, void **out)
{
    return failed(cudaMalloc(out, bytes ? bytes : 1), "cudaMalloc");
}

void give(void *p)
{
    cudaFree(p);
}

int take_shared(size_t bytes, void **out)
{
    return failed(cudaMallocManaged(out, bytes ? bytes : 1), "cudaMallocManaged");
}

void wait_each(int on)
{
    waits = on != 0;
}

// From pageable memory it returns when the bytes were taken over.
int to_device(void *dst, const void *src, size_t bytes)
{
    return failed(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, the_stream),
                  "a copy to the GPU");
}

int synchronize()
{
    return failed(cudaStreamSynchronize(the_stream), "the GPU");
}

int to_host(void *dst, const void *src, size_t bytes)
{
    int err = failed(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, the_stream),
                     "a copy from the GPU");
    return err ? err : synchronize();
}

int copy(void *dst, const void *src, size_t bytes)
{
    return failed(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, the_stream),
                  "a copy on the GPU");
}

int capture_begin()
{
    if (waits) {
        snprintf(text, sizeof(text), "launches that are waited for are not recorded");
        return KILN_ERR_UNSUPPORTED;
    }
    // Relaxed: cudaMalloc goes on meanwhile.
    return failed(cudaStreamBeginCapture(the_stream, cudaStreamCaptureModeRelaxed),
                  "cudaStreamBeginCapture");
}

int capture_end(int keep, void **graph)
{
    cudaGraph_t recorded = nullptr;
    cudaGraphExec_t exec = nullptr;
    int err = failed(cudaStreamEndCapture(the_stream, &recorded), "cudaStreamEndCapture");
    if (!err && keep)
        err = failed(cudaGraphInstantiateWithFlags(&exec, recorded, 0), "cudaGraphInstantiate");
    if (recorded)
        cudaGraphDestroy(recorded);
    *graph = err ? nullptr : exec;
    return err;
}

int replay(void *graph)
{
    return failed(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), the_stream),
                  "cudaGraphLaunch");
}

void drop(void *graph)
{
    cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

int event_new(void **event)
{
    cudaEvent_t e;
    int err = failed(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreate");
    *event = err ? nullptr : e;
    return err;
}

void event_free(void *event)
{
    cudaEventDestroy(static_cast<cudaEvent_t>(event));
}

int event_record(void *event)
{
    return failed(cudaEventRecord(static_cast<cudaEvent_t>(event), the_stream), "cudaEventRecord");
}

int event_wait(void *event)
{
    return failed(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "cudaEventSynchronize");
}

void *stream()
{
    return the_stream;
}

int module_load(const void *image, size_t, const char *name, void **function)
{
    cudaLibrary_t library;
    cudaKernel_t kernel;
    int err = failed(cudaLibraryLoadData(&library, image, nullptr, nullptr, 0, nullptr, nullptr, 0),
                     "loading a module");
    err = err ? err : failed(cudaLibraryGetKernel(&kernel, library, name), name);
    *function = err ? nullptr : (void *)kernel;
    return err;
}

int module_launch(void *function, const uint32_t grid[3], const uint32_t block[3],
                  uint32_t shared_bytes, void **args)
{
    return failed(cudaLaunchKernel(function, dim3(grid[0], grid[1], grid[2]),
                                   dim3(block[0], block[1], block[2]), args, shared_bytes,
                                   the_stream),
                  "a launch");
}

}  // namespace

cudaStream_t cuda_stream()
{
    return the_stream;
}

int cuda_launched(const kiln_host *h)
{
    int err = failed(cudaGetLastError(), "a launch");
    if (!err && waits)
        err = synchronize();
    return err ? h->fail(h, err, text) : KILN_OK;
}

extern "C" __attribute__((visibility("default"))) const struct cuda_backend kiln_cuda_backend = {
    CUDA_BACKEND_VERSION,
    sizeof(struct cuda_backend),
    "cuda",
    why,
    count,
    describe,
    open_device,
    close_device,
    take,
    give,
    take_shared,
    give,
    wait_each,
    to_device,
    to_host,
    copy,
    synchronize,
    nullptr,
    event_new,
    event_free,
    event_record,
    event_wait,
    stream,
    cuda_ops,
    cuda_convert,
    cuda_normal,
    cuda_uniform,
    cuda_finite,
    module_load,
    module_launch,
    capture_begin,
    capture_end,
    replay,
    drop,
};
