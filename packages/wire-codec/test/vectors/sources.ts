/** What the expectations of each format and the oracles say, as `Facts`. */

import type { Expectation, Json, Vector } from "../../../../testkit/corpus.ts";
import { formatAsPath, formatNextHop, parseAddress, type SegmentName } from "../../src/index.ts";
import { type Facts, numeric } from "./facts.ts";

const SEGMENTS: readonly SegmentName[] = [
  "AS_SET",
  "AS_SEQUENCE",
  "AS_CONFED_SEQUENCE",
  "AS_CONFED_SET",
];

const ORIGINS = ["IGP", "EGP", "INCOMPLETE"];

const list = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

const hex = (value: number | bigint, octets: number): string =>
  BigInt(value)
    .toString(16)
    .padStart(2 * octets, "0");

function u32Hex(values: readonly number[]): string[] {
  return values.map((value) => `${value >>> 16}:${value & 0xffff}`).sort();
}

/** ExaBGP qa/encoding, qa/api, qa/decoding. */
export function exabgpFacts({ json }: Expectation): Facts {
  const open = json.neighbor.open;
  if (open !== undefined) {
    return {
      accepted: true,
      as: open.asn,
      holdTime: open.hold_time,
      bgpIdentifier: open.router_id,
      capabilities: Object.keys(open.capabilities).map(Number),
    };
  }
  const { attribute = {}, announce = {}, withdraw = {} } = json.neighbor.message.update;
  const unicast = ["ipv4 unicast", "ipv6 unicast"];
  const reached = unicast.flatMap((family) => Object.entries<Json[]>(announce[family] ?? {}));
  const facts: Facts = {
    accepted: true,
    announced: reached.flatMap(([, routes]) => routes.map(exabgpRoute)).sort(),
    withdrawn: unicast
      .flatMap((family) => (withdraw[family] ?? []) as Json[])
      .map(exabgpRoute)
      .sort(),
    med: attribute.med ?? 0,
    localPref: attribute["local-preference"] ?? 0,
    atomic: attribute["atomic-aggregate"] ?? false,
    originatorId: attribute["originator-id"] ?? "",
    clusterList: attribute["cluster-list"] ?? [],
    aggregator: (attribute.aggregator ?? "").replace(":", " "),
    communities: list<Json>(attribute.community)
      .map(([as, value]) => `${as}:${value}`)
      .sort(),
    large: list<Json>(attribute["large-community"])
      .map((fields) => fields.join(":"))
      .sort(),
    extended: list<Json>(attribute["extended-community"])
      .map(({ value }) => hex(BigInt(value), 8))
      .sort(),
    asPath: formatAsPath(
      Object.values<Json>(attribute["as-path"] ?? {}).map(({ element, value }) => ({
        type: element.toUpperCase().replaceAll("-", "_"),
        as: value,
      })),
    ),
  };
  if (attribute.origin !== undefined) facts.origin = attribute.origin.toUpperCase();
  if (reached.length > 0) facts.nextHop = reached[0]![0];
  return facts;
}

function exabgpRoute(route: Json): string {
  const id = route["path-information"];
  if (id === undefined) return route.nlri;
  const number = id.split(".").reduce((sum: number, octet: string) => sum * 256 + Number(octet), 0);
  return `${number} ${route.nlri}`;
}

/** ExaBGP's command for the message: `announce route PREFIX next-hop ADDRESS NAME VALUE ...`. */
export function exabgpCommandFacts({ command }: Expectation): Facts {
  const words: string[] = (command ?? "").replaceAll(/[[\]]/g, "").split(" ");
  const facts: Facts = { accepted: true };
  const after = (name: string) => words[words.indexOf(name) + 1];
  if (words[1] !== "route" && !words.includes("unicast")) return facts;
  if (words[1] === "eor") return { ...facts, announced: [], withdrawn: [], types: types(words) };
  if (words.includes("next-hop")) facts.nextHop = after("next-hop")!;
  facts.announced = [words.find((word) => word.includes("/"))!];
  if (words.includes("origin")) facts.origin = after("origin")!.toUpperCase();
  for (const [name, key] of [
    ["med", "med"],
    ["local-preference", "localPref"],
  ] as const) {
    if (words.includes(name)) facts[key] = Number(after(name));
  }
  if (words.includes("aggregator")) facts.aggregator = after("aggregator")!.replace(":", " ");
  const from = words.indexOf("community") + 1;
  if (from > 0) {
    const pairs = words.slice(from);
    const end = pairs.findIndex((word) => !/^\d+:\d+$/.test(word));
    facts.communities = pairs.slice(0, end < 0 ? undefined : end).sort();
  }
  return facts;
}

const types = (words: readonly string[]): number[] => (words.includes("ipv4") ? [] : [15]);

/** `bgpdump -m`: A|peer|as|prefix|path|origin|next hop|local pref|med|communities|AG|aggregator */
export function bgpdumpFacts({ lines }: Expectation): Facts {
  const rows: string[][] = lines.map((line: string) => line.split("|"));
  const announced = rows.filter(([kind]) => kind === "A");
  const facts: Facts = {
    accepted: true,
    announced: announced.map((row) => row[3]!).sort(),
    withdrawn: rows
      .filter(([kind]) => kind === "W")
      .map((row) => row[3]!)
      .sort(),
  };
  const [row] = announced;
  if (row === undefined) return facts;
  return {
    ...facts,
    asPath: row[4]!,
    origin: row[5]!,
    nextHop: plainAddress(row[6]!),
    localPref: Number(row[7]),
    med: Number(row[8]),
    communities: row[9]!
      .split(" ")
      .filter((text) => /^(\d+:\d+|[a-z-]+)$/.test(text))
      .map(numeric)
      .sort(),
    atomic: row[10] === "AG",
    aggregator: row[11]!,
  };
}

/** The same address as RFC 5952 writes it; `inet_ntop` shortens single zero groups too. */
function plainAddress(text: string): string {
  const address = parseAddress(text);
  return address === null ? text : formatNextHop(address, 0, address.length);
}

/** FRR tests/bgpd/test_aspath.c: the path as FRR prints it, sets sorted and without repetitions. */
export function frrAsPathFacts({ as_path }: Expectation): Facts {
  return { asPath: as_path };
}

export function sortedSets(path: string): string {
  return path.replaceAll(/([{[])([\d,]+)([}\]])/g, (_, open, members, close) => {
    const distinct = [...new Set<string>(members.split(","))];
    return open + distinct.sort((a, b) => Number(a) - Number(b)).join(",") + close;
  });
}

/** Wireshark's dissection, `tshark -T json`. */
export function tsharkJsonFacts({ bgp }: Expectation): Facts {
  if (bgp["bgp.type"] === "1") return tsharkOpen(bgp);
  if (bgp["bgp.type"] !== "2") return { accepted: true };
  const attributes: Json[] = list(bgp["bgp.update.path_attributes"]?.["bgp.update.path_attribute"]);
  const facts: Facts = {
    accepted: true,
    types: attributes
      .map((attribute) => Number(attribute["bgp.update.path_attribute.type_code"]))
      .sort((a, b) => a - b),
    announced: [
      ...prefixesOf(bgp["bgp.update.nlri"], "bgp.nlri_prefix"),
      ...attributes.flatMap((attribute) =>
        prefixesOf(
          attribute["bgp.update.path_attribute.mp_reach_nlri"],
          "bgp.mp_reach_nlri_ipv6_prefix",
        ),
      ),
    ].sort(),
    withdrawn: prefixesOf(bgp["bgp.update.withdrawn_routes"], "bgp.withdrawn_prefix").sort(),
  };
  for (const attribute of attributes) tsharkAttribute(facts, attribute);
  return facts;
}

/** Keys are prefixes for unicast; tshark names families with labels otherwise. */
function prefixesOf(field: Json, key: string): string[] {
  return Object.entries<Json>(field ?? {})
    .filter(([, route]) => route?.[key] !== undefined && route["bgp.label_stack"] === undefined)
    .map(([prefix]) => prefix);
}

function tsharkAttribute(facts: Facts, attribute: Json): void {
  const field = (name: string) => attribute[`bgp.update.path_attribute.${name}`];
  const type = Number(field("type_code"));
  if (type === 1) facts.origin = ORIGINS[Number(field("origin"))]!;
  if (type === 2) facts.asPath = tsharkPath(list(field("as_path_segment")));
  if (type === 3 && facts.nextHop === undefined) facts.nextHop = field("next_hop");
  if (type === 4) facts.med = Number(field("multi_exit_disc"));
  if (type === 5) facts.localPref = Number(field("local_pref"));
  if (type === 9) facts.originatorId = field("originator_id");
  if (type === 14 && field("mp_reach_nlri.safi") === "1") {
    const tree = field("mp_reach_nlri.next_hop_tree");
    facts.nextHop = Object.values<string>(tree)[0]!;
  }
  if (type === 8) {
    facts.communities = list<Json>(field("communities")?.["bgp.update.path_attribute.community"])
      .map((community) => {
        const part = (name: string) => community[`bgp.update.path_attribute.community_${name}`];
        return `${part("as")}:${part("value")}`;
      })
      .filter((text) => !text.includes("undefined"))
      .sort();
    if (facts.communities.length === 0) delete facts.communities;
  }
}

function tsharkPath(segments: Json[]): string {
  return formatAsPath(
    segments.map((segment) => {
      const field = (name: string) => segment[`bgp.update.path_attribute.as_path_segment.${name}`];
      return {
        type: SEGMENTS[Number(field("type")) - 1]!,
        as: list<string>(field("as4") ?? field("as2")).map(Number),
      };
    }),
  );
}

function tsharkOpen(bgp: Json): Facts {
  const parameters: Json[] = list(bgp["bgp.open.opt"]?.["bgp.open.opt.param"]);
  return {
    accepted: true,
    myAs: Number(bgp["bgp.open.myas"]),
    holdTime: Number(bgp["bgp.open.holdtime"]),
    bgpIdentifier: bgp["bgp.open.identifier"],
    capabilities: parameters
      .flatMap((parameter) => list<Json>(parameter["bgp.cap"]))
      .map((capability) => Number(capability["bgp.cap.type"])),
  };
}

/** The short dissection that stands beside every vector. */
export function tsharkOracleFacts(oracle: Expectation): Facts {
  const facts: Facts = {
    types: [...oracle["attr_types"]].sort((a: number, b: number) => a - b),
    withdrawnFieldAddresses: [...oracle["withdrawn"]].sort(),
  };
  // The list was cut at 50.
  if (oracle["nlri"].length < 50) facts.fieldAddresses = [...oracle["nlri"]].sort();
  return facts;
}

/** GoBGP's packet library, without its checks of content. */
export function gobgpFacts(oracle: Expectation, vector: Vector): Facts {
  if (oracle["error"] !== undefined) return { accepted: false };
  const body = oracle["decoded"]?.Body;
  if (body === undefined) return {};
  if (vector.kind === "open") {
    return { myAs: body.MyAS, holdTime: body.HoldTime, bgpIdentifier: body.ID };
  }
  if (vector.kind === "notification") {
    return { code: body.ErrorCode, subcode: body.ErrorSubcode };
  }
  if (vector.kind !== "update") return {};
  const attributes: Json[] = body.PathAttributes ?? [];
  const facts: Facts = {
    types: attributes.map(({ type }) => type).sort((a, b) => a - b),
  };
  for (const attribute of attributes) gobgpAttribute(facts, attribute);
  if (vector.add_path) return facts;
  const mp = (type: number) =>
    attributes
      .filter(({ type: found, afi, safi }) => found === type && safi <= 2 && afi <= 2)
      .flatMap(({ value }) => value ?? []);
  const prefixes = (routes: Json[]) => routes.map(({ prefix }) => prefix).sort();
  facts.announced = prefixes([...(body.NLRI ?? []), ...mp(14)]);
  facts.withdrawn = prefixes([...(body.WithdrawnRoutes ?? []), ...mp(15)]);
  return facts;
}

function gobgpAttribute(facts: Facts, { type, ...attribute }: Json): void {
  if (type === 1) facts.origin = ORIGINS[attribute.value]!;
  if (type === 2) {
    facts.asPath = formatAsPath(
      (attribute.as_paths ?? []).map(({ segment_type, asns }: Json) => ({
        type: SEGMENTS[segment_type - 1],
        as: asns,
      })),
    );
  }
  if (type === 4) facts.med = attribute.metric;
  if (type === 5) facts.localPref = attribute.value;
  if (type === 7) facts.aggregator = `${attribute.as} ${attribute.address}`;
  if (type === 8) facts.communities = u32Hex(attribute.communities);
  if (type === 9) facts.originatorId = attribute.value;
  if (type === 10) facts.clusterList = attribute.value;
  if (type === 32) {
    facts.large = attribute.value
      .map(({ ASN, LocalData1, LocalData2 }: Json) => `${ASN}:${LocalData1}:${LocalData2}`)
      .sort();
  }
}

/** Go test literals: the prefixes, addresses and numbers that stand in them. */
export function goLiteralFacts({ text }: Expectation): Facts {
  const prefixes = (field: string) => {
    const part = new RegExp(`\\b${field}: \\[\\][\\w.]+\\{(.*?)\\}, [a-z}]`, "i").exec(text)?.[1];
    return [...(part ?? "").matchAll(/MustParsePrefix\("([^"]+)"\)(?:, (?:ID: )?(\d+))?/g)].map(
      ([, prefix, id]) => (id === undefined ? prefix! : `${id} ${prefix}`),
    );
  };
  const facts: Facts = {
    accepted: true,
    announced: [
      ...prefixes("nlri"),
      ...prefixes("ipv6NLRI"),
      ...prefixes("addPathNLRI"),
      ...prefixes("addPathIPv6NLRI"),
    ].sort(),
    withdrawn: [
      ...prefixes("withdrawn"),
      ...prefixes("ipv6Withdrawn"),
      ...prefixes("addPathWithdrawn"),
      ...prefixes("addPathIPv6Withdrawn"),
    ].sort(),
  };
  const path = /asPath: \[\]uint32\{([\d, ]+)\}/.exec(text)?.[1];
  if (path !== undefined) facts.asPath = path.replaceAll(",", "");
  return facts;
}
