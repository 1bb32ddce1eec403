# SPDX-License-Identifier: MIT
check_PROGRAMS += tests/random/test_random tests/random/test_random_torch
tests_random_test_random_SOURCES = tests/random/test_random.c tests/weights/golden.h \
	host/random.c $(weights_safetensors)
tests_random_test_random_LDADD = $(weights_libs)
tests_random_test_random_torch_SOURCES = tests/random/test_random_torch.c tests/weights/golden.h \
	host/random_torch.c host/random.c $(weights_all)
tests_random_test_random_torch_LDADD = $(weights_libs)

EXTRA_DIST += tests/reference/random_streams.py tests/golden/random-philox.safetensors \
	tests/golden/random-torch.safetensors
