#!/usr/bin/env bash
# Builds ptx/*.ptx from kernels/*.cu, or those named. The same compiler gives the same bytes, so what is committed can be checked
# against it: PTX names another directory to write to, CLANG another compiler.
set -euo pipefail
cd "$(dirname "$0")"
clang=${CLANG:-clang-19}
ptx=${PTX:-ptx}
if ! command -v "$clang" > /dev/null; then
    echo "compile.sh: $clang was not found; install clang 19, or name it in CLANG" >&2
    exit 1
fi

flags=(-x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch=sm_80 --cuda-feature=+ptx70
    -std=c++17 -O3 -ffp-contract=off -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-const-variable)
version=$("$clang" --version | sed -n 's/.*clang version \([0-9.]*\).*/clang \1/p' | head -n 1)
mkdir -p "$ptx"
trap 'rm -f "$ptx"/*.ptx.new' EXIT
for source in kernels/*.cu; do
    [[ $# -eq 0 || " $* " == *" $(basename "$source" .cu) "* ]] || continue
    target=$ptx/$(basename "$source" .cu).ptx
    "$clang" "${flags[@]}" -S -o "$target.new" "$source"
    { echo "// $version ${flags[*]}"; cat "$target.new"; } > "$target"
    rm "$target.new"
    if grep -qE '^\s*\.local|\bcall\b|\bcall\.' "$target"; then
        echo "compile.sh: $target uses local memory or calls a function" >&2
        exit 1
    fi
done
