# SPDX-License-Identifier: MIT
bats_tests += \
	tests/verbs/check.bats tests/verbs/completion.bats tests/verbs/help.bats \
	tests/verbs/inputs.bats tests/verbs/inspect.bats tests/verbs/new.bats tests/verbs/recipe.bats tests/verbs/run.bats
EXTRA_DIST += tests/verbs/bad.c
