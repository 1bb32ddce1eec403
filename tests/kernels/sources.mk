# SPDX-License-Identifier: MIT
check_PROGRAMS += tests/kernels/test_isa tests/kernels/test_ref tests/kernels/test_vector \
	tests/kernels/test_matrix tests/kernels/test_attention tests/kernels/test_image
tests_kernels_test_isa_SOURCES = tests/kernels/test_isa.c
tests_kernels_test_isa_LDADD = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) -lm
tests_kernels_test_ref_SOURCES = tests/kernels/test_ref.c $(stub_sources) $(golden_sources)
tests_kernels_test_ref_LDADD = kernels/libref.a $(CMOCKA_LIBS) -lm
tests_kernels_test_vector_SOURCES = tests/kernels/test_vector.c tests/kernels/check.c \
	tests/kernels/check.h $(stub_sources)
tests_kernels_test_vector_LDADD = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) -lm
tests_kernels_test_matrix_SOURCES = tests/kernels/test_matrix.c \
	tests/kernels/matrix_bench.c tests/kernels/matrix_problem.c \
	tests/kernels/matrix_problem.h $(stub_sources)
tests_kernels_test_matrix_LDADD = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) -lm
tests_kernels_test_attention_SOURCES = tests/kernels/test_attention.c tests/kernels/check.c tests/kernels/check.h \
	$(stub_sources)
tests_kernels_test_attention_LDADD = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) -lm
tests_kernels_test_image_SOURCES = tests/kernels/test_image.c tests/kernels/check.c \
	tests/kernels/check.h $(stub_sources)
tests_kernels_test_image_LDADD = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) -lm
EXTRA_DIST += tests/golden/kernels.safetensors tests/reference/kernels.py
