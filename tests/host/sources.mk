# SPDX-License-Identifier: MIT
bats_tests += tests/host/grammar.bats tests/host/cuts.bats tests/host/algebra.bats \
	tests/host/streams.bats tests/host/files.bats tests/host/plugins.bats \
	tests/host/images.bats
EXTRA_DIST += tests/host/host.bash tests/host/odd.c
