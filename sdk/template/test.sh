#!/bin/sh
# Checks what every plugin promises, and runs the example that it gives. Add what else must hold.
# SPDX-License-Identifier: CC0-1.0
set -eu
KILN=${KILN:-kiln}
plugin=$(pwd)
example=$(sed -n 's/^ *\.example = "\(.*\)",$/\1/p' @NAME@.c)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$KILN" -P "$plugin" help @NAME@ >/dev/null
"$KILN" -P "$plugin" check "$plugin/@NAME@.so"
# Its words are split at blanks, as a shell would. A chain without a sink gives a stream.
# shellcheck disable=SC2086
"$KILN" -P "$plugin" $example >/dev/null
echo "ok: kiln $example"
