# SPDX-License-Identifier: MIT
bats_tests += tests/docs/docs.bats
long_tests += tests/docs/docs-long.bats
EXTRA_DIST += tests/docs/examples.bash tests/docs/docs-long.bats
