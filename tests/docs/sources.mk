# SPDX-License-Identifier: MIT
bats_tests += tests/docs/docs.bats tests/docs/report.bats tests/docs/report-if.bats \
	tests/docs/report-train.bats
long_tests += tests/docs/docs-long.bats tests/docs/report-long.bats
EXTRA_DIST += tests/docs/examples.bash tests/docs/docs-long.bats tests/docs/report.bash \
	tests/docs/report-if.bash \
	tests/docs/report-long.bats
