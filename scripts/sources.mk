# SPDX-License-Identifier: MIT
EXTRA_DIST += scripts/doc-pages scripts/lib.sh scripts/quickstart scripts/test \
	scripts/train-models .ci/run

# For train-models: `make scripts/half`.
EXTRA_PROGRAMS += scripts/half
scripts_half_SOURCES = scripts/half.c $(weights_all)
scripts_half_LDADD = $(JANSSON_LIBS) $(ZLIB_LIBS)
