#!/bin/bash
# What a built agent consists of, as a CycloneDX 1.5 document on standard output: sbom.sh BUILD_DIRECTORY
#
# Asked of the build itself, so that nothing can be forgotten: the shared libraries that the program names (ldd), the
# archives that were linked into it and the headers that were compiled into it (ninja), each as the Debian package that it
# comes from, with its version. The purl of each package names its source package as well, under which Debian's security
# tracker and scanners look for CVEs. $SOURCE_DATE_EPOCH dates it (default: 1970), so that the same build gives the same bytes.
set -euo pipefail
export LC_ALL=C
[ $# -eq 1 ] || { sed -n '2,3s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$1 program=$1/fairlead
[ -x "$program" ] && [ -f "$build/build.ninja" ] || { echo "sbom.sh: there is no built agent in $build" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The files, each with how it got in: the strongest way counts.
shared_libraries() {
    if ldd "$program" | grep 'not found' >&2; then return 1; fi
    ldd "$program" | sed -n 's/^[[:space:]]*\([^ ]* => \)\{0,1\}\(\/[^ ]*\) (0x.*/\2/p'
}
inputs() { ninja -C "$build" -t inputs fairlead; }
archives() { inputs | grep '^/.*\.a$' || true; }
headers() {
    inputs | grep '\.o$' | xargs ninja -C "$build" -t deps | sed -n 's/^ \+\(\/usr\/.*\)/\1/p' | sort -u
}

# The packages of the files on standard input, one of which none owns ends the script.
packages() {
    local file
    xargs -r readlink -f | sort -u >"$scratch/files"
    # Debian 12's /lib is a link to /usr/lib, and dpkg knows a file by the name that its package has for it.
    sed 's|^/usr\(/lib.*\)|\1|' "$scratch/files" | cat - "$scratch/files" | sort -u | xargs -r dpkg -S 2>/dev/null | grep -v '^diversion by ' >"$scratch/owners" || true
    sed 's/.*: \//\//; s|^/lib|/usr/lib|' "$scratch/owners" | sort -u | comm -23 "$scratch/files" - >"$scratch/strays"
    if [ -s "$scratch/strays" ]; then
        sed 's/^/sbom.sh: no package owns /' "$scratch/strays" >&2
        return 1
    fi
    sed 's/: .*//' "$scratch/owners" | tr -d ' ' | tr ',' '\n' | sort -u
}

shared_libraries | packages >"$scratch/shared"
archives | packages >"$scratch/static"
headers | packages >"$scratch/compiled"

debian=$(. /etc/os-release && echo "$ID-$VERSION_ID")
told() { "$program" version -o json | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }
json() { sed 's/[\\"]/\\&/g' <<<"$1" | tr -d '\n'; }
# What may stand in a purl as it is; the rest of what Debian's versions are made of, in per cent.
percent() { sed 's/:/%3A/g; s/+/%2B/g; s/~/%7E/g' <<<"$1" | tr -d '\n'; }

component() {
    local package=$1 linkage=$2 name architecture package_version source source_version
    IFS='|' read -r name architecture package_version source source_version < <(
        dpkg-query -W -f '${Package}|${Architecture}|${Version}|${source:Package}|${source:Version}\n' "$package")
    printf '    {"type": "library", "bom-ref": "%s", "name": "%s", "version": "%s",\n' "$name" "$name" "$(json "$package_version")"
    printf '     "purl": "pkg:deb/debian/%s@%s?arch=%s&distro=%s&upstream=%s%%40%s",\n' "$(percent "$name")" "$(percent "$package_version")" \
        "$architecture" "$debian" "$(percent "$source")" "$(percent "$source_version")"
    printf '     "properties": [{"name": "fairlead:linkage", "value": "%s"}, {"name": "debian:source", "value": "%s"}]}' "$linkage" "$source"
}

cat <<END
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {
    "timestamp": "$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)",
    "component": {"type": "application", "bom-ref": "fairlead", "name": "fairlead", "version": "$(json "$(told version)")",
      "properties": [{"name": "fairlead:commit", "value": "$(json "$(told commit)")"}]}
  },
  "components": [
END
separator=
for linkage in shared static compiled; do
    while read -r package; do
        grep -qxF "$package" "$scratch/done" 2>/dev/null && continue
        echo "$package" >>"$scratch/done"
        printf '%b' "$separator"
        component "$package" "$linkage"
        separator=',\n'
    done <"$scratch/$linkage"
done
printf '\n  ],\n  "dependencies": [{"ref": "fairlead", "dependsOn": ['
sed 's/:.*//; s/.*/"&"/' "$scratch/done" | sort -u | paste -sd, | tr -d '\n'
printf ']}]\n}\n'
