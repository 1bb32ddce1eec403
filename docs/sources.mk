# SPDX-License-Identifier: MIT
dist_doc_DATA = docs/chains.md docs/performance.md docs/quality.md docs/stream.md docs/text.md \
	docs/writing-plugins.md
nodedocdir = $(docdir)/nodes
dist_nodedoc_DATA = \
	docs/nodes/README.md docs/nodes/anagram.md docs/nodes/cfg.md docs/nodes/figures.md \
	docs/nodes/filters.md docs/nodes/host.md docs/nodes/hybrid.md docs/nodes/if-unet.md \
	docs/nodes/inpaint.md docs/nodes/mix.md docs/nodes/mnist-unet.md docs/nodes/regions.md \
	docs/nodes/scheduler.md docs/nodes/text.md docs/nodes/trace.md docs/nodes/trainer.md
EXTRA_DIST += docs/anagram.png docs/digits.png docs/edits.png
