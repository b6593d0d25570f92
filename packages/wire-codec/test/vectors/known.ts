/** Every vector that this codec judges or reads otherwise than its source, and why. */

export interface Known {
  /** Identifiers, or their beginnings when they end with `*`. */
  ids: readonly string[];
  why: string;
}

export const KNOWN: readonly Known[] = [
  {
    ids: [
      "frr-topo-treat_as_withdraw-as4path-flag-nontrans-ebgp",
      "frr-topo-treat_as_withdraw-as4path-seg-type-0-ebgp",
      "frr-topo-treat_as_withdraw-as4path-seg-type-0-ibgp",
      "gobgp-rs-MalformedAs4Path",
    ],
    why:
      "AS4_PATH between speakers of 4-octet AS numbers is discarded, whatever is in it (RFC 6793 " +
      "section 4.1); a malformed one from others as well (section 6). FRR and GoBGP withdraw.",
  },
  {
    ids: [
      "exabgp-api-check-3",
      "exabgp-api-healthcheck-withdraw-2",
      "exabgp-api-multiple-api-2",
      "exabgp-api-multiple-api-3",
      "exabgp-conf-attributes-3",
      "exabgp-conf-ipself4-1",
    ],
    why:
      "Next hop ::1, 127.0.0.1 or 255.255.255.255 is no address of a host: RFC 4271 section 6.3, " +
      "withdrawn by FRR and GoBGP too; ExaBGP passes on what it is told.",
  },
  {
    ids: ["exabgp-conf-generic-attribute-2", "exabgp-conf-generic-attribute-3"],
    why:
      "Attribute 0x99 with the flags of a well-known one: unrecognized well-known attribute, " +
      "RFC 4271 section 6.3; ExaBGP sends any attribute it is told to.",
  },
  {
    ids: ["biord-TestDecodeUpdateMsg-14"],
    why:
      "Attribute 111 with the flags of a well-known one: unrecognized well-known attribute, " +
      "RFC 4271 section 6.3; bio-rd keeps it.",
  },
  {
    ids: ["biord-TestDecodeUpdateMsg-5", "biord-TestDecodeUpdateMsg-7"],
    why: "Attribute flags 255: RFC 7606 section 3 c; bio-rd does not look at flags.",
  },
  {
    ids: ["biord-TestDecodeNotificationMsg-*"],
    why:
      "Error codes and subcodes that bio-rd does not know. A NOTIFICATION ends the session " +
      "whatever it says, and there is no way to report a fault in one (RFC 4271 section 6.4).",
  },
  {
    ids: ["biord-TestDecode-6"],
    why:
      "ROUTE-REFRESH of an unknown family with an unknown subtype and trailing octets: ignored " +
      "by RFC 2918 section 4 and RFC 7313 section 5, no fault.",
  },
  {
    ids: ["frr-cap-3-minsize"],
    why:
      "Capability 3 (ORF, RFC 5291) is not implemented, so it is ignored whatever its length " +
      "(RFC 5492 section 3).",
  },
  {
    ids: ["frr-cap-45-DynCapMPCpadded"],
    why: "The CAPABILITY message is a draft and never asked for: bad message type, RFC 4271 6.1.",
  },
  {
    ids: ["frr-mp-14-*", "frr-mp-16-*", "bgp-BgpMessageSerializerTest-L881-0"],
    why:
      "A malformed prefix inside a family that this speaker does not route: its NLRI are ignored " +
      "unread, RFC 7606 section 5.4.",
  },
  {
    ids: ["gobgp-prefix_sid_test-L260-0"],
    why: "GoBGP 3.10 cannot read this MUP route; the family is not routed and not read here.",
  },
  {
    ids: ["frr-mp-35-*", "frr-mp-36-*"],
    why:
      "SRv6 service sub-TLVs (RFC 9252) are not used here; a Prefix-SID whose TLVs fill it " +
      "exactly is passed on.",
  },
  {
    ids: ["frr-topo-attr_discard-unknown-fe-transitive-ibgp"],
    why:
      "Unknown optional transitive attribute 254: kept with the Partial bit, RFC 4271 section 5; " +
      "the table's row only says that the route is accepted.",
  },
  {
    ids: ["gobgp-rs-MalformedMpReachNlri"],
    why:
      "MP_REACH_NLRI with wrong flags, AFI 4386 and a next hop beyond its end: its routes cannot " +
      "be found, hence session reset by RFC 7606 sections 3 j and 7.11, as in FRR.",
  },
  {
    ids: ["pcap-bgp-rs-BGP_AS_set.cap-6"],
    why: "AS_SET: treat-as-withdraw by RFC 9774; Wireshark does not judge.",
  },
  {
    ids: ["bgpkit-parser-raw_bytes-L315-0"],
    why: "NLRI without path attributes: shown here and by GoBGP, not by Wireshark.",
  },
];
