"""Stands in for the package of that name, which arouteserver needs and Debian does not have."""

import ipaddress


def aggregate(prefixes):
    networks = [ipaddress.ip_network(str(prefix), strict=False) for prefix in prefixes]
    return [
        str(network)
        for version in (4, 6)
        for network in ipaddress.collapse_addresses(n for n in networks if n.version == version)
    ]
