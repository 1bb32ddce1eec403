# SPDX-License-Identifier: MIT
bats_tests += tests/parity/sampling.bats tests/parity/schedule.bats tests/parity/pictures.bats \
	tests/parity/training.bats tests/parity/resume.bats
EXTRA_DIST += tests/parity/compare.bash tests/parity/die.c tests/reference/sampling.py \
	tests/reference/pictures.py tests/reference/classifier.py tests/golden/sampling.safetensors \
	tests/golden/sampling-class.safetensors tests/golden/sampling-time.safetensors \
	tests/golden/sampling-plain.safetensors tests/golden/sampling-draws.safetensors \
	tests/golden/pictures.safetensors tests/golden/digit-classifier.safetensors
