# SPDX-License-Identifier: MIT
check_PROGRAMS += tests/text/test_captions tests/text/test_tokens
tests_text_test_captions_SOURCES = tests/text/test_captions.c $(text_caption_sources)
tests_text_test_captions_LDADD = $(CMOCKA_LIBS)
tests_text_test_tokens_SOURCES = tests/text/test_tokens.c $(text_token_sources) $(weights_all)
tests_text_test_tokens_LDADD = $(text_libs) $(weights_libs)

bats_tests += tests/text/embeddings.bats tests/text/encode.bats \
	tests/text/fetch-weights.bats tests/text/t5.bats

EXTRA_DIST += tests/golden/captions.txt tests/reference/captions.py \
	tests/reference/embeddings.py tests/reference/t5.py tests/reference/unicode.py \
	tests/golden/t5-brain.safetensors tests/golden/t5-half.safetensors \
	tests/golden/t5-single.safetensors tests/golden/t5-tokens.safetensors \
	tests/golden/t5/brain/config.json tests/golden/t5/brain/model.safetensors \
	tests/golden/t5/half/config.json tests/golden/t5/half/model.fp16-00001-of-00003.safetensors \
	tests/golden/t5/half/model.fp16-00002-of-00003.safetensors \
	tests/golden/t5/half/model.fp16-00003-of-00003.safetensors \
	tests/golden/t5/half/model.safetensors.index.fp16.json tests/golden/t5/text_encoder/config.json \
	tests/golden/t5/text_encoder/model.safetensors tests/golden/t5/tokenizer/spiece.model \
	tests/golden/text/big.npy tests/golden/text/flat.npy tests/golden/text/fortran.npy \
	tests/golden/text/half.npy tests/golden/text/none.safetensors \
	tests/golden/text/one.safetensors tests/golden/text/prompts.safetensors tests/golden/text/single.npy tests/golden/text/whole.npy
