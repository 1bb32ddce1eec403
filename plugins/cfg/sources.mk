# SPDX-License-Identifier: MIT
cfg_sources = plugins/cfg/cfg.c
