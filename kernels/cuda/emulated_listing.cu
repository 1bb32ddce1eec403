// KILN_EMULATED_LISTING=FILE: the emulated device does nothing at all, and what a recorded step
// asks for is listed, a line for each operation:
//     operation, shape of the result, floating point operations of products and attention, bytes of
//     all its tensors, launches as kernel:blocks,...
// So the largest nets can be looked at, with weights that nobody reads. Only the tests have it.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <type_traits>

namespace
{

// The operation that is asked for.
struct operation {
    int n = 0;                      // of several of a kind
    int64_t packed = 0, bytes = 0;  // packed: numbers of weights
    int tensors = 0;
    const kiln_tensor *tensor[5 * KILN_MOST_AT_ONCE] = {};
    std::string launches;
} now;

FILE *file()
{
    static FILE *f = fopen(getenv("KILN_EMULATED_LISTING"), "w");
    if (!f) {
        perror("KILN_EMULATED_LISTING");
        exit(1);
    }
    return f;
}

int64_t bytes_of(const kiln_tensor *t)
{
    return kiln_numel(t) * t->dtype.bits / 8;
}

template <class A> void note(const A &a)
{
    if constexpr (std::is_same_v<A, int>) {
        now.n = now.n ? now.n : a;
    } else if constexpr (std::is_convertible_v<A, const kiln_tensor *const *> ||
                         std::is_same_v<A, const kiln_packed *const *>) {
        for (int i = 0; a && i < now.n; i++)
            note(a[i]);
    } else if constexpr (std::is_convertible_v<A, const kiln_tensor *>) {
        const kiln_tensor *t = a;
        now.tensor[now.tensors++] = t;
        now.bytes += t ? bytes_of(t) : 0;
    } else if constexpr (std::is_convertible_v<A, const kiln_packed *>) {
        now.packed += kiln_numel(a->value);
        now.bytes += bytes_of(a->value);
    }
}

// What an operation writes, mostly.
const kiln_tensor *last_given()
{
    int i = now.tensors;
    while (i > 0 && !now.tensor[i - 1])
        i--;
    return i ? now.tensor[i - 1] : nullptr;
}

// Each weight is used once for each pixel of the smaller of two maps.
double products(const char *name)
{
    const kiln_tensor *const *t = now.tensor, *out = last_given();
    if (!strcmp(name, "attention")) {
        const int64_t keys = t[1]->shape[1] + (t[3] ? t[3]->shape[1] : 0);
        return 4.0 * (double)kiln_numel(t[0]) * (double)keys;
    }
    if (!strcmp(name, "conv_dw") || !strcmp(name, "linear_dw")) {
        const kiln_tensor *dout = t[now.tensors - 3], *dw = t[now.tensors - 2];
        const int64_t rows = rows_of(t[0]) < rows_of(dout) ? rows_of(t[0]) : rows_of(dout);
        return dw ? 2.0 * (double)rows * (double)kiln_numel(dw) : 0;
    }
    const int64_t rows = rows_of(t[0]) < rows_of(out) ? rows_of(t[0]) : rows_of(out);
    return 2.0 * (double)rows * (double)now.packed;
}

void line(const char *name)
{
    const kiln_tensor *out = last_given();
    fprintf(file(), "%s\t", name);
    for (int i = 0; out && i < out->ndim; i++)
        fprintf(file(), "%s%lld", i ? "x" : "", (long long)out->shape[i]);
    fprintf(file(), "\t%.0f\t%lld\t%s\n", now.tensors ? products(name) : 0.0, (long long)now.bytes,
            now.launches.c_str());
    fflush(file());
}

template <int precision, class F, F kiln_ops::*entry> struct listed;
template <int precision, class... A, int (*kiln_ops::*entry)(A...)>
struct listed<precision, int (*)(A...), entry> {
    static const char *name;
    static int call(A... a)
    {
        now = operation();
        (note(a), ...);
        int err = (cuda_ops(precision)->*entry)(a...);
        if (!now.launches.empty())
            line(name);
        now = operation();
        return err;
    }
};
template <int precision, class... A, int (*kiln_ops::*entry)(A...)>
const char *listed<precision, int (*)(A...), entry>::name;

template <int precision, class F, F kiln_ops::*entry> void list(kiln_ops *ops, const char *name)
{
    typedef listed<precision, F, entry> with;
    with::name = name;
    ops->*entry = with::call;
}

template <int precision> struct lists {
    static void entries(kiln_ops *ops)
    {
#define LIST(entry) list<precision, decltype(kiln_ops::entry), &kiln_ops::entry>(ops, #entry)
        LIST(to_nhwc), LIST(to_nchw), LIST(concat), LIST(split), LIST(gather);
        LIST(conv), LIST(linear), LIST(linears), LIST(attention);
        LIST(group_norm), LIST(layer_norm), LIST(rms_norm), LIST(batch_norm);
        LIST(act), LIST(mul), LIST(affine), LIST(avg_pool), LIST(repeat2d), LIST(mean_tokens);
        LIST(sinusoid), LIST(combine), LIST(blend), LIST(dynamic_threshold), LIST(resize);
        LIST(pack_conv), LIST(pack_linear), LIST(packs), LIST(conv_dx), LIST(conv_dw),
            LIST(linear_dx);
        LIST(linear_dw), LIST(batch_norm_train), LIST(batch_norm_grad), LIST(act_grad);
        LIST(affine_grad), LIST(avg_pool_grad), LIST(mse), LIST(adam), LIST(adams);
#undef LIST
    }
};

}  // namespace

int emulated_listing(void)
{
    static const int on = getenv("KILN_EMULATED_LISTING") != nullptr;
    return on;
}

void emulated_list(const char *kernel, int64_t blocks)
{
    std::string name = kernel;
    for (const char *noise : {"{anonymous}::", "(anonymous namespace)::", " "})
        for (size_t at; (at = name.find(noise)) != std::string::npos;)
            name.erase(at, strlen(noise));
    size_t from = name.find("Kernel="), to = name.rfind(']');
    if (from != std::string::npos)
        name = name.substr(from + 7, to - from - 7);
    if (!name.compare(0, 5, "each<"))
        name = name.substr(5, name.size() - 6);
    now.launches += (now.launches.empty() ? "" : " ") + name + ":" + std::to_string(blocks);
    if (!now.tensors) {  // none of the operations
        line("-");
        now = operation();
    }
}

const kiln_ops *emulated_ops(int precision)
{
    static kiln_ops own[KERNELS_FP16 + 1];
    const kiln_ops *ops = cuda_ops(precision);
    if (!ops || !emulated_listing())
        return ops;
    own[precision] = *ops;
    fill_by_precision<lists>(&own[precision], precision);
    return &own[precision];
}
