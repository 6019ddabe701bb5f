#!/usr/bin/env bash
# Everything that must pass before a change lands, on a bare Debian 12 as root. It installs what it needs.
#
#   tests/run.sh              what must pass, some 45 minutes on two cores, longer the first time
#   tests/run.sh unit system  only the steps named; there are also simulate, image, chaos, soak,
#                             sabotage, oldest, system-asan, system-tsan and mutation
#
# Each step's output is kept in build/test-logs/STEP.log and shown as it comes; a table of the steps stands at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=build/test-logs
jobs=$(nproc)

# Sanitizers end the process at the first finding, so a finding fails the test that met it.
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:exitcode=99:suppressions=$PWD/tests/tsan.supp"

# What runs without being named. The rest (see the functions below) is run by name: it takes long, or it is for a change of one part.
all_steps=(setup format build unit cppcheck valgrind system demo asan coverage tsan compile tidy fuzz)
# What others need not wait for: named behind `build`, it begins then and has what time they leave, for much of what they do is waiting
# (system's hosts above all, so that the sanitizers' builds are there when their steps come).
beside=(compile tidy fuzz)

sources() { git ls-files 'agent/*.cpp' 'agent/*.h' 'lb/*.cpp' 'lb/*.h' 'tests/*.cpp' 'tests/*.h'; }

# All of it, or the targets named. One at a time, as two steps may want the same preset (see `beside`).
build_preset() {
    local preset=$1 status
    shift
    mkdir -p build && exec {lock}>"build/$preset.lock" && flock "$lock" || return 1
    cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"} -- -j "$jobs"
    status=$?
    exec {lock}>&-
    return "$status"
}

unit_tests() {
    build_preset "$1" && ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j "$jobs"
}

run_setup() { tests/setup.sh test && tests/setup.sh analysis; }
run_format() { sources | xargs clang-format-19 --dry-run -Werror; }
run_build() { build_preset release; }
run_compile() { build_preset asan && build_preset tsan; }
run_unit() { unit_tests release; }
run_tidy() { build_preset release >/dev/null && tests/tidy.py; }
# The same build counts the lines that run (docs/testing.md).
run_asan() {
    build_preset asan || return 1
    find build/asan -name '*.gcda' -delete
    ctest --test-dir build/asan --output-on-failure --no-tests=error -j "$jobs" && tests/coverage.py --cores
}
# Of the whole: by these system tests as well, which meet AddressSanitizer, too.
run_coverage() {
    [[ " ${steps[*]} " = *" asan "* ]] || run_asan || return 1
    system_tests asan 3 tests/wire/test_{operating,reload,preflight}.py && tests/coverage.py
}
run_tsan() { unit_tests tsan; }
# Each parser, and the proxy's events, from the corpus that is kept, FUZZ_SECONDS for each; $FUZZERS names some of them
# (vrrp_packet, config, …). With FUZZ_KEEP=1 what reached lines that no kept input reaches is added to the corpus. One input
# may take long where others have the machine.
run_fuzz() {
    local names name scratch status
    read -r -a names <<<"${FUZZERS:-$(cd tests/fuzz && ls ./*_fuzzer.cpp | sed 's|^./||; s|_fuzzer.cpp$||' | tr '\n' ' ')}"
    build_preset fuzz "${names[@]/%/_fuzzer}" || return 1
    for name in "${names[@]}"; do
        scratch=$(mktemp -d)
        echo "fuzzing $name for ${FUZZ_SECONDS:-10} s"
        # New inputs go to the scratch folder; the kept corpus is only read.
        "build/fuzz/tests/${name}_fuzzer" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=60 -rss_limit_mb=1024 \
            -print_final_stats=0 -artifact_prefix="$logs/" "$scratch" "tests/fuzz/corpus/$name" 2>&1 | tail -n 3
        status=${PIPESTATUS[0]}
        if [ "$status" -eq 0 ] && [ -n "${FUZZ_KEEP:-}" ]; then
            "build/fuzz/tests/${name}_fuzzer" -merge=1 -use_counters=0 "tests/fuzz/corpus/$name" "$scratch" 2>&1 | tail -n 1
        fi
        rm -rf "$scratch"
        [ "$status" -eq 0 ] || return 1
    done
}
# docs/simulation.md
run_simulate() {
    build_preset release simulate && build/release/tests/simulate --seeds "${SIMULATE_SEEDS:-10000}" --seconds 1000
}
# Real hosts, peers and API servers around the agent of one preset; $2 stretches the time limits for slow builds.
# They measure time on a machine that others may slow down: what fails is run once more, alone, and told of as flaky
# if it passes then. What fails twice has failed.
system_tests() {
    local preset=$1 patience=$2 again
    shift 2
    rm -rf build/pytest
    run_pytest "$preset" "$patience" "$@"
    case $? in 0) return 0 ;; 1) ;; *) return 1 ;; esac
    again=$(/usr/bin/python3 -c 'import json; print("\n".join(json.load(open("build/pytest/v/cache/lastfailed"))))') || return 1
    [ "$(wc -l <<<"$again")" -le 3 ] || return 1
    printf '\n=== once more, alone:\n%s\n' "$again"
    run_pytest "$preset" "$patience" --last-failed "$@" || return 1
    printf '\nFLAKY, failed once and passed alone:\n%s\n' "$again"
}
run_pytest() {
    local preset=$1 patience=$2
    shift 2
    FAIRLEAD=$PWD/build/$preset/fairlead FAIRLEAD_TEST_PATIENCE=$patience \
        /usr/bin/python3 -m pytest -o cache_dir="$PWD/build/pytest" -ra "$@"
}
run_system() { system_tests release 1 tests/lab tests/wire tests/cluster tests/chaos; }
run_system-asan() { build_preset asan && system_tests asan 3 tests/wire tests/cluster; }
run_system-tsan() { build_preset tsan && system_tests tsan 4 tests/wire; }
# A cluster's life with the API server of Kubernetes 1.20, the oldest that fairlead is tested with.
run_oldest() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/fairlead server version
    version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' tests/peers/oldest/go.mod)
    server=$cache/bin/kube-apiserver-$version
    tests/setup.sh oldest && build_preset release fairlead &&
        KUBE_APISERVER=$server system_tests release 1 tests/cluster/test_kubeadm_sequence.py tests/cluster/test_endpoint_slices.py
}
# The image by its Dockerfile, run as its pod by podman (docs/image.md).
run_image() { tests/setup.sh image && system_tests release 1 tests/image; }
run_demo() { tests/demo.sh; }
# docs/chaos.md
run_chaos() { tests/chaos/chaos.py --faults "${CHAOS_FAULTS:-500}" --minutes "${CHAOS_MINUTES:-60}"; }
run_soak() { tests/chaos/soak.py --minutes "${SOAK_MINUTES:-120}" --output "$logs/soak"; }
run_sabotage() { tests/chaos/sabotage.py; }
# The three below: docs/testing.md.
run_cppcheck() {
    tests/setup.sh analysis &&
        cppcheck --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr --quiet \
            --error-exitcode=1 --suppressions-list=tests/cppcheck.supp -j "$jobs" -I . agent lb
}
# Of the rooms without threads and sockets; the others are asan's and tsan's. What takes seconds without valgrind is left out.
run_valgrind() {
    local room rooms=(vrrp config import lb history blackout)
    tests/setup.sh analysis && build_preset release "${rooms[@]/%/_test}" || return 1
    for room in "${rooms[@]}"; do
        echo "$room"
        valgrind --quiet --error-exitcode=98 --leak-check=full --errors-for-leak-kinds=definite \
            "build/release/tests/${room}_test" --gtest_brief=1 '--gtest_filter=-Simulation.*:Exploration.*:*BrokenRouter*' || return 1
    done
}
# Whether the election's tests notice mistakes.
run_mutation() { build_preset release vrrp_test && tests/mutation.py; }
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=("${all_steps[@]}")
for step in "${steps[@]}"; do
    declare -F "run_$step" >/dev/null || { echo "unknown step $step (there are: $(declare -F | sed -n 's/.* run_//p' | grep -v pytest | tr '\n' ' '))" >&2; exit 2; }
done

mkdir -p "$logs"
passed=0 failed=0 table="" aside=""
tell() {
    table+=$(printf '%-12s %-7s %5d s' "$1" "$2" "$3")$'\n'
    if [ "$2" = passed ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
# By a run of its own in the lowest class of the scheduler, so that the tests that measure time don't feel it.
begin_beside() {
    local wanted=() step
    for step in "${steps[@]}"; do [[ " ${beside[*]} " != *" $step "* ]] || wanted+=("$step"); done
    [ ${#wanted[@]} -gt 0 ] || return 0
    setsid chrt --idle 0 bash -c '{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec tests/run.sh "$@"' beside "${wanted[@]}" \
        >"$logs/beside.log" 2>&1 </dev/null &
    aside=$!
    trap 'kill -- "-$aside" 2>/dev/null' EXIT
}
# Waits for them, and tells of one.
end_beside() {
    local result seconds
    wait "$aside"
    cat "$logs/$1.log"
    read -r _ result seconds _ < <(grep -E "^$1 +(passed|FAILED) " "$logs/beside.log") || result=FAILED seconds=0
    tell "$1" "$result" "$seconds"
}

for step in "${steps[@]}"; do
    printf '\n=== %s\n' "$step"
    if [ -n "$aside" ] && [[ " ${beside[*]} " = *" $step "* ]]; then
        end_beside "$step"
        continue
    fi
    started=$SECONDS
    if "run_$step" 2>&1 | tee "$logs/$step.log"; then result=passed; else result=FAILED; fi
    tell "$step" "$result" $((SECONDS - started))
    # Without the packages or the build nothing after it says anything.
    if [ "$result" = FAILED ] && { [ "$step" = setup ] || [ "$step" = build ]; }; then break; fi
    if [ "$step" = build ] && [ ${#steps[@]} -gt 1 ]; then begin_beside; fi
done

printf '\n%s\n%d passed, %d failed\n' "$table" "$passed" "$failed"
[ "$failed" -eq 0 ]
