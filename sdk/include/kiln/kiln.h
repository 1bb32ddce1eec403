// kiln/kiln.h: the plugin SDK of kiln, a host that chains image plugins over tensors.
// SPDX-License-Identifier: CC0-1.0
//
// Rules for every declaration of these headers
//   size     Growing structs start with their size and are only appended to; zero in a field means
//            the behaviour before the field existed. They cross as pointers, arrays of them as
//            arrays of pointers: neither side steps by a size that the other does not share.
//            Structs marked "for ever" have no size and never change.
//   minor    A plugin asks for the minor that it needs (#define KILN_MINOR before the include).
//            What the host offers since 1.k stands between #if KILN_MINOR >= k and #endif.
//   owner    What a call hands in is borrowed and read-only unless said otherwise, and valid until
//            the call returns. Tensors come from tensor_new alone; no malloc'd memory crosses.
//   failure  Functions return KILN_OK or a negative enum kiln_err, after one call of fail(), which
//            says why. On failure the outputs are ignored. No exception or longjmp leaves a call.
//   thread   The host calls an instance from one thread at a time, which may change. Host functions
//            are for the thread that is in the call; those marked [any] also under parallel_for.
//   memory   An instance's past calls may not change what it returns: instances are cached. Only a
//            source knows its place, a sampler its history since begin.
//   text     UTF-8, NUL-terminated.
//   shape    n rows (images of a batch), c channels, h rows of pixels, w columns.
#ifndef KILN_KILN_H
#define KILN_KILN_H

#include <kiln/ext/cuda.h>
#include <kiln/ext/ops.h>
#include <kiln/ext/state.h>
#include <kiln/ext/trainable.h>
#include <kiln/ext/weights.h>
#include <kiln/live.h>
#include <kiln/node.h>

#endif
