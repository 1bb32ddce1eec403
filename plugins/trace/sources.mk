# SPDX-License-Identifier: MIT
trace_sources = plugins/trace/trace.c
