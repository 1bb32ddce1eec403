# SPDX-License-Identifier: MIT
EXTRA_DIST += scripts/doc-pages scripts/lib.sh scripts/quickstart scripts/test .ci/run
