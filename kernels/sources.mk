# SPDX-License-Identifier: MIT
# Each list is a library of its own. Those of an instruction set are compiled with its flags; a file
# that stands in two lists is compiled for both.
include kernels/cpu/matrix_sources.mk

kernels_ref_sources = \
	kernels/ref/attention.c kernels/ref/conv.c kernels/ref/elementwise.c kernels/ref/image.c \
	kernels/ref/init.c kernels/ref/layout.c kernels/ref/linear.c kernels/ref/norm.c \
	kernels/ref/ref.h kernels/ref/resize.c kernels/ref/taps.c kernels/ref/taps.h \
	kernels/ref/train.c kernels/taps.h
kernels_cpu_sources = kernels/cpu.c kernels/half.h kernels/kernels.h kernels/normals.h

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

# The backend of CUDA: compiled by nvcc for the GPU, and by a C++ compiler for the tests.
cuda_units = \
	kernels/cuda/attention.cu kernels/cuda/attention_half.cu kernels/cuda/batch_norm.cu \
	kernels/cuda/elementwise.cu kernels/cuda/group_norm.cu kernels/cuda/image.cu kernels/cuda/init.cu \
	kernels/cuda/layout.cu kernels/cuda/matrix.cu kernels/cuda/matrix_grad.cu \
	kernels/cuda/norm.cu kernels/cuda/pipelined.cu kernels/cuda/random.cu \
	kernels/cuda/resize.cu kernels/cuda/train.cu
cuda_headers = \
	kernels/cuda/backend.h kernels/cuda/cuda.h kernels/cuda/emulated.h kernels/cuda/gemm.h \
	kernels/cuda/number.h kernels/cuda/pipeline.h kernels/cuda/runtime.h kernels/cuda/services.h kernels/cuda/thread.h kernels/cuda/units.h \
	kernels/half.h kernels/kernels.h kernels/normals.h kernels/taps.h
cuda_emulated_units = $(cuda_units) kernels/cuda/emulated_listing.cu
cuda_emulated_objects = $(cuda_emulated_units:.cu=.emulated.o)
cuda_objects = $(cuda_units:.cu=.nvcc.o) kernels/cuda/runtime.nvcc.o
EXTRA_DIST += kernels/cuda/figures.tsv  # by scripts/cuda-figures
