# SPDX-License-Identifier: MIT
filters_sources = \
	plugins/filters/filters.h \
	plugins/filters/plugin.c \
	plugins/filters/part.c \
	plugins/filters/remap.c \
	plugins/filters/shuffle.c \
	plugins/filters/blank.c \
	plugins/filters/blur.c \
	plugins/filters/channels.c \
	plugins/filters/circle.c \
	plugins/filters/compare.c \
	plugins/filters/flip.c \
	plugins/filters/index.c \
	plugins/filters/jigsaw.c \
	plugins/filters/mask.c \
	plugins/filters/negate.c \
	plugins/filters/permute.c \
	plugins/filters/resize.c \
	plugins/filters/skew.c
filters_libs = -lm
