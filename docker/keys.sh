#!/bin/sh
# Makes the keys of compose.yml, once: in /keys/a, /keys/b and /keys/etcd each its own and no other.
#
#     link.crt, link.key, link-ca.crt    of a side, for the link to the other one
#     etcd.crt, etcd.key, etcd-ca.crt    of a side as a client of etcd
#     etcd.crt, etcd.key, ca.crt         of etcd
set -eu

readonly SIDE_USER=1790 ETCD_USER=2379
readonly KEYS="${KEYS:-/keys}"

if [ -e "$KEYS/etcd/ca.crt" ]; then exit 0; fi
work=$(mktemp -d)
tsbgp keys "$work/link" --cluster rs1 > /dev/null
# The name in all certificates of etcd, which is what clients look for in that of the server.
tsbgp keys "$work/etcd" --cluster etcd --side etcd --side a --side b > /dev/null

# give FILE USER TO: to read for that user alone. Root without FOWNER changes the mode of what is its own.
give() {
  rm -f "$KEYS/$3"
  cp "$work/$1" "$KEYS/$3"
  chmod 0400 "$KEYS/$3"
  chown "$2:$2" "$KEYS/$3"
}

for side in a b; do
  for kind in crt key; do
    give "link/$side.$kind" "$SIDE_USER" "$side/link.$kind"
    give "etcd/$side.$kind" "$SIDE_USER" "$side/etcd.$kind"
  done
  give link/ca.crt "$SIDE_USER" "$side/link-ca.crt"
  give etcd/ca.crt "$SIDE_USER" "$side/etcd-ca.crt"
done
give etcd/etcd.crt "$ETCD_USER" etcd/etcd.crt
give etcd/etcd.key "$ETCD_USER" etcd/etcd.key
# Last: with it all others are there.
give etcd/ca.crt "$ETCD_USER" etcd/ca.crt
rm -r "$work"
