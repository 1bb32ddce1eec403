# SPDX-License-Identifier: MIT
trainer_sources = \
	plugins/trainer/batch.c plugins/trainer/checkpoint.c \
	plugins/trainer/data.c \
	plugins/trainer/digits.c \
	plugins/trainer/draw.c \
	plugins/trainer/draw.h \
	plugins/trainer/draws.c \
	plugins/trainer/idx.c \
	plugins/trainer/idx.h \
	plugins/trainer/nodes.h \
	plugins/trainer/plot.c \
	plugins/trainer/plugin.c \
	plugins/trainer/record.c \
	plugins/trainer/train.c \
	plugins/trainer/train.h \
	plugins/trainer/tsv.c \
	plugins/trainer/tsv.h
EXTRA_DIST += plugins/trainer/README.md
trainer_libs = $(CAIRO_LIBS) $(ZLIB_LIBS) -lm
trainer_cflags = $(CAIRO_CFLAGS) $(ZLIB_CFLAGS)
