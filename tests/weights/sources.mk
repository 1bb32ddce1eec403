# SPDX-License-Identifier: MIT
weights_safetensors = host/safetensors.c host/safetensors_write.c host/heap.c host/heap.h host/tensor.c host/twin.c host/twin_pool.c host/error.c
weights_torch = host/torch_file.c host/zip.c host/pickle.c host/pickle_torch.c host/util.c
weights_all = host/weights_file.c host/weights_part.c host/weights_folder.c host/weights_json.c \
	host/file.c host/file_atomic.c host/file_sweep.c $(weights_torch) $(weights_safetensors)
weights_libs = $(JANSSON_LIBS) $(ZLIB_LIBS) $(CMOCKA_LIBS) -lpthread -lm

check_PROGRAMS += tests/weights/test_safetensors tests/weights/test_torch_file \
	tests/weights/test_torch_hostile tests/weights/test_weights_file
tests_weights_test_safetensors_SOURCES = tests/weights/test_safetensors.c tests/weights/golden.h \
	$(weights_safetensors)
tests_weights_test_safetensors_LDADD = $(weights_libs)
tests_weights_test_torch_file_SOURCES = tests/weights/test_torch_file.c tests/weights/golden.h \
	$(weights_torch) $(weights_safetensors)
tests_weights_test_torch_file_LDADD = $(weights_libs)
tests_weights_test_torch_hostile_SOURCES = tests/weights/test_torch_hostile.c \
	tests/weights/golden.h $(weights_torch) $(weights_safetensors)
tests_weights_test_torch_hostile_LDADD = $(weights_libs)
tests_weights_test_weights_file_SOURCES = tests/weights/test_weights_file.c \
	tests/weights/golden.h $(weights_all)
tests_weights_test_weights_file_LDADD = $(weights_libs)

EXTRA_DIST += tests/reference/weights.py tests/golden/canonical.safetensors \
	tests/golden/library.safetensors tests/golden/torch-legacy.pt tests/golden/torch-module.pt \
	tests/golden/torch-nested.pt tests/golden/torch-prompts.pth tests/golden/torch-protocol4.pt \
	tests/golden/torch-script.pt tests/golden/torch-strided.pt tests/golden/torch-tensor.pt \
	tests/golden/torch-types.pt tests/fuzz/corpus.tar.xz tests/fuzz/fuzz_npy.c \
	tests/fuzz/fuzz_safetensors.c tests/fuzz/fuzz_torch.c tests/fuzz/fuzz_weights.sh
bats_tests += tests/weights/fuzz.bats
