# SPDX-License-Identifier: MIT
# For the _SOURCES of a unit test that wants a host, or golden tensors.
stub_sources = tests/support/stub_host.c tests/support/stub_node.c tests/support/stub_host.h \
	tests/support/stub_dtype.h
golden_sources = tests/support/golden.c tests/support/golden.h
