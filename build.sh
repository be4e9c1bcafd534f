#!/usr/bin/env bash
# Builds, tests, measures and packs. build.ps1 is its twin for PowerShell: same verbs, same output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_UI_LANGUAGE=en

usage() {
    cat <<'TEXT'
Usage: ./build.sh [VERB]

  build              build everything (Release) and count the lines of each room
  test [ARGS]        build, then run every test; ARGS go to the runner, as in --filter-class '*LayerNorm*'
  perf [WORD...]     measure everything beside the machine's limits and the peers, or the lines that hold all WORDs;
                     --quick, --gate, --roofline, --micro, --cuda and more: ./build.sh perf --help
  kernels            compile native/kernels to native/ptx again (clang 19); the same sources give the same bytes
  pack               make the NuGet packages of the libraries and of the tool in artifacts/packages
  clean              remove what the other verbs made
  help               this text

Without a verb: build and test.
TEXT
}

fail() {
    echo "build.sh: $1" >&2
    exit 1
}

need_sdk() {
    local wanted later said
    wanted=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' global.json)
    later="$wanted or a later ${wanted%.*} (https://dot.net/download)"
    command -v dotnet >/dev/null || fail "the .NET SDK is missing: 'dotnet' is not on the PATH. Wanted: SDK $later."
    said=$(dotnet --version 2>&1) ||
        fail "there is no .NET SDK that fits: wanted $later, found $(
            dotnet --list-sdks | cut -d' ' -f1 | paste -sd ' ' | grep . || echo none). 'dotnet --version' says:
$said"
}

count_lines() {
    local room
    printf 'lines of C#:'
    for room in src/*/ tests/ perf/; do
        printf ' %s %d' "$(basename "$room")" "$(find "$room" -name '*.cs' -exec cat {} + | wc -l)"
    done
    echo
}

build() {
    need_sdk
    dotnet build Engine.sln -c Release -v quiet
    count_lines
}

# Closes with the line "N passed, N failed", summed over all test projects.
run_tests() {
    build
    local log status=0
    log=$(mktemp)
    # 8: a project in which no test ran, which is so when a filter leaves none there.
    dotnet test --solution Engine.sln -c Release --no-build --ignore-exit-code 8 "$@" 2>&1 | tee "$log" || status=1
    local passed failed skipped
    passed=$(summed succeeded "$log") failed=$(summed failed "$log") skipped=$(summed skipped "$log")
    rm -f "$log"
    if ((passed + failed + skipped == 0)); then
        echo "build.sh: no test ran" >&2
        status=1
    elif ((status != 0 && failed == 0)); then
        echo "build.sh: the tests that ran passed, but a test project ended with an error (see above)" >&2
    fi
    echo "$skipped skipped"
    echo "$passed passed, $failed failed"
    return "$status"
}

# The count of one outcome in the closing summary of `dotnet test`, 0 where there is none.
summed() {
    sed -n "s/^ *$1: *\([0-9][0-9]*\)\r\{0,1\}\$/\1/p" "$2" | tail -n 1 | grep . || echo 0
}

run_perf() {
    need_sdk
    if [[ ${1:-} == --cuda ]]; then
        dotnet run -c Release --project perf/cuda -- "${@:2}"
        return
    fi

    dotnet run -c Release --project perf -- "$@"
    if [[ " $* " == *' --roofline '* ]]; then
        dotnet run -c Release --project perf/roofline -- artifacts/perf/perf.json perf/roofline.svg
    fi
}

kernels() {
    native/compile.sh
}

pack() {
    need_sdk
    local project
    for project in Engine Cpu Cuda Cli; do
        dotnet pack "src/$project/$project.csproj" -c Release -v quiet -o artifacts/packages
    done
    ls artifacts/packages
}

verb=${1-}
[[ $# -eq 0 ]] || shift
case "$verb" in
    '') run_tests ;;
    build) build ;;
    test) run_tests "$@" ;;
    perf) run_perf "$@" ;;
    kernels) kernels ;;
    pack) pack ;;
    clean) rm -rf artifacts BenchmarkDotNet.Artifacts ;;
    help | -h | --help) usage ;;
    *)
        echo "build.sh: unknown verb '$verb'" >&2
        usage >&2
        exit 2
        ;;
esac
