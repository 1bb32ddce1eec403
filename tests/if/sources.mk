# SPDX-License-Identifier: MIT
bats_tests += tests/if/folder.bats tests/if/forward.bats tests/if/walks.bats tests/if/commands.bats
long_tests += tests/if/commands-long.bats
EXTRA_DIST += tests/if/commands-long.bats tests/if/commands.bash tests/if/if.bash tests/if/nets.c \
	tests/if/nets.h tests/if/random_if.c tests/reference/if/common.py tests/reference/if/forward.py \
	tests/reference/if/full.py tests/reference/if/walks.py tests/golden/if/forward.safetensors \
	tests/golden/if/prompts.pth tests/golden/if/walks.safetensors
