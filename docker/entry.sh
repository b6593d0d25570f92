#!/bin/sh
# `tsbgp` in the image: goes from the container's root to an unprivileged user, and has it keep those
# capabilities that nonstop routing needs, also in the tools that it starts (iptables, nft).
#
# Docker gives capabilities to root alone, and a file capability would be void with
# no-new-privileges; so the container begins as root, with nothing but this:
#
#   NET_ADMIN            TCP repair, packet queue, rules, service addresses
#   NET_RAW              gratuitous ARP and neighbor advertisements (mode address)
#   SYS_NICE             heartbeats and the gate do not wait behind a busy host
#   NET_BIND_SERVICE     port 179, where the container's sysctls do not allow it to everybody
#   SETUID, SETGID       this change of the user; nobody has them afterwards
#
# Of the first four, those that the container was not given are left out; the speaker says what it
# lacks. A container that was started as another user (`user:`, runAsUser) stays that user.
set -eu

readonly USER_ID=1790
readonly MAIN=/opt/ts-bgp/packages/cli/bin/tsbgp.mjs

permitted=0
while read -r name value; do
  if [ "$name" = CapPrm: ]; then permitted=$((0x$value)); fi
done < /proc/self/status

# has BIT: whether the capability of this number can be had.
has() { [ $(((permitted >> $1) & 1)) = 1 ]; }

if [ "$(id -u)" != 0 ]; then exec node "$MAIN" "$@"; fi

if ! has 6 || ! has 7; then
  if [ "${1:-}" = run ] || [ "${1:-}" = spare ]; then
    echo "tsbgp: runs as root: SETUID and SETGID are missing to become another user" \
      "(cap_add: [SETUID, SETGID])" >&2
    # That of the image belongs to the user that this could not become, so root's sockets may not be
    # there. Without it the speaker makes one of its own.
    if [ "$(stat -c %u /run/ts-bgp 2> /dev/null)" = "$USER_ID" ]; then
      rmdir /run/ts-bgp 2> /dev/null || true
    fi
  fi
  exec node "$MAIN" "$@"
fi

# Sockets go here, into a directory that only this user can write to, and so has to make: root has no right
# to give one away. /run, which root has, lets everybody make one for that moment. Where it does so for good
# (a tmpfs of Kubernetes) it keeps the sticky bit, without which everybody could replace it as well.
if [ ! -e /run/ts-bgp ]; then
  mode=$(stat -c %a /run)
  chmod 1777 /run 2> /dev/null || true
  setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups \
    sh -c 'umask 077; mkdir /run/ts-bgp' 2> /dev/null || true
  case $mode in *777) ;; *) chmod "$mode" /run 2> /dev/null || true ;; esac
fi

kept=-all
if has 12; then kept="$kept,+net_admin"; fi
if has 13; then kept="$kept,+net_raw"; fi
if has 23; then kept="$kept,+sys_nice"; fi
if has 10; then kept="$kept,+net_bind_service"; fi
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --no-new-privs \
  --inh-caps "$kept" --ambient-caps "$kept" node "$MAIN" "$@"
