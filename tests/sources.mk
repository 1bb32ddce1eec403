# SPDX-License-Identifier: MIT
EXTRA_DIST += tests/run-tap tests/common.bash tests/lsan.supp
