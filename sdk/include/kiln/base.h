// kiln/base.h: versions, errors
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_BASE_H
#define KILN_BASE_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define KILN_MAGIC 0x4e4c494bu  // "KILN" in memory, little-endian
#define KILN_MAJOR 1
#define KILN_HEADER_MINOR 0  // what these headers describe
#ifndef KILN_MINOR
#define KILN_MINOR 0  // what the plugin needs
#endif

#if defined(_WIN32)
#define KILN_VISIBLE __declspec(dllexport)
#else
#define KILN_VISIBLE __attribute__((visibility("default")))
#endif
#ifdef __cplusplus
#define KILN_EXPORT extern "C" KILN_VISIBLE
#else
#define KILN_EXPORT KILN_VISIBLE extern
#endif

// Does the other side's object reach as far as this field? KILN_HAS(host, kiln_host, uniform)
#define KILN_HAS(p, type, field) ((p)->size >= offsetof(type, field) + sizeof(((type *)0)->field))
#define KILN_COUNT(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

enum kiln_err {
    KILN_OK = 0,
    KILN_END = 1,   // a source or a stream has no more
    KILN_SAME = 2,  // a hook left the estimate as it was
    KILN_ERR_ARG = -1,
    KILN_ERR_SHAPE = -2,
    KILN_ERR_MEMORY = -3,
    KILN_ERR_IO = -4,
    KILN_ERR_DEVICE = -5,
    KILN_ERR_CANCEL = -6,
    KILN_ERR_UNSUPPORTED = -7,
    KILN_ERR_INTERNAL = -8,
};

enum kiln_log { KILN_LOG_DEBUG, KILN_LOG_INFO, KILN_LOG_WARNING };
#endif
