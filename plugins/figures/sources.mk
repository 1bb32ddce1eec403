# SPDX-License-Identifier: MIT
figures_sources = \
	plugins/figures/figures.h \
	plugins/figures/plugin.c \
	plugins/figures/animate.c \
	plugins/figures/animate.h \
	plugins/figures/apng.c \
	plugins/figures/caption.c \
	plugins/figures/caption.h \
	plugins/figures/gif.c \
	plugins/figures/grid.c \
	plugins/figures/heads.c \
	plugins/figures/heads.h \
	plugins/figures/palette.c \
	plugins/figures/paste.c \
	plugins/figures/stack.c \
	plugins/figures/text.c
figures_cflags = $(CAIRO_CFLAGS) $(ZLIB_CFLAGS)
figures_libs = $(CAIRO_LIBS) $(GIF_LIBS) $(ZLIB_LIBS) -lm
