# SPDX-License-Identifier: MIT
# The matrix family. Its plain C serves every instruction set; the weakest brings it.
kernels_avx2_matrix_sources = \
	kernels/cpu/conv_f32.c \
	kernels/cpu/conv_f32_dw.c \
	kernels/cpu/conv_few.c \
	kernels/cpu/conv_pair.c \
	kernels/cpu/conv_pass.h \
	kernels/cpu/conv_plan.c \
	kernels/cpu/conv_plan.h \
	kernels/cpu/conv_winograd.c \
	kernels/cpu/conv_winograd.h \
	kernels/cpu/conv_winograd_dw.c \
	kernels/cpu/conv_winograd_shared.c \
	kernels/cpu/gemm.c \
	kernels/cpu/gemm.h \
	kernels/cpu/gemm_avx2.c \
	kernels/cpu/gemm_kernel.h \
	kernels/cpu/gemm_rows.h \
	kernels/cpu/matrix.c \
	kernels/cpu/matrix.h \
	kernels/cpu/matrix_avx2.c \
	kernels/cpu/matrix_entries.h \
	kernels/cpu/matrix_vec256.h \
	kernels/cpu/winograd.c \
	kernels/cpu/winograd.h
kernels_avx512_matrix_sources = \
	kernels/cpu/gemm_avx512.c \
	kernels/cpu/matrix_avx512.c \
	kernels/cpu/matrix_vec512.h \
	kernels/cpu/winograd.c
kernels_amx_matrix_sources = \
	kernels/cpu/conv_amx.c \
	kernels/cpu/conv_amx.h \
	kernels/cpu/conv_amx_dw.c \
	kernels/cpu/conv_amx_pack.c \
	kernels/cpu/gemm_amx.c \
	kernels/cpu/gemm_amx.h \
	kernels/cpu/matrix_amx.c
