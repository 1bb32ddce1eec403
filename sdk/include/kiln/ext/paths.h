// kiln/ext/paths.h: "kiln.paths/1", where data and models that ship with the host lie
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_PATHS_H
#define KILN_EXT_PATHS_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_paths {
    uint32_t size;
    // The file or folder of that name among those of a kind, "data" or "models": what the user's
    // options and environment say first, then what is installed. NULL: there is none. The text is
    // the host's and lives as long as it does.
    const char *(*find)(const kiln_host *h, const char *kind, const char *name);
} kiln_paths;

static inline const kiln_paths *kiln_get_paths(const kiln_self *self)
{
    return (const kiln_paths *)self->host->extension(self->host, "kiln.paths/1");
}

#ifdef __cplusplus
}
#endif
#endif
