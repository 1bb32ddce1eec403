# SPDX-License-Identifier: MIT
text_sources = plugins/text/plugin.c plugins/text/text.h plugins/text/clip.c \
	plugins/text/embeddings.c plugins/text/nearest.c plugins/text/nearest.h \
	plugins/text/npy.c plugins/text/npy.h
