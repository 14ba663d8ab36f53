#!/usr/bin/env bash
# Push and pull against `aws s3 cp`, on the same server, turn by turn: `make bench-transfers`.
#
#   transfers.sh EPITAPH AWS ROUNDS SERVER-COMMAND…
#
# The server's command prints a line of shell with its settings, and runs until its standard input ends. Prints a Markdown
# table: medians of seconds on the clock, the median of the ratios within the turns (above 1: epitaph is faster), and the
# most memory that epitaph had.
set -euo pipefail
epitaph=$(realpath "$1") aws=$2 rounds=$3
shift 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The server ends with this shell at the latest: its standard input is ours to close.
coproc server { "$@"; }
IFS= read -r settings <&"${server[0]}"
eval "$settings"
export AWS_DEFAULT_REGION=us-east-1 HOME=$work EPITAPH_PUSH_STATE=$work/state

mib=$((1 << 20))
noise() { openssl enc -aes-128-ctr -nosalt -K "$1" -iv 0 </dev/zero 2>/dev/null | head -c "$2" || true; }
mkdir -p "$work/one" "$work/many"
noise 00 $((1024 * mib)) >"$work/one/core"
for number in $(seq 500); do noise "$(printf '%032x' "$number")" $((200 << 10)) >"$work/many/$number.txt"; done

# Runs a command and appends its seconds and its peak of memory in KiB to a file.
measured() {
    local file=$1
    shift
    /usr/bin/time -a -o "$file" -f '%e %M' "$@" >"$work/messages" 2>&1 || { cat "$work/messages" >&2; exit 1; }
}

at() { "$aws" --endpoint-url "$AWS_ENDPOINT_URL" s3 "$@"; }

turn() { # what, round
    local ours="$BUCKET/ours-$1-$2" theirs="$BUCKET/theirs-$1-$2" to=$work/to
    measured "$work/$1.push.epitaph" "$epitaph" push "$work/$1" "$ours" --destination x
    measured "$work/$1.push.aws" "$aws" --endpoint-url "$AWS_ENDPOINT_URL" s3 cp --recursive --only-show-errors \
        "$work/$1" "$theirs"
    measured "$work/$1.pull.epitaph" "$epitaph" pull "$ours" "$to"
    diff -r "$work/$1" "$to/x"
    rm -r "$to"
    measured "$work/$1.pull.aws" "$aws" --endpoint-url "$AWS_ENDPOINT_URL" s3 cp --recursive --only-show-errors \
        "$theirs" "$to"
    diff -r "$work/$1" "$to"
    rm -r "$to"
    at rm --recursive --quiet "$ours"
    at rm --recursive --quiet "$theirs"
}

for round in $(seq 0 "$rounds"); do
    for what in one many; do
        # The first turn only warms up.
        turn "$what" "$round"
        if [ "$round" = 0 ]; then rm "$work/$what".*.*; fi
    done
done

median() { sort -n | awk '{ all[NR] = $1 } END { print (all[int((NR + 1) / 2)] + all[int(NR / 2) + 1]) / 2 }'; }
echo "| what | epitaph | aws s3 cp | ratio | epitaph's memory |"
echo "|---|---|---|---|---|"
for what in one many; do
    for way in push pull; do
        ours=$work/$what.$way.epitaph theirs=$work/$what.$way.aws
        printf '| %s %s | %.2f s | %.2f s | %.2f | %d MB |\n' "$way" \
            "$([ "$what" = one ] && echo 'one file of 1 GiB' || echo '500 files of 200 KiB')" \
            "$(cut -d' ' -f1 "$ours" | median)" "$(cut -d' ' -f1 "$theirs" | median)" \
            "$(paste -d' ' "$ours" "$theirs" | awk '{ print $3 / $1 }' | median)" \
            "$(($(cut -d' ' -f2 "$ours" | sort -n | tail -1) / 1000))"
    done
done

# More than a disk holds, to a server that keeps nothing.
eval "exec ${server[1]}>&-"
wait
coproc sink { python3 "$(dirname "$0")/sink.py"; }
IFS= read -r settings <&"${sink[0]}"
eval "$settings"
truncate -s 10G "$work/huge"
measured "$work/huge.push" "$epitaph" push "$work/huge" "$BUCKET" --destination x
read -r seconds memory <"$work/huge.push"
eval "exec ${sink[1]}>&-"
printf '\nA push of 10 GiB: %.0f s, at most %d MB of memory.\n' "$seconds" "$((memory / 1000))"
