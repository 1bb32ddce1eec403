# SPDX-License-Identifier: MIT
# t5 reads its tokenizer by the SentencePiece library, which is C++; without it, t5 only says so.
text_sources = plugins/text/plugin.c plugins/text/text.h plugins/text/clip.c \
	plugins/text/embeddings.c plugins/text/nearest.c plugins/text/nearest.h plugins/text/npy.c \
	plugins/text/npy.h plugins/text/t5.c plugins/text/t5.h plugins/text/t5_open.c \
	plugins/text/t5_forward.c $(text_token_sources) $(text_caption_sources)
text_token_sources = plugins/text/tokens.c plugins/text/tokens.h plugins/text/pieces.h
text_caption_sources = plugins/text/caption.c plugins/text/caption.h plugins/text/markup.c \
	plugins/text/markup.h plugins/text/pattern.c plugins/text/pattern.h \
	plugins/text/unicode.c plugins/text/unicode.h plugins/text/unicode_table.h
if SENTENCEPIECE
# A library of its own: with C++ among its sources automake would link the plugin by the C++ compiler.
noinst_LIBRARIES += plugins/text/libpieces.a
plugins_text_libpieces_a_SOURCES = plugins/text/pieces.cc plugins/text/pieces.h
plugins_text_libpieces_a_CPPFLAGS = $(SENTENCEPIECE_CFLAGS)
plugins_text_libpieces_a_CXXFLAGS = -std=c++17 -Wall -Wextra -fvisibility=hidden -fPIC \
	$(SANITIZE_FLAGS) $(AM_CXXFLAGS)
text_libs = plugins/text/libpieces.a $(SENTENCEPIECE_LIBS) -lstdc++ -lm
else
text_token_sources += plugins/text/pieces_none.c
text_libs = -lm
endif
EXTRA_DIST += plugins/text/pieces.cc plugins/text/pieces_none.c
