#!/usr/bin/env bash
# A job crashes, and its log tells the story: builds two programs, lets them crash as a CI job would, and does what
# the job's on_fail step does. Everything happens in the folder epitaph-demo, which is made anew.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo=$repository/epitaph-demo
export PATH="$repository/target/release:$PATH"
unset EPITAPH_OUT DEBUGINFOD_URLS

say() { printf '\n\033[1m%s\033[0m\n' "== $*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }
run() { printf '$ %s\n' "$*"; "$@"; }

rm -rf "$demo"
mkdir -p "$demo/job/first" "$demo/job/second"
cd "$demo/job"

# The kernel must write cores to files for this. A pattern that hands them to a program is changed for the time of the
# demo where that is possible, and restored whatever happens.
pattern=/proc/sys/kernel/core_pattern
saved=$(cat "$pattern")
case $saved in
'|'* | '@'* | '')
    if ! printf 'core.%%p.%%E' 2>/dev/null >"$pattern"; then
        echo "This host sends cores elsewhere (core_pattern is '$saved'), and only root can change that." >&2
        echo "Run 'sudo make demo', or let root run: echo core.%p.%E > $pattern" >&2
        exit 1
    fi
    trap 'printf "%s" "$saved" >"$pattern"' EXIT
    ;;
esac

say "the job: build, then test"
cp "$repository/testdata/programs/dump.c" first
cp "$repository/testdata/programs/inlined.c" second
run gcc -o first/dump first/dump.c
run gcc -g -O2 -o second/inlined second/inlined.c
if ! ulimit -c unlimited; then
    echo "The limit of the core size can't be raised here (ulimit -Hc: $(ulimit -Hc)), so no core can be written." >&2
    exit 1
fi
echo '$ ulimit -c unlimited'
# In a folder each: where the pattern is just `core`, a second crash in the same folder replaces the first one's core.
echo '$ cd first && ./dump'
(cd first && exec ./dump) || echo "exit status $?"
echo '$ cd second && ./inlined'
(cd second && exec ./inlined) || echo "exit status $?"

say "the on_fail step: what died, where and why"
run epitaph collect --out ../artifacts .

say "the same as JSON: one line for each crash"
run cut -c1-320 ../artifacts/crashes.jsonl

say "store_artifacts: push the folder to a store"
cd "$demo"
run epitaph push artifacts "file://$demo/store" --destination core_dumps --job demo
run epitaph ls "file://$demo/store"

say "at the desk: the job's machine is gone; pull its artifacts, and show what died"
run rm -r job artifacts
run epitaph pull "file://$demo/store" desk
run epitaph show --threads crashed desk

# What was promised must have happened, or the demo fails.
shown=$(epitaph show --json desk)
for name in abort give_up weigh weigh_all score rank main; do
    grep -q "\"function\":\"\(__GI_\)\?$name\"" <<<"$shown" || { echo "demo: $name is missing from the story" >&2; exit 1; }
done
say "done: everything is in $demo"
