// What is done again and again on a device, as a recorded graph: the first time as it is, when it
// makes what is constant; the second time recorded; by one launch from then on.
// SPDX-License-Identifier: MIT
#ifndef HOST_RECORDED_H
#define HOST_RECORDED_H

#include "twin.h"

enum recorded_stage { RECORDED_COLD, RECORDED_WARM, RECORDED_READY, RECORDED_NEVER };

struct recorded {
    enum recorded_stage stage;
    struct twin_graph graph;
    void (*let_go)(struct recorded *r);  // of tensors in the graph's memory; NULL: there are none
    struct recorded *before, *after;     // of all
};

// Is there a device that records, and did nobody switch it off?
int recorded_wanted(void);
// From now on r counts among those that are given up where memory is short.
void recorded_add(struct recorded *r);
void recorded_remove(struct recorded *r);
// Gives the graph up, if there is one; COLD: it may be recorded anew.
void recorded_forget(struct recorded *r, enum recorded_stage stage);

#endif
