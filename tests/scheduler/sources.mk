# SPDX-License-Identifier: MIT
# The programs load the built plugins from the build tree.
scheduler_test_sources = tests/scheduler/harness.c tests/scheduler/harness.h $(stub_sources)
scheduler_test_libs = $(kernels_libs) $(kernels_libs) $(CMOCKA_LIBS)

check_PROGRAMS += tests/scheduler/test_timesteps tests/scheduler/test_steps \
	tests/scheduler/test_converge tests/scheduler/test_nodes tests/scheduler/test_combinators \
	tests/scheduler/test_hooks
tests_scheduler_test_timesteps_SOURCES = tests/scheduler/test_timesteps.c $(scheduler_test_sources)
tests_scheduler_test_timesteps_LDADD = $(scheduler_test_libs)
tests_scheduler_test_steps_SOURCES = tests/scheduler/test_steps.c $(scheduler_test_sources)
tests_scheduler_test_steps_LDADD = $(scheduler_test_libs)
tests_scheduler_test_converge_SOURCES = tests/scheduler/test_converge.c $(scheduler_test_sources)
tests_scheduler_test_converge_LDADD = $(scheduler_test_libs)
tests_scheduler_test_nodes_SOURCES = tests/scheduler/test_nodes.c $(scheduler_test_sources)
tests_scheduler_test_nodes_LDADD = $(scheduler_test_libs)
tests_scheduler_test_combinators_SOURCES = tests/scheduler/test_combinators.c \
	tests/scheduler/stack.c tests/scheduler/stack.h $(scheduler_test_sources)
tests_scheduler_test_combinators_LDADD = $(scheduler_test_libs)
tests_scheduler_test_hooks_SOURCES = tests/scheduler/test_hooks.c \
	tests/scheduler/stack.c tests/scheduler/stack.h $(scheduler_test_sources)
tests_scheduler_test_hooks_LDADD = $(scheduler_test_libs)

bats_tests += tests/scheduler/chains.bats
EXTRA_DIST += tests/reference/scheduler.py tests/golden/scheduler.safetensors \
	tests/golden/scheduler-draws.safetensors
