// Infinities and NaNs in what nodes give, found where they arise. On a device nobody waits for the
// answer: a flag is set there, and looked at after a while; it still tells the node and the step.
// SPDX-License-Identifier: MIT
#ifndef HOST_FINITE_H
#define HOST_FINITE_H

#include "instance.h"

// Where a step of a sampler is; n 0: there is none.
struct finite_step {
    uint32_t i, n;
    double t;
};

// Every value of what this node gives finite? Else an error in its name; of a device's tensor maybe
// only from finite_settle(), or a later check.
int finite_check(const kiln_tensor *t, const struct bound *who, const struct finite_step *step);
// Waits for the device, if anything was checked there. Before results go on.
int finite_settle(void);
void finite_forget(void);

// While a step is recorded: what is checked has flags of its own, of which each replay's are added
// to those that are looked at later.
enum { FINITE_RECORDED = 32 };
struct finite_record {
    kiln_tensor *flag;  // I32 [FINITE_RECORDED]
    size_t n;
    const struct bound *who[FINITE_RECORDED];
};
int finite_record_begin(struct finite_record *r);
void finite_record_end(void);
int finite_reserve(const struct finite_record *r);  // before the replay: may wait for the device
int finite_replayed(const struct finite_record *r);

#endif
