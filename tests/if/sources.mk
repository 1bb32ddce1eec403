# SPDX-License-Identifier: MIT
EXTRA_DIST += tests/if/if.bash tests/if/nets.c tests/if/nets.h tests/if/random_if.c
