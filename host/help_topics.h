// Pages of help that belong to no node.
// SPDX-License-Identifier: MIT
#ifndef HOST_HELP_TOPICS_H
#define HOST_HELP_TOPICS_H

struct topic {
    const char *name;
    const char *summary;
    const char *text;  // in lines of at most 79 columns
};

extern const struct topic topics[];  // ends with a name of NULL
extern const char help_begin[];      // the head of the overview

#endif
