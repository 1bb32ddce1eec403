# SPDX-License-Identifier: MIT
hybrid_sources = plugins/hybrid/hybrid.c
