# SPDX-License-Identifier: MIT
# Each list is a library of its own. Those of an instruction set are compiled with its flags; a file
# that stands in two lists is compiled for both.
include kernels/cpu/matrix_sources.mk

kernels_ref_sources = \
	kernels/ref/attention.c kernels/ref/conv.c kernels/ref/elementwise.c kernels/ref/image.c \
	kernels/ref/init.c kernels/ref/layout.c kernels/ref/linear.c kernels/ref/norm.c \
	kernels/ref/ref.h kernels/ref/resize.c kernels/ref/taps.c kernels/ref/taps.h \
	kernels/ref/train.c
kernels_cpu_sources = kernels/cpu.c kernels/half.h kernels/kernels.h

kernels_vector_sources = \
	kernels/cpu/attention.c kernels/cpu/attention.h kernels/cpu/channels.h \
	kernels/cpu/convolve.c kernels/cpu/cpu.h kernels/cpu/elementwise.c kernels/cpu/image.c \
	kernels/cpu/layout.c kernels/cpu/norm.c kernels/cpu/resize.c kernels/cpu/row_norm.c \
	kernels/cpu/tokens.c kernels/cpu/train.c kernels/cpu/vec.h kernels/cpu/vec_math.h \
	kernels/cpu/vec_transpose.h
kernels_avx2_sources = kernels/cpu/init_avx2.c $(kernels_vector_sources) $(kernels_avx2_matrix_sources)
kernels_avx512_sources = \
	kernels/cpu/init_avx512.c $(kernels_vector_sources) $(kernels_avx512_matrix_sources)
kernels_amx_sources = \
	kernels/cpu/attention_amx.c kernels/cpu/init_amx.c $(kernels_amx_matrix_sources)
