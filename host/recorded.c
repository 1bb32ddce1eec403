// SPDX-License-Identifier: MIT
#include "recorded.h"

#include <stdlib.h>
#include <string.h>

#include "runtime.h"

static struct recorded *all;

int recorded_wanted(void)
{
    const char *word = getenv("KILN_CUDA_GRAPHS");
    return runtime.device != KILN_DEVICE_CPU && twin_can_record() &&
           (!word || strcmp(word, "0") != 0);
}

void recorded_forget(struct recorded *r, enum recorded_stage stage)
{
    // Its memory goes back when what lies in it was let go.
    if (r->let_go)
        r->let_go(r);
    twin_graph_drop(&r->graph);
    r->stage = stage;
}

// What graphs keep is missed elsewhere: there is no memory for them.
static void shortage(void)
{
    for (struct recorded *r = all; r; r = r->after)
        recorded_forget(r, RECORDED_NEVER);
}

void recorded_add(struct recorded *r)
{
    r->after = all;
    if (all)
        all->before = r;
    all = r;
    twin_on_shortage(shortage);
}

void recorded_remove(struct recorded *r)
{
    recorded_forget(r, RECORDED_COLD);
    *(r->before ? &r->before->after : &all) = r->after;
    if (r->after)
        r->after->before = r->before;
}
