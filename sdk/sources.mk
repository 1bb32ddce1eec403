# SPDX-License-Identifier: MIT
kilnincludedir = $(includedir)/kiln
kilnextdir = $(kilnincludedir)/ext
kilninclude_HEADERS = \
	sdk/include/kiln/base.h sdk/include/kiln/combinator.h sdk/include/kiln/encoder.h \
	sdk/include/kiln/filter.h sdk/include/kiln/hook.h sdk/include/kiln/host.h \
	sdk/include/kiln/kiln.h sdk/include/kiln/live.h sdk/include/kiln/node.h sdk/include/kiln/param.h \
	sdk/include/kiln/predictor.h sdk/include/kiln/rows.h sdk/include/kiln/sampler.h \
	sdk/include/kiln/sink.h sdk/include/kiln/source.h sdk/include/kiln/tensor.h \
	sdk/include/kiln/trainer.h
kilnext_HEADERS = \
	sdk/include/kiln/ext/cuda.h sdk/include/kiln/ext/inspect.h sdk/include/kiln/ext/ops.h \
	sdk/include/kiln/ext/paths.h sdk/include/kiln/ext/state.h \
	sdk/include/kiln/ext/trainable.h sdk/include/kiln/ext/weights.h

# Each of these compiles by itself; see docs/writing-plugins.md.
EXTRA_DIST += \
	sdk/README.md sdk/examples/ensemble.c sdk/examples/expose.c sdk/examples/gaussian.c \
	sdk/examples/guide.c sdk/examples/hue.c sdk/examples/letters.c sdk/examples/match.c \
	sdk/examples/midpoint.c sdk/examples/sepia.c sdk/examples/sgd.c sdk/examples/stripes.c

# What `kiln new` copies, found as share/template in the build tree.
templatedir = $(pkgdatadir)/template
dist_template_DATA = \
	sdk/template/Makefile sdk/template/README.md sdk/template/test.sh \
	sdk/template/combinator.c sdk/template/encoder.c sdk/template/filter.c \
	sdk/template/hook.c sdk/template/predictor.c sdk/template/sampler.c \
	sdk/template/sink.c sdk/template/source.c sdk/template/trainer.c
