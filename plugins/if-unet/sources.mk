# SPDX-License-Identifier: MIT
if_unet_sources = \
	plugins/if-unet/config.c \
	plugins/if-unet/forward.c \
	plugins/if-unet/inspect.c \
	plugins/if-unet/layout.c \
	plugins/if-unet/lowres.c \
	plugins/if-unet/pass.c \
	plugins/if-unet/plugin.c \
	plugins/if-unet/schedule.c \
	plugins/if-unet/text.c \
	plugins/if-unet/unet.h \
	plugins/if-unet/weights.c
EXTRA_DIST += plugins/if-unet/README.md
if_unet_libs = -lm
