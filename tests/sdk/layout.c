// A kiln_tensor can be handed on as a DLPack tensor and back: same size, and each field in its place.
// Compiled by sdk.bats, not run. With -DHAVE_DLPACK against DLPack's own header, else against the
// layout that DLPack 1.x prescribes for machines of 64 bits.
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

#define SAME(what, a, b) _Static_assert((a) == (b), what)

#ifdef HAVE_DLPACK
#include <dlpack/dlpack.h>
SAME("size", sizeof(kiln_tensor), sizeof(DLTensor));
SAME("data", offsetof(kiln_tensor, data), offsetof(DLTensor, data));
SAME("device", offsetof(kiln_tensor, device), offsetof(DLTensor, device));
SAME("device.type", offsetof(kiln_tensor, device.type), offsetof(DLTensor, device.device_type));
SAME("device.id", offsetof(kiln_tensor, device.id), offsetof(DLTensor, device.device_id));
SAME("ndim", offsetof(kiln_tensor, ndim), offsetof(DLTensor, ndim));
SAME("dtype", offsetof(kiln_tensor, dtype), offsetof(DLTensor, dtype));
SAME("dtype.bits", offsetof(kiln_tensor, dtype.bits), offsetof(DLTensor, dtype.bits));
SAME("dtype.lanes", offsetof(kiln_tensor, dtype.lanes), offsetof(DLTensor, dtype.lanes));
SAME("shape", offsetof(kiln_tensor, shape), offsetof(DLTensor, shape));
SAME("strides", offsetof(kiln_tensor, strides), offsetof(DLTensor, strides));
SAME("byte_offset", offsetof(kiln_tensor, byte_offset), offsetof(DLTensor, byte_offset));
SAME("CPU", (int)KILN_DEVICE_CPU, (int)kDLCPU);
// Before 0.5 it was called kDLGPU.
#if defined(DLPACK_VERSION) && DLPACK_VERSION >= 50
SAME("CUDA", (int)KILN_DEVICE_CUDA, (int)kDLCUDA);
#endif
#endif

SAME("size", sizeof(kiln_tensor), 48);
SAME("data", offsetof(kiln_tensor, data), 0);
SAME("device.type", offsetof(kiln_tensor, device.type), 8);
SAME("device.id", offsetof(kiln_tensor, device.id), 12);
SAME("ndim", offsetof(kiln_tensor, ndim), 16);
SAME("dtype.code", offsetof(kiln_tensor, dtype.code), 20);
SAME("dtype.bits", offsetof(kiln_tensor, dtype.bits), 21);
SAME("dtype.lanes", offsetof(kiln_tensor, dtype.lanes), 22);
SAME("shape", offsetof(kiln_tensor, shape), 24);
SAME("strides", offsetof(kiln_tensor, strides), 32);
SAME("byte_offset", offsetof(kiln_tensor, byte_offset), 40);

// Structs that never change.
SAME("kiln_value", sizeof(kiln_value), 16);
SAME("kiln_level", sizeof(kiln_level), 24);
SAME("kiln_conv", sizeof(kiln_conv), 16);
SAME("kiln_self", sizeof(kiln_self), 16);
SAME("kiln_weight", sizeof(kiln_weight), 32);

// The first bytes of a plugin, the same for all majors: a host reads them before it knows the rest.
SAME("magic", offsetof(kiln_plugin, magic), 0);
SAME("major", offsetof(kiln_plugin, major), 4);
SAME("minor", offsetof(kiln_plugin, minor), 6);
SAME("size", offsetof(kiln_plugin, size), 8);

extern int some_declaration;  // an empty unit is no C
