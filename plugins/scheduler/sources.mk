# SPDX-License-Identifier: MIT
scheduler_sources = plugins/scheduler/plugin.c plugins/scheduler/scheduler.h \
	plugins/scheduler/timesteps.c plugins/scheduler/level.c plugins/scheduler/rows.c \
	plugins/scheduler/randn.c plugins/scheduler/noise.c plugins/scheduler/at.c \
	plugins/scheduler/ddpm.c plugins/scheduler/ddim.c plugins/scheduler/euler.c \
	plugins/scheduler/dpmpp.c plugins/scheduler/denoise.c plugins/scheduler/predict.c \
	plugins/scheduler/score.c plugins/scheduler/threshold.c
