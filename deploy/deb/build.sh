#!/bin/sh
# build.sh - builds the Debian package: deploy/deb/build.sh [OUTPUT-FOLDER]; prints the file's name.
# SPDX-License-Identifier: Apache-2.0
#
# The package's version is that of meson.build; its dependencies are what dpkg-shlibdeps finds in the
# program. The configuration is readable by all: secrets belong into files that it names ({file: PATH}).
set -eu
repo=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "${1:-.}" && cd "${1:-.}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

"$repo/deploy/build.sh" "$work/build" --prefix=/usr >&2
DESTDIR="$work/root" meson install -C "$work/build" --strip >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    exit 70
}
version=$(meson introspect "$work/build" --projectinfo | sed -n 's/.*"version": "\([^"]*\)".*/\1/p')
arch=$(dpkg --print-architecture)
root=$work/root

gzip -9n "$root"/usr/share/man/man1/chatmill.1
install -D -m 644 -t "$root/usr/lib/systemd/system" "$repo"/deploy/systemd/*.service "$repo"/deploy/systemd/*.timer
install -D -m 644 "$repo/deploy/chatmill.yaml" "$root/etc/chatmill/chatmill.yaml"
install -D -m 644 "$repo/LICENSE" "$root/usr/share/doc/chatmill/copyright"
install -D -m 644 -t "$root/usr/share/doc/chatmill" "$repo"/docs/*.md "$repo/deploy/prometheus/alerts.yaml" \
    "$repo/deploy/grafana/chatmill.json" "$repo/schemas/config.schema.json"
mkdir -p "$root/usr/share/chatmill" "$root/DEBIAN" "$work/debian"
cp -R "$repo/rules" "$root/usr/share/chatmill/rules"

# dpkg-shlibdeps wants a debian/control beside it.
printf 'Source: chatmill\n\nPackage: chatmill\nArchitecture: %s\n' "$arch" >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/chatmill" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "build.sh: dpkg-shlibdeps found no dependencies" >&2; exit 70; }
cat >"$root/DEBIAN/control" <<END
Package: chatmill
Version: $version
Architecture: $arch
Maintainer: chatmill <chatmill@localhost>
Depends: $depends
Section: net
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Description: turns archived customer conversations into tags, stages and alerts
 Consumers pull archived WeCom messages from Kafka, keyword rules are matched
 over folded text, and events go out exactly once to Kafka and PostgreSQL.
END
echo /etc/chatmill/chatmill.yaml >"$root/DEBIAN/conffiles"
dpkg-deb --root-owner-group --build "$root" "$out/chatmill_${version}_$arch.deb" >&2
echo "$out/chatmill_${version}_$arch.deb"
