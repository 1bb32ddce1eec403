// SPDX-License-Identifier: MIT
#include "finite.h"

#include <math.h>
#include <string.h>

#include "device.h"
#include "error.h"
#include "ops_host.h"
#include "pool.h"

static int check_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    enum { SIDE_BY_SIDE = 16 };
    const float *x = ctx;
    uint32_t bad[SIDE_BY_SIDE] = {0}, any = 0;
    (void)chunk;
    for (; end - begin >= SIDE_BY_SIDE; begin += SIDE_BY_SIDE)
        for (int k = 0; k < SIDE_BY_SIDE; k++) {  // an exponent of all ones is infinity or NaN
            uint32_t u;
            memcpy(&u, &x[begin + k], sizeof(u));
            bad[k] |= (u & 0x7f800000) == 0x7f800000;
        }
    for (; begin < end; begin++)
        any |= !isfinite(x[begin]);
    for (int k = 0; k < SIDE_BY_SIDE; k++)
        any |= bad[k];
    return any ? KILN_ERR_INTERNAL : KILN_OK;
}

static int found(const struct bound *who, const struct finite_step *step)
{
    if (step->n)
        fail(KILN_ERR_INTERNAL, "step %u of %u (t = %g) gives values that are not finite",
             step->i + 1, step->n, step->t);
    else
        fail(KILN_ERR_INTERNAL, "gives values that are not finite");
    return node_fail(who, KILN_ERR_INTERNAL);
}

// ---- on a device --------------------------------------------------------------------------------

enum { FLAGS = 256 };
static struct {
    kiln_tensor *flag;  // I32 [FLAGS], zeros but where something was found
    size_t n;           // in use
    const struct bound *who[FLAGS];
    struct finite_step step[FLAGS];
} later;
static struct finite_record *recording;

void finite_forget(void)
{
    tensor_unref(later.flag);
    later.flag = NULL;
    later.n = 0;
}

int finite_settle(void)
{
    if (!later.n)
        return KILN_OK;
    size_t n = later.n;
    later.n = 0;
    kiln_tensor *host;
    int64_t size = FLAGS;
    int e = tensor_new(KILN_I32, 1, &size, &host);
    e = e ? e : tensor_copy_raw(host, later.flag);
    const int32_t *flag = e ? NULL : tensor_data(host);
    size_t i = 0;
    while (!e && i < n && !flag[i])
        i++;
    if (!e && i < n) {
        e = found(later.who[i], &later.step[i]);
        finite_forget();  // the next has flags of its own
    }
    tensor_unref(host);
    return e;
}

static int new_flags(int64_t n, kiln_tensor **out)
{
    kiln_tensor *zero;
    int e = tensor_new(KILN_I32, 1, &n, &zero);
    if (e)
        return e;
    memset(tensor_data(zero), 0, tensor_bytes(zero));
    e = tensor_new_on(KILN_DEVICE_CUDA, KILN_I32, 1, &n, out);
    e = e ? e : tensor_copy_raw(*out, zero);
    tensor_unref(zero);
    return e;
}

// Room for n more of the flags that are looked at later.
static int reserve(size_t n)
{
    int e = later.n + n > FLAGS ? finite_settle() : KILN_OK;
    return e || later.flag ? e : new_flags(FLAGS, &later.flag);
}

static int check_there(const kiln_tensor *x, const kiln_tensor *flags, size_t i)
{
    kiln_tensor flag = *flags;
    flag.byte_offset = i * sizeof(int32_t);
    return device_backend()->finite(&plain_host, x, &flag);
}

static int check_recorded(const kiln_tensor *side, const struct bound *who)
{
    if (recording->n == FINITE_RECORDED)
        return fail(KILN_ERR_UNSUPPORTED, "too much to check in one step");
    recording->who[recording->n] = who;
    return check_there(side, recording->flag, recording->n++);
}

static int check_later(const kiln_tensor *t, const struct bound *who,
                       const struct finite_step *step)
{
    kiln_tensor *side;
    int e = tensor_on(t, KILN_DEVICE_CUDA, TENSOR_READ, &side);
    if (e || recording)
        return e ? e : check_recorded(side, who);
    e = reserve(1);
    if (e)
        return e;
    later.who[later.n] = who;
    later.step[later.n] = *step;
    return check_there(side, later.flag, later.n++);
}

int finite_record_begin(struct finite_record *r)
{
    *r = (struct finite_record){0};
    int e = new_flags(FINITE_RECORDED, &r->flag);
    recording = e ? NULL : r;
    return e;
}

void finite_record_end(void)
{
    recording = NULL;
}

int finite_reserve(const struct finite_record *r)
{
    return reserve(r->n);
}

// A flag that was set stays so, but the first in order is what is told of.
int finite_replayed(const struct finite_record *r)
{
    int64_t n = (int64_t)r->n;
    kiln_tensor from = *r->flag, to = *later.flag;
    if (!n)
        return KILN_OK;
    from.shape = to.shape = &n;
    to.byte_offset = later.n * sizeof(int32_t);
    for (size_t i = 0; i < r->n; i++) {
        later.who[later.n] = r->who[i];
        later.step[later.n++] = (struct finite_step){0};
    }
    return tensor_copy_raw(&to, &from);
}

int finite_check(const kiln_tensor *t, const struct bound *who, const struct finite_step *step)
{
    static const struct finite_step none;
    step = step ? step : &none;
    if (tensor_place(t) != KILN_DEVICE_CPU)
        return check_later(t, who, step);
    return pool_for(kiln_numel(t), 1 << 18, check_chunk, kiln_f32(t)) ? found(who, step) : KILN_OK;
}
