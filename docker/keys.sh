#!/bin/sh
# Makes the keys of compose.yml, once: in each folder of /keys those of one service and no other.
#
#     a, b         link.crt, link.key, link-ca.crt    of a side, for the link to the other one
#     a, b         etcd.crt, etcd.key, etcd-ca.crt    of a side as a client of etcd
#     a, b         mirrors..., followers...           of a side, for those who come to it
#     etcd         etcd.crt, etcd.key, ca.crt         of etcd
#     mirror, mirror-2       mirrors.crt, mirrors.key, mirrors-ca.crt
#     forwarder    followers.crt, followers.key, followers-ca.crt
#     cluster-a, cluster-b   cluster.crt, cluster.key, cluster-ca.crt
set -eu

readonly SIDE_USER=1790 ETCD_USER=2379
readonly KEYS="${KEYS:-/keys}"
work=$(mktemp -d)

# give FILE USER TO: to read for that user alone. Root without FOWNER changes the mode of what is its own.
give() {
  rm -f "$KEYS/$3"
  cp "$work/$1" "$KEYS/$3"
  chmod 0400 "$KEYS/$3"
  chown "$2:$2" "$KEYS/$3"
}

# give_to SERVICE SIDE SET: the keys of a side in a set, to a service of ts-bgp.
give_to() {
  give "$3/$2.crt" "$SIDE_USER" "$1/$3.crt"
  give "$3/$2.key" "$SIDE_USER" "$1/$3.key"
  give "$3/ca.crt" "$SIDE_USER" "$1/$3-ca.crt"
}

# make SET CLUSTER SIDE...: a set of keys. The name in its certificates is what each end looks for at the other.
make() {
  set_name=$1 cluster=$2
  shift 2
  for side in "$@"; do set -- "$@" --side "$side" && shift; done
  tsbgp keys "$work/$set_name" --cluster "$cluster" "$@" > /dev/null
}

# Each set has a file that is given last: with it all others are there.
if [ ! -e "$KEYS/etcd/ca.crt" ]; then
  make link rs1 a b
  make etcd etcd etcd a b
  for side in a b; do
    give_to "$side" "$side" link
    give_to "$side" "$side" etcd
  done
  give etcd/etcd.crt "$ETCD_USER" etcd/etcd.crt
  give etcd/etcd.key "$ETCD_USER" etcd/etcd.key
  give etcd/ca.crt "$ETCD_USER" etcd/ca.crt
fi
if [ ! -e "$KEYS/mirror/mirrors-ca.crt" ] || [ ! -e "$KEYS/mirror-2/mirrors-ca.crt" ]; then
  make mirrors rs1-mirrors a b m1 m2
  for side in a b; do give_to "$side" "$side" mirrors; done
  give_to mirror m1 mirrors
  give_to mirror-2 m2 mirrors
fi
if [ ! -e "$KEYS/forwarder/followers-ca.crt" ]; then
  make followers followers a b forwarder
  for side in a b; do give_to "$side" "$side" followers; done
  give_to forwarder forwarder followers
fi
if [ ! -e "$KEYS/cluster-b/cluster-ca.crt" ]; then
  make cluster cluster a b
  for side in a b; do give_to "cluster-$side" "$side" cluster; done
fi
rm -r "$work"
