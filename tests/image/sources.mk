# SPDX-License-Identifier: MIT
image_codecs = host/image_file.c host/image_png.c host/image_png_text.c host/image_jpeg.c \
	host/image_jpeg.h host/image_jpeg_read.c host/image_jpeg_write.c host/image_exif.c \
	host/image_file.h host/image_codec.h host/pool.c host/pool.h host/util.c host/util.h \
	host/heap.c host/heap.h host/tensor.c host/twin.c host/twin_pool.c host/tensor.h kernels/half.h host/error.c host/error.h
image_libs = $(PNG_LIBS) $(JPEG_LIBS) $(ZLIB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/image/test_image_read tests/image/test_image_write \
	tests/image/test_image_bad tests/image/test_file tests/image/test_show
tests_image_test_image_read_SOURCES = tests/image/test_image_read.c tests/image/image_test.h \
	$(image_codecs) host/safetensors.c host/safetensors.h host/safetensors_write.c \
	host/safetensors_text.h
tests_image_test_image_read_LDADD = $(image_libs) $(JANSSON_LIBS)
tests_image_test_image_write_SOURCES = tests/image/test_image_write.c tests/image/image_test.h \
	$(image_codecs)
tests_image_test_image_write_LDADD = $(image_libs)
tests_image_test_image_bad_SOURCES = tests/image/test_image_bad.c tests/image/image_test.h \
	$(image_codecs)
tests_image_test_image_bad_LDADD = $(image_libs)
tests_image_test_file_SOURCES = tests/image/test_file.c host/file.c host/file_atomic.c host/file_sweep.c host/file.h \
	host/file_fd.h host/error.c host/error.h
tests_image_test_file_LDADD = $(CMOCKA_LIBS)
tests_image_test_show_SOURCES = tests/image/test_show.c tests/image/image_test.h host/show.c \
	host/show.h host/heap.c host/heap.h host/tensor.c host/twin.c host/twin_pool.c host/tensor.h kernels/half.h host/error.c host/error.h
tests_image_test_show_LDADD = $(CMOCKA_LIBS)

EXTRA_DIST += tests/golden/images tests/reference/images.py tests/fuzz/fuzz_image.c
