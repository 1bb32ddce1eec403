# SPDX-License-Identifier: MIT
regions_sources = plugins/regions/regions.c
