#!/bin/sh
# Does this working tree make any benchmark slower, hungrier or wrong? For any CI with a shell:
#   gate.sh [REFERENCE] [SUITE...]
# The clone must hold the reference's commit, which a shallow one does not.
set -eu

reference=${1:-origin/main}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- benchmarks

# The exit code is kept, since `set -e` would end the script before it can be looked at.
code=0
upbench gate --against "$reference" "$@" --markdown gate.md --junit gate.xml --json gate.json || code=$?

# 3 is "could not decide". A noisy machine is no fault of the change, so that it only warns.
if [ "$code" -eq 3 ]; then
    echo "warning: the gate could not decide; see gate.md" >&2
    exit 0
fi
exit "$code"
