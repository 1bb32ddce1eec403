# SPDX-License-Identifier: MIT
dist_doc_DATA = docs/chains.md docs/cuda.md docs/deepfloyd-if.md docs/performance.md docs/quality.md \
	docs/report.md docs/stream.md docs/text.md docs/writing-plugins.md
nodedocdir = $(docdir)/nodes
dist_nodedoc_DATA = \
	docs/nodes/README.md docs/nodes/anagram.md docs/nodes/cfg.md docs/nodes/figures.md \
	docs/nodes/filters.md docs/nodes/host.md docs/nodes/hybrid.md docs/nodes/if-unet.md \
	docs/nodes/inpaint.md docs/nodes/mix.md docs/nodes/mnist-unet.md docs/nodes/regions.md \
	docs/nodes/scheduler.md docs/nodes/text.md docs/nodes/trace.md docs/nodes/trainer.md
EXTRA_DIST += docs/anagram.png docs/digits.png docs/edits.png \
	docs/report/a0-15.png docs/report/a0-5.png docs/report/a11.png docs/report/a12.png \
	docs/report/a13.png docs/report/a14-strip.png docs/report/a14.png docs/report/a15.png \
	docs/report/a16.png docs/report/a17.png docs/report/a171.png docs/report/a172.png \
	docs/report/a173.png docs/report/a18-1.png docs/report/a18-2.png docs/report/a18-3.png \
	docs/report/a19-1.png docs/report/a19-2.png docs/report/a19-3.png docs/report/b11.svg \
	docs/report/b12.png docs/report/b121-digits.png docs/report/b121.png docs/report/b122.png \
	docs/report/b21.svg docs/report/b22.png docs/report/b23.png docs/report/b24-net.svg \
	docs/report/b24.png docs/report/b25.png docs/report/c1.png docs/report/c2-1.png \
	docs/report/c2-2.png docs/report/c3.png docs/report/c4-1.png docs/report/c4-2.png docs/report/c5.png \
	docs/report/c6-1.png docs/report/c6-2.png docs/report/c7.png
