# SPDX-License-Identifier: MIT
# The trainer's nodes without its plugin object: a program can hold one of those.
train_nodes = plugins/trainer/batch.c plugins/trainer/checkpoint.c plugins/trainer/data.c plugins/trainer/digits.c \
	plugins/trainer/draw.c plugins/trainer/draws.c plugins/trainer/idx.c plugins/trainer/plot.c \
	plugins/trainer/record.c plugins/trainer/train.c plugins/trainer/tsv.c \
	tests/train/suppressions.c
train_sources = tests/train/train_test.c tests/train/train_test.h $(train_nodes) $(net_sources)
train_libs = $(net_libs) $(trainer_libs)

bats_tests += tests/train/train.bats
check_PROGRAMS += tests/train/test_train tests/train/test_resume tests/train/test_data
tests_train_test_train_SOURCES = tests/train/test_train.c $(train_sources)
tests_train_test_train_CFLAGS = $(AM_CFLAGS) $(trainer_cflags)
tests_train_test_train_LDADD = $(train_libs)
tests_train_test_resume_SOURCES = tests/train/test_resume.c $(train_sources)
tests_train_test_resume_CFLAGS = $(AM_CFLAGS) $(trainer_cflags)
tests_train_test_resume_LDADD = $(train_libs)
tests_train_test_data_SOURCES = tests/train/test_data.c $(train_nodes) $(stub_sources)
tests_train_test_data_CFLAGS = $(AM_CFLAGS) $(trainer_cflags)
tests_train_test_data_LDADD = $(trainer_libs) $(CMOCKA_LIBS) -lpthread

EXTRA_DIST += tests/golden/mnist-five/train-images-idx3-ubyte \
	tests/golden/mnist-five/train-labels-idx1-ubyte tests/golden/mnist-sample-class.safetensors \
	tests/golden/mnist-sample-time.safetensors tests/golden/mnist-draws.safetensors \
	tests/golden/mnist-train-class-denoise.safetensors \
	tests/golden/mnist-train-class-eps.safetensors \
	tests/golden/mnist-train-class-flow.safetensors \
	tests/golden/mnist-train-plain-denoise.safetensors \
	tests/golden/mnist-train-time-denoise.safetensors \
	tests/golden/mnist-train-time-eps.safetensors tests/golden/mnist-train-time-flow.safetensors
