#!/bin/sh
# Lays out the file system of the image: image_root.sh PROGRAM DIRECTORY. Run by the Dockerfile, inside its build stage.
#
# The program, stripped; the dynamic linker and the libraries that the program asks for, at the paths where it looks;
# the licences of all of them, and what it all consists of (sbom.sh). Everything is readable for all, writable for nobody, and dated by $SOURCE_DATE_EPOCH
# (default: 1970), so that the same input gives the same bytes.
set -eu
program=$1 root=$2

rm -rf "$root"
install -D -m 0555 "$program" "$root/usr/local/bin/fairlead"
strip "$root/usr/local/bin/fairlead"

# "libssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)"
libraries=$(ldd "$program" | sed -n 's/^[[:space:]]*\([^ ]* => \)\{0,1\}\(\/[^ ]*\) (0x.*/\2/p')
if ldd "$program" | grep -q 'not found'; then
    ldd "$program" >&2
    exit 1
fi
for library in $libraries; do
    install -D -m 0555 "$(readlink -f "$library")" "$root$library"
    # Debian's /lib is a link, dpkg may know the file under either name.
    package=$(dpkg -S "$library" "/usr$library" "${library#/usr}" "$(readlink -f "$library")" 2>/dev/null | head -n 1 | cut -d : -f 1)
    [ -n "$package" ] || { echo "no package owns $library" >&2; exit 1; }
    install -D -m 0444 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
install -D -m 0444 LICENSE "$root/usr/share/doc/fairlead/copyright"
"$(dirname "$0")/sbom.sh" "$(dirname "$program")" >"$root/usr/share/doc/fairlead/sbom.cdx.json"
chmod 0444 "$root/usr/share/doc/fairlead/sbom.cdx.json"

# Mount points of the pod, and one for tools that want a place for temporary files.
mkdir -p "$root/etc/kubernetes" "$root/var/lib/fairlead"
# Without it the resolver asks no name server for a name in backends.kubernetes.server.
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod 0444 "$root/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/usr/sbin/nologin\n' >"$root/etc/passwd"
chmod 0444 "$root/etc/passwd"
find "$root" -type d -exec chmod 0555 {} +
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
