// SPDX-License-Identifier: MIT
#include "tests/train/train_test.h"

#include <stdio.h>

static struct test_job *job_of(const kiln_training *job)
{
    return job->priv;
}

static int next(const kiln_training *job, const kiln_rows **rows, const kiln_tensor **image)
{
    struct test_job *j = job_of(job);
    if (j->told == j->documents)
        return KILN_END;
    *rows = &j->part_rows[j->told];
    *image = j->part[j->told++];
    return KILN_OK;
}

static int forward(const kiln_training *job, const kiln_tensor *x, const double *t,
                   const char *const *prompt, kiln_tensor *out)
{
    struct test_job *j = job_of(job);
    int e = j->on_forward ? j->on_forward(j) : KILN_OK;
    if (!e)
        test_net_ask(&j->net, x, t ? t : j->t, t ? prompt : j->prompts, 1, out);
    return e;
}

static int step(const kiln_training *job, int64_t n, const double *t, const char *const *prompt,
                int (*fn)(void *ctx), void *ctx)
{
    struct test_job *j = job_of(job);
    (void)n;
    j->t = t;
    j->prompts = prompt;
    return fn(ctx);
}

static int backward(const kiln_training *job, const kiln_tensor *dout)
{
    struct test_job *j = job_of(job);
    return j->net.trainable->backward(j->net.self, dout);
}

static int draws(const kiln_training *job, const char *name, const kiln_tensor **out)
{
    struct test_job *j = job_of(job);
    *out = NULL;
    if (!j->given || !golden_has(j->given, name))
        return KILN_OK;
    int real = !strcmp(name, "train.noise") || !strcmp(name, "train.keep");
    *out = j->lent[j->n_lent++] =
        golden_tensor(j->net.host, j->given, name, real ? KILN_F32 : KILN_I64);
    return KILN_OK;
}

static int done(const kiln_training *job, const char *path)
{
    snprintf(job_of(job)->done, sizeof(job_of(job)->done), "%s", path);
    return KILN_OK;
}

static const char *digit(float label)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    return digits[(int)label];
}

// The data in two documents: three images, and the rest.
static void documents(struct test_job *j)
{
    int64_t n = j->image->shape[0], first[] = {0, 3, n};
    j->documents = 2;
    for (int k = 0; k < 2; k++) {
        int64_t shape[] = {first[k + 1] - first[k], 1, 28, 28};
        j->part[k] = stub_tensor(j->net.host, 4, shape, kiln_f32(j->image) + first[k] * 784);
        j->part_rows[k] = (kiln_rows){.size = sizeof(kiln_rows),
                                      .n = shape[0],
                                      .lo = 0,
                                      .hi = 1,
                                      .prompt = j->prompt + first[k],
                                      .net = &j->net.net};
    }
}

void test_job_open(struct test_job *j, const char *const *net, int given)
{
    kiln_host *h = test_host();
    *j = (struct test_job){0};
    test_net_open(&j->net, h, net);
    kiln_file *f = golden_open(h, "mnist-draws.safetensors");
    kiln_tensor *label = golden_tensor(h, f, "data.label", 0);
    j->image = golden_tensor(h, f, "data.image", 0);
    for (int64_t i = 0; i < j->image->shape[0]; i++)
        j->prompt[i] = digit(kiln_f32(label)[i]);
    tensor_unref(label);
    if (given)
        j->given = f;
    else
        test_weights.close(h, f);
    documents(j);
    kiln_training *b = &j->base;
    b->size = sizeof(*b);
    b->net = &j->net.net;
    b->priv = j;
    b->next = next;
    b->step = step;
    b->forward = forward;
    b->backward = backward;
    b->draws = draws;
    b->done = done;
    b->keyed = !given;
    assert_int_equal(j->net.trainable->config(j->net.self, &b->config), 0);
    assert_int_equal(j->net.trainable->weights(j->net.self, &b->weight, &b->n_weights), 0);
}

void test_job_close(struct test_job *j)
{
    kiln_host *h = j->net.host;
    for (int i = 0; i < j->n_lent; i++)
        tensor_unref(j->lent[i]);
    for (int k = 0; k < j->documents; k++)
        tensor_unref(j->part[k]);
    tensor_unref(j->image);
    if (j->given)
        test_weights.close(h, j->given);
    test_net_close(&j->net);
    test_host_free(h);
}

int test_train(struct test_job *j, const char *const *args)
{
    kiln_self *self = stub_node_new(j->net.host, &train_node, args);
    if (!self)
        fail_msg("%s", stub_error(j->net.host));
    int e = train_node.trainer->train(self, &j->base);
    stub_node_free(&train_node, self);
    return e;
}
