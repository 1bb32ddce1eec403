# SPDX-License-Identifier: MIT
bats_tests += tests/host/grammar.bats tests/host/cuts.bats tests/host/algebra.bats \
	tests/host/streams.bats tests/host/files.bats tests/host/plugins.bats \
	tests/host/images.bats tests/host/looking.bats tests/host/stack.bats \
	tests/host/conditions.bats
EXTRA_DIST += tests/host/host.bash tests/host/odd.c

check_PROGRAMS += tests/host/test_ops_check tests/host/test_sha256 tests/host/test_heap
tests_host_test_heap_SOURCES = tests/host/test_heap.c host/heap.c host/heap.h
tests_host_test_heap_LDADD = $(CMOCKA_LIBS) -lpthread
tests_host_test_sha256_SOURCES = tests/host/test_sha256.c host/sha256.c host/sha256.h
tests_host_test_sha256_LDADD = $(CMOCKA_LIBS)
tests_host_test_ops_check_SOURCES = tests/host/test_ops_check.c host/ops_check.c \
	host/ops_check_map.c host/ops_check_matrix.c host/ops_check_train.c host/error.c \
	host/heap.c host/heap.h host/tensor.c host/twin.c host/twin_pool.c host/util.c $(stub_sources)
tests_host_test_ops_check_LDADD = $(kernels_libs) $(CMOCKA_LIBS) -lpthread -lm
