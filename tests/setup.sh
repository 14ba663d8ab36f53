#!/usr/bin/env bash
# Installs the programs that building and testing call, with apt-get, where something is missing and it may.
# Where it may not, it says what is missing and succeeds: the tests skip what they can't do, and say so.
set -euo pipefail

# program=Debian package
needed=(cc=gcc gcc=gcc g++=g++ clang=clang gdb=gdb objcopy=binutils readelf=binutils strip=binutils zstd=zstd)
packages=()
missing=()

for entry in "${needed[@]}"; do
    if ! command -v "${entry%%=*}" >/dev/null; then
        missing+=("${entry%%=*}")
        packages+=("${entry##*=}")
    fi
done

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is missing: install Rust from https://rustup.rs" >&2
    exit 1
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "setup: missing: ${missing[*]} (not installed: neither root nor sudo without a password)" >&2
        exit 0
    fi
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: missing: ${missing[*]} (not installed: there is no apt-get here)" >&2
    exit 0
fi

echo "setup: installing ${packages[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "setup: missing: ${missing[*]} (apt-get failed)" >&2
fi
