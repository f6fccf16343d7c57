#!/bin/sh
# Run in a bare Debian root by deb_try.sh: installs /package.deb, runs it, removes it.
set -eu
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST DEBIAN_FRONTEND=noninteractive
say() { printf 'try: %s\n' "$*"; }
fail() { printf 'try: FAILED: %s\n' "$*"; exit 1; }

apt-get update -qq
apt-get install -qq -y --no-install-recommends /package.deb >/install.log 2>&1 || { tail -n 20 /install.log; fail 'apt-get install'; }
package=$(dpkg-deb -f /package.deb Package)
say "installed $package $(dpkg-query -W -f '${Version}' "$package") with $(grep -c '^Setting up' /install.log) packages"

missing=$(find /opt/face_attributes -type f \( -name '*.so*' -o -path '*/lib/face_attributes/*' \) -exec ldd {} + | grep 'not found' || true)
[ -z "$missing" ] || fail "$missing"
say "every library resolves: $(find /opt/face_attributes -name '*.so*' | wc -l) carried"
(cd / && md5sum --quiet -c "/var/lib/dpkg/info/$package.md5sums") || fail 'md5sums'

for program in face_attributes_node image_stream facelab; do
  "$program" --help >/dev/null || fail "$program --help"
done
say "$(face_attributes_node --version); $(face_attributes_node --describe-parameters | wc -c) bytes of --describe-parameters"

# started NAME PID TEXT: waits until the program has said TEXT.
started() {
  waited=0
  until grep -q "$3" "/$1.log" 2>/dev/null; do
    kill -0 "$2" 2>/dev/null || { cat "/$1.log"; fail "$1 ended"; }
    [ "$waited" -lt 60 ] || { cat "/$1.log"; fail "$1 did not say '$3' within a minute"; }
    waited=$((waited + 1))
    sleep 1
  done
}

# interrupted NAME PID: ends it as Ctrl-C does.
interrupted() {
  kill -INT "$2"
  status=0
  wait "$2" || status=$?
  [ "$status" -eq 0 ] || { cat "/$1.log"; fail "$1: exit code $status on SIGINT"; }
}

face_attributes_node --ros-args -r __ns:=/face >/node.log 2>&1 &
node=$!
started node "$node" 'ready: '
interrupted node "$node"
say 'the node started, and ended with 0 on SIGINT. It said:'
cat /node.log

if [ -f /video.mp4 ]; then
  image_stream /video.mp4 >/image_stream.log 2>&1 &
  stream=$!
  # Its exit code says whether there is something to do, and a frame rate may be: what it saw counts here.
  face_attributes_node --doctor 5 --ros-args -r __ns:=/face >/doctor.log 2>&1 || true
  cat /doctor.log
  grep -Eq '^faces +in [1-9]' /doctor.log || fail '--doctor saw no face in the video'
  interrupted image_stream "$stream"
else
  say 'no video (scripts/fetch-media): perception was not tried'
fi

apt-get purge -qq -y "$package" >/dev/null 2>&1 || fail 'apt-get purge'
[ ! -e /opt/face_attributes ] || fail "left behind: $(find /opt/face_attributes | head)"
say 'removed; nothing is left in /opt/face_attributes'
