"""What arouteserver's options are in the words of ts-bgp's policies: prefixes, communities, rules."""

KINDS = (("std", "community"), ("lrg", "large-community"), ("ext", "extended-community"))

# What peer_as stands for when clients' requests are taken off: AS numbers in public use. What is
# for private ones may be a mark of the route server itself, which arouteserver allows.
PUBLIC_16 = "1-64511"
PUBLIC_32 = "1-64511,131072-4199999999"


def version(address):
    return 6 if ":" in str(address) else 4


def prefix_entry(entry):
    """An entry of one of arouteserver's prefix lists, as "192.0.2.0/24 le 28"."""
    length = entry["length"]
    text = "%s/%d" % (entry["prefix"], length)
    if entry.get("exact"):
        return text
    least = entry.get("ge") or length
    most = entry.get("le") or (32 if version(entry["prefix"]) == 4 else 128)
    if least > length:
        return "%s ge %d le %d" % (text, least, most)
    return "%s le %d" % (text, most) if most > length else text


def is_set(community):
    return bool(community) and any(community.get(kind) for kind, _ in KINDS)


def patterns(community, peer_16="$peer-as", peer="$peer-as", dyn_val=None):
    """The values of a community of general.yml, by key of ts-bgp.

    Args:
        peer_16, peer: what stands for "peer_as", in standard communities and in others.
        dyn_val: what stands for "dyn_val".
    """
    found = {}
    for kind, key in KINDS:
        value = (community or {}).get(kind)
        if not value:
            continue
        fields = {"peer_as": peer_16 if kind == "std" else peer, "dyn_val": dyn_val}
        found[key] = ":".join(str(fields.get(part, part)) for part in value.split(":"))
    return found


def public_patterns(community, aliases):
    """Patterns for a community that clients may send, for whomever it is meant."""
    wide = PUBLIC_32
    ext = (community or {}).get("ext") or ""
    found = patterns(
        community,
        peer_16=",".join([PUBLIC_16] + [str(alias) for alias in sorted(aliases)]),
        peer=wide,
        dyn_val="*",
    )
    # Only one of both numbers of an extended community may have 32 bits.
    if "peer_as" in ext and int(ext.split(":")[1]) > 65535:
        found["extended-community"] = found["extended-community"].replace(wide, PUBLIC_16)
    return found


def has_one_of(*many):
    """The condition that a route has one of these communities; None where there are none."""
    by_key = merged(many)
    found = [{key: values[0] if len(values) == 1 else values} for key, values in by_key.items()]
    return any_of(found)


def change(what, *many):
    """A change of communities: `what` is add or remove."""
    return {key: {what: values} for key, values in merged(many).items()}


def merged(many):
    by_key = {}
    for found in many:
        for key, value in found.items():
            values = by_key.setdefault(key, [])
            if value not in values:
                values.append(value)
    return by_key


def any_of(conditions):
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else {"any": conditions}


def rule(name, condition=None, changes=None, then=None, **more):
    found = {"name": name}
    if condition is not None:
        found["if"] = condition
    if changes:
        found["set"] = changes
    if then is not None:
        found["then"] = then
    found.update(more)
    return found
