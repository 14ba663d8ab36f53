#!/usr/bin/env bash
# Installs the programs that building and testing call, with apt-get, where something is missing and it may.
# Where it may not, it says what is missing and succeeds: the tests skip what they can't do, and say so.
set -euo pipefail

# program=Debian packages
needed=(
    cc=gcc gcc=gcc g++=g++ clang=clang go=golang-go musl-gcc=musl-tools ld.lld=lld
    curl=curl wget=wget gdb=gdb objcopy=binutils readelf=binutils strip=binutils dwz=dwz llvm-dwp=llvm
    age=age zstd=zstd gzip=gzip xz=xz-utils lz4=lz4 bzip2=bzip2 zip=zip
    eu-unstrip=elfutils debuginfod=debuginfod
    nginx=nginx-light rclone=rclone apache2=apache2-bin
    chromium=chromium
)
# Libraries that crashing programs and test frameworks are built with have no program to look for: file=Debian packages
libraries=(
    /usr/include/gtest/gtest.h=libgtest-dev /usr/include/c++/v1/vector=libc++-dev,libc++abi-dev
    /usr/include/glib-2.0/glib.h=libglib2.0-dev /usr/lib/python3/dist-packages/pytest/__init__.py=python3-pytest
    /usr/include/boost/test/unit_test.hpp=libboost-test-dev /usr/include/doctest/doctest.h=doctest-dev
    /usr/include/catch2=catch2
    /usr/lib/nginx/modules/ngx_http_dav_ext_module.so=libnginx-mod-http-dav-ext
    /usr/bin/pkg-config=pkg-config /usr/share/doc/libclang-rt-dev=libclang-rt-dev
)
# `make test-all` also rebuilds what runs on other architectures, uses every linker, and asks every debugger; `make bench`
# measures some of them.
if [ -n "${EPITAPH_TEST_ALL:-}" ]; then
    needed+=(
        npm=npm jq=jq radosgw=radosgw radosgw-admin=radosgw ceph=ceph-common ceph-mon=ceph-mon ceph-osd=ceph-osd
        mold=mold lldb=lldb gdb-multiarch=gdb-multiarch qemu-aarch64=qemu-user
        aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu,libc6-dev-arm64-cross arm-linux-gnueabihf-gcc=gcc-arm-linux-gnueabihf,libc6-dev-armhf-cross
        i686-linux-gnu-gcc=gcc-i686-linux-gnu,libc6-dev-i386-cross powerpc64le-linux-gnu-gcc=gcc-powerpc64le-linux-gnu,libc6-dev-ppc64el-cross
        riscv64-linux-gnu-gcc=gcc-riscv64-linux-gnu,libc6-dev-riscv64-cross s390x-linux-gnu-gcc=gcc-s390x-linux-gnu,libc6-dev-s390x-cross
    )
    libraries+=(/lib/systemd/systemd-coredump=systemd-coredump /usr/share/doc/python3-venv=python3-venv)
fi
packages=()
missing=()

for entry in "${needed[@]}"; do
    if ! command -v "${entry%%=*}" >/dev/null; then
        missing+=("${entry%%=*}")
        IFS=, read -ra of_it <<<"${entry##*=}"
        packages+=("${of_it[@]}")
    fi
done

for entry in "${libraries[@]}"; do
    if [ ! -e "${entry%%=*}" ]; then
        IFS=, read -ra of_it <<<"${entry##*=}"
        missing+=("${of_it[0]}")
        packages+=("${of_it[@]}")
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
trap 'restore; rm -f "$log"' EXIT
# systemd-coredump makes itself the handler of cores when it is installed, and at each start of the system. The tests want
# it to be there, and this machine's cores to go where they went.
settings=(kernel.core_pattern kernel.core_pipe_limit fs.suid_dumpable)
before=()
case " ${packages[*]} " in
*" systemd-coredump "*)
    for setting in "${settings[@]}"; do before+=("$(cat "/proc/sys/${setting//.//}")"); done
    if [ ! -e /etc/sysctl.d/50-coredump.conf ]; then
        "${as_root[@]}" ln -s /dev/null /etc/sysctl.d/50-coredump.conf
    fi
    ;;
esac
restore() {
    for index in "${!before[@]}"; do
        printf '%s\n' "${before[index]}" | "${as_root[@]}" tee "/proc/sys/${settings[index]//.//}" >/dev/null || true
    done
}
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "setup: missing: ${missing[*]} (apt-get failed)" >&2
fi
