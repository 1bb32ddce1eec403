# SPDX-License-Identifier: MIT
EXTRA_DIST += tests/if/if.bash tests/if/nets.c tests/if/nets.h tests/if/random_if.c \
	tests/reference/if/common.py tests/reference/if/forward.py tests/reference/if/walks.py \
	tests/golden/if/forward.safetensors tests/golden/if/prompts.pth tests/golden/if/walks.safetensors
