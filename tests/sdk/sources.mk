# SPDX-License-Identifier: MIT
bats_tests += tests/sdk/sdk.bats tests/sdk/install.bats tests/sdk/examples.bats
EXTRA_DIST += tests/sdk/layout.c
