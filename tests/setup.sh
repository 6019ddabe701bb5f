#!/usr/bin/env bash
# Installs what fairlead's build and tests need on a bare Debian 12, as root. What is there already is left alone,
# so a second call costs a moment.
#
#   tests/setup.sh build       the packages that the build needs
#   tests/setup.sh test        everything for the tests: packages, and the real kube-apiserver and kubeadm
#   tests/setup.sh packages    of `test`, the packages alone
#   tests/setup.sh apiserver   of `test`, the kube-apiserver alone
#   tests/setup.sh kubeadm     of `test`, kubeadm alone
#   tests/setup.sh analysis    for the steps cppcheck and valgrind of tests/run.sh
#   tests/setup.sh oldest      the kube-apiserver of Kubernetes 1.20, for tests/cluster with KUBE_APISERVER
#   tests/setup.sh image       for tests/image: podman, and debian:bookworm-slim as its base image
#
# The programs of Kubernetes are built from the modules that tests/peers/go.mod and tests/peers/oldest/go.mod name, once, into
# ~/.cache/fairlead/bin. $KUBE_APISERVER, $KUBEADM and $ETCD name binaries to take instead.
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

analysis_packages=(cppcheck valgrind libc6-dbg)
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
# The Go that Kubernetes 1.20 was released with. What its module pins is of that time, too.
oldest_go=1.15.15
# The version that a module directory's go.mod names: of Go, or of a module that it requires.
module_line() { awk -v name="$2" '$1 == "require" { $1 = ""; $0 = $0 } $1 == name { print $2; exit }' "$1/go.mod"; }

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

# Sets $go: the Go that this machine has if it is new enough for the module, else that Go fetches the newer one as a module.
prepare_go() {
    go=$(command -v go || true)
    if [ -n "$go" ] && at_least "$(go_version "$go")" "$1"; then return; fi
    fetch_go "$1"
}

# Sets $go: exactly this version.
fetch_go() {
    local version=$1 directory arch
    go=$cache/go$version/bin/go
    if [ -x "$go" ]; then return; fi
    go=$(command -v go || true)
    if [ -z "$go" ]; then
        install_packages golang-go
        go=$(command -v go)
    fi
    say "fetching Go $version (here is $(go_version "$go"))"
    arch=$(dpkg --print-architecture)
    directory=$(cd / && GOFLAGS='' GOTOOLCHAIN=local "$go" mod download -json "golang.org/toolchain@v0.0.1-go$version.linux-$arch" |
        sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    [ -d "$directory" ] || return 1
    rm -rf "$cache/go$version.new" && mkdir -p "$cache" && cp -r "$directory" "$cache/go$version.new"
    # A module has no executable files.
    chmod -R u+w "$cache/go$version.new"
    chmod +x "$cache/go$version.new"/bin/* "$cache/go$version.new"/pkg/tool/*/*
    mv "$cache/go$version.new" "$cache/go$version"
    go=$cache/go$version/bin/go
}

# To be run in a subshell.
build_program() {
    local module=$1 name=$2 version=$3 target=$4 minor package=k8s.io/component-base/version
    minor=$(printf '%s' "$version" | cut -d . -f 2)
    cd "$module"
    # In place of this shell, so that whoever ends the set-up ends the build.
    # Old releases have the clients of whole clouds in them, unless told not to.
    CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local exec nice -n 10 "$go" build -trimpath -tags providerless -o "$target.new" \
        -ldflags "-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor" \
        "k8s.io/kubernetes/cmd/$name"
}

# The released module of Kubernetes 1.20 is without the Go file that describes its API, which that release's own build
# generates. So here: by its generator, over the packages that the API server has in it and that ask for it, into a copy of
# the module. To be run in a subshell.
build_oldest() {
    local module=$1 name=$2 version=$3 target=$4 work=$cache/oldest source package directory file inputs=()
    export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local
    rm -rf "$work" && mkdir -p "$work/build" "$work/copy"
    cp "$module/go.mod" "$module/go.sum" "$work/build/"
    cd "$work/build" || return 1
    "$go" build -o "$work/openapi-gen" k8s.io/kube-openapi/cmd/openapi-gen || return 1
    source=$("$go" list -m -f '{{.Dir}}' k8s.io/kubernetes) || return 1
    # The generator asks `go` for each package unless all lie in a GOPATH.
    "$go" list -deps -tags providerless -f '{{if not .Standard}}{{.ImportPath}} {{.Dir}}{{end}}' "k8s.io/kubernetes/cmd/$name" \
        >"$work/packages" || return 1
    while read -r package directory; do
        mkdir -p "$work/gopath/src/$package"
        for file in "$directory"/*.go; do
            case $file in *_test.go) ;; *) ln -s "$file" "$work/gopath/src/$package/" ;; esac
        done
        if grep -qsE '^[[:space:]]*// *\+k8s:openapi-gen=' "$directory"/*.go; then inputs+=("$package"); fi
    done <"$work/packages"
    GO111MODULE=off GOPATH=$work/gopath GOROOT=$("$go" env GOROOT) "$work/openapi-gen" --logtostderr \
        -i "$(IFS=,; printf '%s' "${inputs[*]}")" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        -h "$source/hack/boilerplate/boilerplate.generatego.txt" -r "$work/violations" --output-base "$work/generated" || return 1
    cp -r --no-preserve=mode "$source"/{go.mod,go.sum,pkg,cmd,plugin,third_party} "$work/copy/"
    cp "$work"/generated/k8s.io/kubernetes/pkg/generated/openapi/*.go "$work/copy/pkg/generated/openapi/"
    "$go" mod edit -replace "k8s.io/kubernetes=$work/copy" || return 1
    build_program "$work/build" "$name" "$version" "$target"
}

# install_program MODULE NAME NAMED HOW-LONG: NAME of the Kubernetes that the module requires, unless the file NAMED is there
# in its place.
install_program() {
    local module=$1 name=$2 named=$3 duration=$4 version target variable
    variable=$(printf '%s' "$name" | tr a-z- A-Z_)
    version=$(module_line "$module" k8s.io/kubernetes)
    target=${named:-$cache/bin/$name-$version}
    if [ -x "$target" ]; then
        say "$name is there: $target"
        return
    fi
    [ -z "$named" ] || fail "$variable=$named is not a program"
    mkdir -p "$cache/bin"
    say "$name $version is built once ($duration) and then kept: $target"
    local prepare=(prepare_go "$(module_line "$module" go)") build=build_program
    if [ "$module" = tests/peers/oldest ]; then prepare=(fetch_go "$oldest_go") build=build_oldest; fi
    if ! "${prepare[@]}" ||
        ! with_heartbeat "$name: build" "$cache/build-$name-$version.log" "$build" "$module" "$name" "$version" "$target"; then
        fail "$name $version could not be built (is the Go module proxy in reach?); name one by $variable=FILE"
    fi
    mv "$target.new" "$target"
}

install_apiserver() { install_program tests/peers kube-apiserver "${KUBE_APISERVER:-}" "some 15 minutes on one core"; }
install_kubeadm() { install_program tests/peers kubeadm "${KUBEADM:-}" "a minute beside the kube-apiserver, alone some seven"; }
install_oldest() {
    install_program tests/peers/oldest kube-apiserver "" "some 15 minutes on one core"
    rm -rf "$cache/oldest"
}

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
oldest) install_oldest ;;
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
