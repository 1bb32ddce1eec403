# SPDX-License-Identifier: MIT
inpaint_sources = plugins/inpaint/inpaint.c
