#!/usr/bin/env bash
# Installs what fairlead's build and tests need on a bare Debian 12, as root. What is there already is left alone,
# so a second call costs a moment.
#
#   tests/setup.sh build       the packages that the build needs
#   tests/setup.sh test        everything for the tests: packages, and the real kube-apiserver and kubeadm
#   tests/setup.sh packages    of `test`, the packages alone
#   tests/setup.sh apiserver   of `test`, the kube-apiserver alone
#   tests/setup.sh kubeadm     of `test`, kubeadm alone
#   tests/setup.sh analysis    for the steps coverage, cppcheck and valgrind of tests/run.sh
#   tests/setup.sh image       for tests/image: podman, and debian:bookworm-slim as its base image
#
# The programs of Kubernetes are built from the module that tests/peers/go.mod names, once, into ~/.cache/fairlead/bin.
# $KUBE_APISERVER, $KUBEADM and $ETCD name binaries to take instead.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(
    g++ cmake ninja-build ccache pkg-config git ca-certificates
    # cpprestsdk's CMake configuration asks for its own dependencies' headers and for the libraries of Boost.
    libcpprest-dev libssl-dev zlib1g-dev libbrotli-dev libwebsocketpp-dev
    libboost-dev libboost-atomic-dev libboost-chrono-dev libboost-date-time-dev libboost-filesystem-dev
    libboost-random-dev libboost-regex-dev libboost-system-dev libboost-thread-dev
    libnl-3-dev libnl-route-3-dev libnl-idiag-3-dev libnftables-dev libnftnl-dev libmnl-dev libnetfilter-conntrack-dev libcap-dev libseccomp-dev
    libyaml-cpp-dev libcli11-dev libspdlog-dev prometheus-cpp-dev nlohmann-json3-dev
    # The presets build the unit tests as well.
    libgtest-dev libgmock-dev
)
test_packages=(
    clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev
    keepalived frr haproxy nginx libnginx-mod-stream tcpdump tshark nftables iptables conntrack iproute2 iputils-ping arping procps curl openssl util-linux
    python3 python3-pytest python3-scapy python3-yaml
    # A kernel of its own for what must not be done to the machine (tests/lab/guest.py).
    user-mode-linux kmod
    # The admin page, the dashboard with its alerts, completion and manual page.
    chromium chromium-driver python3-selenium fonts-dejavu-core prometheus zsh fish bash-completion mandoc
)

analysis_packages=(gcovr cppcheck valgrind libc6-dbg)
image_packages=(podman buildah runc netavark aardvark-dns conmon catatonit iptables debootstrap)

say() { printf '%s\n' "setup: $*"; }
fail() {
    printf '%s\n' "setup: $*" >&2
    exit 1
}

missing_packages() {
    local package status
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || printf '%s\n' "$package"
    done
}

# Installing keepalived, haproxy or etcd must not start them: the tests run them in namespaces of their own.
policy=/usr/sbin/policy-rc.d
policy_is_ours=false
forbid_services() {
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        policy_is_ours=true
    fi
}
allow_services() {
    if "$policy_is_ours"; then rm -f "$policy"; fi
    policy_is_ours=false
}
background=
clean_up() {
    allow_services
    if [ -n "$background" ]; then kill "$background" 2>/dev/null || true; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "$@" </dev/null
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    if [ ${#missing[@]} -eq 0 ]; then
        say "all $# packages are there"
        return
    fi
    [ "$(id -u)" -eq 0 ] || fail "run this as root, or install these packages yourself: ${missing[*]}"
    say "installing ${#missing[@]} packages: ${missing[*]}"
    forbid_services
    if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
        apt-get update
        apt_install "${missing[@]}"
    elif ! apt_install "${missing[@]}"; then
        say "trying again with fresh package lists"
        apt-get update
        apt_install "${missing[@]}"
    fi
    allow_services
}

install_test_packages() {
    local packages=("${build_packages[@]}" "${test_packages[@]}")
    [ -n "${ETCD:-}" ] || packages+=(etcd-server etcd-client)
    # Debian's kubernetes-client conflicts with packages from elsewhere that bring a kubectl.
    command -v kubectl >/dev/null || packages+=(kubernetes-client)
    install_packages "${packages[@]}"
}

# --- Kubernetes' programs ---

cache=${XDG_CACHE_HOME:-$HOME/.cache}/fairlead
module_line() { awk -v name="$1" '$1 == name { print $2; exit }' tests/peers/go.mod; }

# Runs a command quietly, with a sign of life every 15 seconds; its output goes to a file, shown if it fails.
with_heartbeat() {
    local what=$1 log=$2 started=$SECONDS last=$SECONDS pid
    shift 2
    "$@" >"$log" 2>&1 &
    pid=$! background=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - last)) -ge 15 ]; then
            last=$SECONDS
            say "$what: $((SECONDS - started)) s so far$(tail -n 1 "$log" | cut -c 1-80 | sed 's/^\(.\)/ (\1/; s/\(.\)$/\1)/')"
        fi
    done
    background=
    if ! wait "$pid"; then
        tail -n 20 "$log" >&2
        return 1
    fi
    say "$what: done after $((SECONDS - started)) s"
}

# True if version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

go_version() { (cd / && GOTOOLCHAIN=local "$1" version 2>/dev/null) | sed -n 's/^go version go\([0-9.]*\).*/\1/p'; }

# The Go that this machine has if it is new enough for the module, else that Go fetches the newer one as a module.
prepare_go() {
    local needed=$1 directory arch
    go=$(command -v go || true)
    if [ -n "$go" ] && at_least "$(go_version "$go")" "$needed"; then return; fi
    if [ -x "$cache/go$needed/bin/go" ]; then
        go=$cache/go$needed/bin/go
        return
    fi
    if [ -z "$go" ]; then
        install_packages golang-go
        go=$(command -v go)
    fi
    say "fetching Go $needed (here is $(go_version "$go"))"
    arch=$(dpkg --print-architecture)
    directory=$(cd / && GOFLAGS='' GOTOOLCHAIN=local "$go" mod download -json "golang.org/toolchain@v0.0.1-go$needed.linux-$arch" |
        sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    [ -d "$directory" ] || return 1
    rm -rf "$cache/go$needed.new" && mkdir -p "$cache" && cp -r "$directory" "$cache/go$needed.new"
    # A module has no executable files.
    chmod -R u+w "$cache/go$needed.new"
    chmod +x "$cache/go$needed.new"/bin/* "$cache/go$needed.new"/pkg/tool/*/*
    mv "$cache/go$needed.new" "$cache/go$needed"
    go=$cache/go$needed/bin/go
}

# To be run in a subshell.
build_program() {
    local name=$1 version=$2 target=$3 minor package=k8s.io/component-base/version
    minor=$(printf '%s' "$version" | cut -d . -f 2)
    cd tests/peers
    # In place of this shell, so that whoever ends the set-up ends the build.
    CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local exec nice -n 10 "$go" build -trimpath -o "$target.new" \
        -ldflags "-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor" \
        "k8s.io/kubernetes/cmd/$name"
}

# install_program NAME HOW-LONG: one of Kubernetes' programs, unless $NAME (as KUBE_APISERVER) is a file to take in its place.
install_program() {
    local name=$1 duration=$2 version target variable
    variable=$(printf '%s' "$name" | tr a-z- A-Z_)
    version=$(module_line k8s.io/kubernetes)
    target=${!variable:-$cache/bin/$name-$version}
    if [ -x "$target" ]; then
        say "$name is there: $target"
        return
    fi
    [ -z "${!variable:-}" ] || fail "$variable=${!variable} is not a program"
    mkdir -p "$cache/bin"
    say "$name $version is built once ($duration) and then kept: $target"
    if ! prepare_go "$(module_line go)" ||
        ! with_heartbeat "$name: build" "$cache/build-$name.log" build_program "$name" "$version" "$target"; then
        fail "$name $version could not be built (is the Go module proxy in reach?); name one by $variable=FILE"
    fi
    mv "$target.new" "$target"
}

install_apiserver() { install_program kube-apiserver "some 15 minutes on one core"; }
# Half of it is what the kube-apiserver is made of.
install_kubeadm() { install_program kubeadm "a minute on one core after the kube-apiserver, else some seven"; }

# --- podman's base image ---

base_image=docker.io/library/debian:bookworm-slim

# The image's store is that of tests/lab/podman.py.
store_podman() { podman --root "$cache/containers" --runroot /run/fairlead-containers "$@"; }

# From a registry where one can be reached, else made of Debian's packages as that image is.
install_base_image() {
    local directory
    if store_podman image exists "$base_image"; then
        say "$base_image is there"
        return
    fi
    if with_heartbeat "$base_image: pull" "$cache/base-image.log" store_podman pull -q "$base_image"; then return; fi
    say "no registry has $base_image; debootstrap makes it"
    directory=$(mktemp -d)
    if with_heartbeat "$base_image: debootstrap" "$cache/base-image.log" \
        debootstrap --variant=minbase bookworm "$directory/root" http://deb.debian.org/debian; then
        tar -C "$directory/root" -c . | store_podman import - "$base_image"
        rm -rf "$directory"
    else
        rm -rf "$directory"
        fail "debootstrap could not make $base_image"
    fi
}

case "${1:-}" in
build) install_packages "${build_packages[@]}" ;;
packages) install_test_packages ;;
apiserver) install_apiserver ;;
kubeadm) install_kubeadm ;;
analysis) install_packages "${analysis_packages[@]}" ;;
image)
    mkdir -p "$cache"
    install_packages "${image_packages[@]}"
    install_base_image
    ;;
test)
    install_test_packages
    install_apiserver
    install_kubeadm
    ;;
*)
    sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
