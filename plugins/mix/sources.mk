# SPDX-License-Identifier: MIT
mix_sources = plugins/mix/mix.c
