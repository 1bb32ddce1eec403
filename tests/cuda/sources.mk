# SPDX-License-Identifier: MIT
# The kernels of CUDA on the CPU: the tests of the other backends, compiled for this one.
if CXX_POSSIBLE
check_PROGRAMS += tests/cuda/test_ref tests/cuda/test_vector tests/cuda/test_matrix \
	tests/cuda/test_random tests/cuda/test_products tests/cuda/test_pairs tests/cuda/test_fragments
endif
# The device that is none, as a backend: whole chains run on it.
if CXX_POSSIBLE
check_DATA += tests/cuda/kiln-cuda-emulated.so
endif
EXTRA_PROGRAMS += tests/cuda/kiln-cuda-emulated.so  # no test itself
tests_cuda_kiln_cuda_emulated_so_SOURCES = kernels/cuda/emulated.c \
	kernels/cuda/emulated_device.c kernels/cuda/emulated.h
tests_cuda_kiln_cuda_emulated_so_CFLAGS = $(AM_CFLAGS) -fPIC
tests_cuda_kiln_cuda_emulated_so_LDFLAGS = $(PLUGIN_LDFLAGS)
tests_cuda_kiln_cuda_emulated_so_LDADD = $(cuda_emulated_objects) -lstdc++ -lm -lpthread
tests_cuda_cppflags = $(AM_CPPFLAGS) -DCHECK_CUDA
tests_cuda_libs = kernels/libcuda-emulated.a $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) \
	-lstdc++ -lm
tests_cuda_test_ref_SOURCES = tests/kernels/test_ref.c $(stub_sources) $(golden_sources)
tests_cuda_test_ref_CPPFLAGS = $(tests_cuda_cppflags)
tests_cuda_test_ref_LDADD = $(tests_cuda_libs)
tests_cuda_test_vector_SOURCES = tests/kernels/test_vector.c tests/kernels/check.c \
	tests/kernels/check.h $(stub_sources)
tests_cuda_test_vector_CPPFLAGS = $(tests_cuda_cppflags)
tests_cuda_test_vector_LDADD = $(tests_cuda_libs)
tests_cuda_test_matrix_SOURCES = tests/kernels/test_matrix.c tests/kernels/matrix_problem.c \
	tests/kernels/matrix_problem.h $(stub_sources)
tests_cuda_test_matrix_CPPFLAGS = $(tests_cuda_cppflags)
tests_cuda_test_matrix_LDADD = $(tests_cuda_libs)
tests_cuda_test_random_SOURCES = tests/cuda/test_random.c host/random.c host/random.h \
	$(stub_sources)
tests_cuda_test_random_CPPFLAGS = $(tests_cuda_cppflags)
tests_cuda_test_random_LDADD = $(tests_cuda_libs)
tests_cuda_test_products_SOURCES = tests/cuda/test_products.c $(stub_sources)
tests_cuda_test_products_CPPFLAGS = $(tests_cuda_cppflags)
tests_cuda_test_products_LDADD = $(tests_cuda_libs)
tests_cuda_test_pairs_SOURCES = tests/cuda/test_pairs.c $(stub_sources)
tests_cuda_test_pairs_CPPFLAGS = $(tests_cuda_cppflags)
tests_cuda_test_pairs_LDADD = $(tests_cuda_libs)
# By itself: the library of kernels has the same templates without matrix units.
tests_cuda_test_fragments_SOURCES = tests/cuda/test_fragments.c tests/cuda/fragments.h
tests_cuda_test_fragments_LDADD = tests/cuda/fragments.emulated.o $(CMOCKA_LIBS) -lstdc++ -lm -lpthread
tests/cuda/fragments.emulated.o: $(cuda_headers) $(cuda_sdk_headers) tests/cuda/warps.h tests/cuda/fragments.h
EXTRA_DIST += tests/cuda/fragments.cu tests/cuda/warps.h
bats_tests += tests/cuda/device.bats
bats_tests += tests/cuda/calls.bats tests/cuda/chains.bats tests/cuda/graphs.bats tests/cuda/if.bats
bats_tests += tests/cuda/memory.bats tests/cuda/training.bats
EXTRA_DIST += tests/cuda/device.bash tests/cuda/check-gpu-long.bats
long_tests += tests/cuda/check-gpu-long.bats

# The same tests for a real device, which scripts/check-gpu takes along; here with the one that is none.
cuda_device_tests = tests/cuda/device_ref tests/cuda/device_vector tests/cuda/device_matrix \
	tests/cuda/device_random tests/cuda/device_products tests/cuda/device_pairs
if CXX_POSSIBLE
check_DATA += $(cuda_device_tests)
endif
EXTRA_PROGRAMS += $(cuda_device_tests)
tests_cuda_device_cppflags = $(AM_CPPFLAGS) -DCHECK_CUDA -DCHECK_DEVICE
tests_cuda_device_libs = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS) -ldl -lm
tests_cuda_device_ref_SOURCES = $(tests_cuda_test_ref_SOURCES) tests/cuda/on_device.c
tests_cuda_device_ref_CPPFLAGS = $(tests_cuda_device_cppflags)
tests_cuda_device_ref_LDADD = $(tests_cuda_device_libs)
tests_cuda_device_vector_SOURCES = $(tests_cuda_test_vector_SOURCES) tests/cuda/on_device.c
tests_cuda_device_vector_CPPFLAGS = $(tests_cuda_device_cppflags)
tests_cuda_device_vector_LDADD = $(tests_cuda_device_libs)
tests_cuda_device_matrix_SOURCES = $(tests_cuda_test_matrix_SOURCES) tests/cuda/on_device.c
tests_cuda_device_matrix_CPPFLAGS = $(tests_cuda_device_cppflags)
tests_cuda_device_matrix_LDADD = $(tests_cuda_device_libs)
tests_cuda_device_random_SOURCES = $(tests_cuda_test_random_SOURCES) tests/cuda/on_device.c
tests_cuda_device_random_CPPFLAGS = $(tests_cuda_device_cppflags)
tests_cuda_device_random_LDADD = $(tests_cuda_device_libs)
tests_cuda_device_products_SOURCES = $(tests_cuda_test_products_SOURCES) tests/cuda/on_device.c
tests_cuda_device_products_CPPFLAGS = $(tests_cuda_device_cppflags)
tests_cuda_device_products_LDADD = $(tests_cuda_device_libs)
tests_cuda_device_pairs_SOURCES = $(tests_cuda_test_pairs_SOURCES) tests/cuda/on_device.c
tests_cuda_device_pairs_CPPFLAGS = $(tests_cuda_device_cppflags)
tests_cuda_device_pairs_LDADD = $(tests_cuda_device_libs)
