# SPDX-License-Identifier: MIT
EXTRA_DIST += scripts/bench scripts/check-gpu scripts/check-gpu-times scripts/cuda-calls scripts/cuda-figures scripts/diagram scripts/doc-pages scripts/fetch-weights \
	scripts/lib.sh scripts/quality scripts/quickstart scripts/report scripts/test scripts/train-models \
	scripts/report.d/figures.sh scripts/report.d/markdown.sh scripts/report.d/nets.sh scripts/report.d/page.sh \
	scripts/report.d/part-a.sh scripts/report.d/part-a-if.sh scripts/report.d/part-a-noise.sh scripts/report.d/part-b.sh \
	scripts/report.d/part-c.sh scripts/report.d/part-c-if.sh scripts/report.d/style.css \
	.ci/run tests/bench/bench.py tests/bench/gpu_side.py tests/bench/if_nets.py tests/bench/ops.c \
	tests/bench/parts.py tests/bench/peak.h tests/bench/sides.py tests/bench/steps.c tests/bench/torch_side.py

# For train-models: `make scripts/half`.
EXTRA_PROGRAMS += scripts/half
scripts_half_SOURCES = scripts/half.c $(weights_all)
scripts_half_LDADD = $(JANSSON_LIBS) $(ZLIB_LIBS)
