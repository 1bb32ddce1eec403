# SPDX-License-Identifier: MIT
bats_tests += tests/illusions/composition.bats tests/illusions/inpaint.bats \
	tests/illusions/reading.bats tests/illusions/views.bats
EXTRA_DIST += tests/illusions/illusions.bash tests/illusions/odd_views.c tests/illusions/read.c
