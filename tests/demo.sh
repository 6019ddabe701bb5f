#!/usr/bin/env bash
# Shows fairlead at work, on a bare Debian 12 as root: builds it, brings up three hosts with real API servers behind a
# VIP in network namespaces, breaks them one after the other, and measures what a client saw. Exit 0 if all recovered.
#
#   tests/demo.sh               about two minutes; the first run installs and builds what it needs
#   tests/demo.sh --stand-in    with a stand-in in place of the kube-apiservers, which need a long build once
#
# FAIRLEAD=FILE takes an agent that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

stand_in=false
for argument in "$@"; do
    case "$argument" in
    --stand-in) stand_in=true ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done

echo "== set-up"
tests/setup.sh packages
if ! "$stand_in" && ! tests/setup.sh apiserver; then
    echo "demo: there is no real kube-apiserver on this machine; running on the stand-in instead"
    stand_in=true
fi

if [ -z "${FAIRLEAD:-}" ]; then
    echo "== build"
    cmake --preset release
    cmake --build --preset release --target fairlead
fi

echo "== demo"
arguments=()
if "$stand_in"; then arguments+=(--stand-in); fi
exec /usr/bin/python3 tests/demo.py ${arguments[@]+"${arguments[@]}"}
