#!/bin/sh
# zebra and bgpd in one container, which ends when bgpd does. bgpd says no to a configuration that it
# does not understand only in its log, so that goes to the container's output.
set -eu
install -m 640 -o frr -g frr /etc/ts-bgp-client/frr.conf /etc/frr/frr.conf
: > /etc/frr/zebra.conf
/usr/lib/frr/zebra -d -P 0 -f /etc/frr/zebra.conf --log stdout
# A bgpd that finds no zebra tries again only ten seconds later.
until [ -S /run/frr/zserv.api ]; do sleep 0.1; done
# -n: routes stay out of the kernel.
exec /usr/lib/frr/bgpd -n -P 0 -f /etc/frr/frr.conf --log stdout
