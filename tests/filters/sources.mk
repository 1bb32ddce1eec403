# SPDX-License-Identifier: MIT
filters_harness = tests/filters/harness.c tests/filters/harness.h $(stub_sources)

check_PROGRAMS += tests/filters/test_views tests/filters/test_pixels tests/filters/test_figures
tests_filters_test_views_SOURCES = tests/filters/test_views.c $(filters_harness) $(filters_sources)
tests_filters_test_views_LDADD = $(CMOCKA_LIBS) -lm
tests_filters_test_pixels_SOURCES = tests/filters/test_pixels.c $(filters_harness) $(filters_sources)
tests_filters_test_pixels_LDADD = $(kernels_libs) $(CMOCKA_LIBS) -lm
tests_filters_test_figures_SOURCES = tests/filters/test_figures.c $(filters_harness) \
	$(figures_sources)
tests_filters_test_figures_CFLAGS = $(AM_CFLAGS) $(figures_cflags)
tests_filters_test_figures_LDADD = $(figures_libs) $(CMOCKA_LIBS) -lm

bats_tests += tests/filters/filters.bats
EXTRA_DIST += tests/golden/filters.safetensors tests/reference/filters.py
