#!/usr/bin/env bash
# Builds KenLM's lmplz and build_binary from the source package of kenlm into PREFIX/bin (about 2 minutes on one core).
# usage: .ci/build_lmplz.sh PREFIX        then put PREFIX/bin on the PATH
# Quick when both are there already. Needs a C++ compiler; cmake and Boost are installed by apt-get when they are missing.
set -euo pipefail
prefix=${1:?usage: .ci/build_lmplz.sh PREFIX}
version=0.3.0
sha256=c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8
mkdir -p "$prefix/bin"
prefix=$(cd "$prefix" && pwd)
if [ "$(cat "$prefix/kenlm-version" 2>/dev/null)" = "$version" ] && [ -x "$prefix/bin/lmplz" ] &&
    [ -x "$prefix/bin/build_binary" ]; then
    exit 0
fi
if ! command -v cmake >/dev/null || ! command -v c++ >/dev/null || [ ! -e /usr/include/boost/program_options.hpp ] ||
    [ ! -e /usr/include/boost/test/unit_test.hpp ] || [ ! -e /usr/include/zlib.h ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends cmake make g++ zlib1g-dev libboost-program-options-dev \
        libboost-system-dev libboost-thread-dev libboost-test-dev
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary kenlm \
    --dest "$work" "kenlm==$version"
echo "$sha256  $work/kenlm-$version.tar.gz" | sha256sum --check --quiet
tar -xzf "$work/kenlm-$version.tar.gz" -C "$work"
cmake -S "$work/kenlm-$version" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DFORCE_STATIC=OFF \
    -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -Wno-dev >"$work/log" 2>&1 &&
    cmake --build "$work/build" --target lmplz build_binary --parallel "$(nproc)" >>"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    exit 1
}
install "$work/build/bin/lmplz" "$work/build/bin/build_binary" "$prefix/bin/"
echo "$version" >"$prefix/kenlm-version"
