# SPDX-License-Identifier: MIT
bats_tests += tests/text/embeddings.bats

EXTRA_DIST += tests/reference/embeddings.py tests/golden/text/big.npy tests/golden/text/flat.npy \
	tests/golden/text/fortran.npy tests/golden/text/half.npy tests/golden/text/none.safetensors \
	tests/golden/text/prompts.safetensors tests/golden/text/single.npy tests/golden/text/whole.npy
