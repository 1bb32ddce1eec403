# SPDX-License-Identifier: MIT
mnist_unet_sources = \
	plugins/mnist-unet/backward.c \
	plugins/mnist-unet/checkpoint.c \
	plugins/mnist-unet/config.c \
	plugins/mnist-unet/entries.c \
	plugins/mnist-unet/entries.h \
	plugins/mnist-unet/forward.c \
	plugins/mnist-unet/names.c \
	plugins/mnist-unet/net.h \
	plugins/mnist-unet/params.h \
	plugins/mnist-unet/plugin.c \
	plugins/mnist-unet/run.c \
	plugins/mnist-unet/train.c \
	plugins/mnist-unet/weights.c
EXTRA_DIST += plugins/mnist-unet/README.md
mnist_unet_libs = -lm
