/** Neighbors of a file: options taken from neighbor, group and defaults, checked and filled in. */

import { ACCEPT_ALL } from "@ts-bgp/policy";
import { type ParsedAddress, parseHostAddress } from "./addresses.ts";
import { pairProblem, readBfdSecret } from "./bfd.ts";
import { type Blackholes, checkBlackhole } from "./blackhole.ts";
import { builtinNames } from "./builtin.ts";
import { type Checker, listOf } from "./checker.ts";
import { checkSpeaker } from "./cluster.ts";
import type { FileNeighbor, FileOptions, FileShape } from "./file-shape.ts";
import { Layers, type Secrets } from "./layers.ts";
import { didYouMean } from "./mistakes.ts";
import { checkRestart, restartOptions } from "./restart.ts";
import type { RequiredCapability } from "./route-types.ts";
import { readMd5Secret } from "./secrets.ts";
import type { Config, NeighborConfig } from "./types.ts";
import type { Section } from "./yaml-file.ts";

/** What is the same for all neighbors. */
export type Speaker = Pick<Config, "router" | "nsr" | "cluster"> & {
  readonly blackholes: Blackholes;
};

/** Options of defaults and groups, checked once. */
export class SharedOptions {
  private readonly shape: FileShape;
  private readonly checker: Checker;
  private readonly secrets: Map<FileOptions, Secrets> = new Map();

  constructor(shape: FileShape, checker: Checker) {
    this.shape = shape;
    this.checker = checker;
    for (const options of [shape.defaults ?? {}, ...Object.values(shape.groups ?? {})]) {
      this.secrets.set(options, checkOptions(options, checker));
    }
  }

  /** @returns a section, checked, with its group and the defaults behind it */
  layersOf(section: FileOptions & { readonly group?: string }): Layers {
    const { shape, checker, secrets } = this;
    const { yaml, names } = checker;
    secrets.set(section, checkOptions(section, checker));
    const { group } = section;
    const groups: Readonly<Record<string, FileOptions>> = shape.groups ?? {};
    const isKnown = group !== undefined && names.group.defined.has(group);
    if (group !== undefined) {
      names.group.used.add(group);
      const hint = isKnown ? "" : didYouMean(group, names.group.defined);
      if (!isKnown)
        yaml.add(yaml.valueAt(section, "group"), `group "${group}" is not defined${hint}`);
    }
    const layers = [section, isKnown ? groups[group]! : {}, shape.defaults ?? {}];
    return new Layers(layers, secrets, checker);
  }
}

export function checkNeighbors(
  shape: FileShape,
  section: Section,
  shared: SharedOptions,
  speaker: Speaker,
  checker: Checker,
): NeighborConfig[] {
  const { yaml } = checker;
  const places = new Map<string, number>();
  const neighbors = shape.neighbors ?? [];
  const isEmpty = neighbors.length === 0 && (shape["dynamic-neighbors"] ?? []).length === 0;
  if (isEmpty) checker.warn(yaml.keyAt(section, "neighbors"), "no neighbors");
  return neighbors.flatMap((neighbor) => {
    const layers = shared.layersOf(neighbor);
    const address = checkNeighborAddress(neighbor, checker);
    if (address === null) return [];
    const at = yaml.valueAt(neighbor, "address");
    const first = places.get(address.text);
    if (first !== undefined) {
      const where = yaml.whereOf(first, at);
      yaml.add(at, `neighbor ${address.text} appears twice, first ${where}`);
      return [];
    }
    places.set(address.text, yaml.at(neighbor));
    const as = layers.get("as");
    if (as !== undefined) return [resolve(layers, neighbor, address, as, speaker)];
    if (!layers.wrote("as")) yaml.add(yaml.at(neighbor), `neighbor ${address.text} has no "as"`);
    return [];
  });
}

function checkNeighborAddress(neighbor: FileNeighbor, checker: Checker): ParsedAddress | null {
  const { yaml } = checker;
  const at = yaml.valueAt(neighbor, "address");
  const address = parseHostAddress(neighbor.address);
  if (typeof address === "string") {
    yaml.add(at, address);
    return null;
  }
  if (address.multicast || address.unspecified) {
    yaml.add(at, `${neighbor.address} is not the address of one neighbor`);
  } else if (address.linkLocal && !address.text.includes("%")) {
    yaml.add(
      at,
      `${neighbor.address} is link-local: its interface must follow, as in fe80::1%eth0`,
    );
  }
  return address;
}

/** Checks what stands in one section of options, wherever it applies. */
function checkOptions(options: FileOptions, checker: Checker): Secrets {
  const { yaml } = checker;
  const holdTime = options["hold-time"];
  if (holdTime === 1 || holdTime === 2) {
    const message = `"hold-time" must be 0 or at least 3 seconds (RFC 4271), not ${holdTime}`;
    yaml.add(yaml.valueAt(options, "hold-time"), message);
  }
  const holdTimeMin = options["hold-time-min"];
  if (holdTimeMin === 1 || holdTimeMin === 2) {
    const message = `"hold-time-min" must be 0 or at least 3 seconds, not ${holdTimeMin}`;
    yaml.add(yaml.valueAt(options, "hold-time-min"), message);
  }
  const localAddress = options["local-address"];
  if (localAddress !== undefined) {
    const address = parseHostAddress(localAddress);
    if (typeof address === "string") yaml.add(yaml.valueAt(options, "local-address"), address);
  }
  checkCongestionControl(options, checker);
  checkPathAttribute(options, checker);
  if (options.blackhole !== undefined) checkBlackhole(options.blackhole, checker);
  for (const key of ["import", "export"] as const) checkChain(options, key, checker);
  return {
    password: options.password === undefined ? null : readPassword(options, checker),
    bfd: readBfdSecret(options, checker),
  };
}

/** Those that routes cannot do without, and those that keep reflected routes from looping. */
const ESSENTIAL = [1, 2, 3, 14, 15];
const KEPT_FROM_LOOPING = [9, 10, 17];

function checkPathAttribute(options: FileOptions, { yaml }: Checker): void {
  const section = options["path-attribute"];
  if (section === undefined) return;
  for (const key of ["discard", "treat-as-withdraw"] as const) {
    const value = section[key] ?? [];
    const refused = key === "discard" ? [...ESSENTIAL, ...KEPT_FROM_LOOPING] : ESSENTIAL;
    for (const [k, type] of listOf(value).entries()) {
      if (!refused.includes(type)) continue;
      const at = Array.isArray(value) ? yaml.valueAt(value, k) : yaml.valueAt(section, key);
      yaml.add(at, `attribute ${type} is one that routes cannot do without`);
    }
  }
}

/** The file may be for another host, or another user: sessions do without what there is not. */
function checkCongestionControl(options: FileOptions, { yaml, sources, warn }: Checker): void {
  const name = options["congestion-control"];
  if (name === undefined) return;
  const problem = sources.congestionControlProblem?.(name) ?? "";
  if (problem === "") return;
  const at = yaml.valueAt(options, "congestion-control");
  warn(at, `${problem}: sessions have the default congestion control`);
}

/** Notes what is wrong with the names of policies under a key. */
export function checkChain(
  options: Pick<FileOptions, "import" | "export">,
  key: "import" | "export",
  checker: Checker,
): void {
  const { yaml, names } = checker;
  const value = options[key];
  const chain = value === undefined ? [] : listOf(value);
  for (const [k, name] of chain.entries()) {
    const at = Array.isArray(value) ? yaml.valueAt(value, k) : yaml.valueAt(options, key);
    names.policy.used.add(name);
    if (name === ACCEPT_ALL) {
      if (chain.length > 1) yaml.add(at, `${ACCEPT_ALL} stands alone or not at all`);
    } else if (name === "@rpki" && !checker.hasRpki) {
      yaml.add(at, `"${name}" needs a section "rpki" with caches or files`);
    } else if (!names.policy.defined.has(name) && !builtinNames("policy").includes(name)) {
      const builtin = builtinNames("policy");
      const hint = didYouMean(name, [...names.policy.defined, ...builtin, ACCEPT_ALL]);
      yaml.add(at, `policy "${name}" is not defined${hint}`);
    }
  }
}

function readPassword(options: FileOptions, checker: Checker): string {
  const at = checker.yaml.valueAt(options, "password");
  return readMd5Secret(options.password!, at, checker) ?? "";
}

/**
 * @param neighbor - its section
 * @param as - its AS number; 0 for one of several other than the own one
 */
export function resolve(
  layers: Layers,
  neighbor: { readonly group?: string },
  address: Pick<ParsedAddress, "text" | "version">,
  as: number,
  speaker: Speaker,
): NeighborConfig {
  const { yaml } = layers.checker;
  const get: Layers["get"] = (key) => layers.get(key);
  const localAs = get("local-as") ?? speaker.router.as;
  const external = as !== localAs;
  const routeServerClient = get("route-server-client") ?? false;
  const nextHop = external && !routeServerClient ? "self" : "unchanged";
  const ebgpRequiresPolicy = get("ebgp-requires-policy") ?? true;
  const chain = (key: "import" | "export") => {
    const value = get(key);
    if (value !== undefined) return listOf(value);
    return external && ebgpRequiresPolicy ? [] : [ACCEPT_ALL];
  };
  const source = yaml.sourceOf(yaml.at(neighbor));
  const config: NeighborConfig = {
    address: address.text,
    group: neighbor.group ?? "",
    source,
    dynamic: null,
    as,
    description: get("description") ?? "",
    enabled: get("enabled") ?? true,
    passive: get("passive") ?? false,
    port: get("port") ?? 179,
    localAddress: localAddressOf(get("local-address")),
    localAs,
    speaker: checkSpeaker(layers, neighbor, speaker.cluster),
    holdTime: get("hold-time") ?? 90,
    holdTimeMin: get("hold-time-min") ?? 0,
    requireCapabilities: listOf(get("require-capabilities") ?? []),
    connectRetry: get("connect-retry") ?? 120,
    delayOpen: get("delay-open") ?? 0,
    families: get("families") ?? [address.version === 4 ? "ipv4-unicast" : "ipv6-unicast"],
    routeServerClient,
    routeReflectorClient: get("route-reflector-client") ?? false,
    nextHop: get("next-hop") ?? nextHop,
    import: chain("import"),
    export: chain("export"),
    blackhole: speaker.blackholes.policyFor(layers.blackhole, chain("import"), source),
    ebgpRequiresPolicy,
    enforceFirstAs: get("enforce-first-as") ?? true,
    allowOwnAs: get("allow-own-as") ?? 0,
    asSet: get("as-set") ?? "reject",
    addPath: layers.addPath,
    extendedNextHop: get("extended-next-hop") ?? false,
    extendedMessage: get("extended-message") ?? false,
    ...restartOptions(
      layers.restartSection("graceful-restart"),
      layers.restartSection("long-lived-graceful-restart"),
    ),
    role: get("role") ?? "none",
    strictRole: get("strict-role") ?? false,
    password: layers.password,
    ttlSecurity: get("ttl-security") ?? 0,
    multihop: get("multihop") ?? 0,
    congestionControl: get("congestion-control") ?? null,
    bfd: layers.bfd((get("multihop") ?? 0) > 0),
    ...limits(layers),
    honorWellKnownCommunities: get("honor-well-known-communities") ?? !routeServerClient,
    honorGracefulShutdown: get("honor-graceful-shutdown") ?? !routeServerClient,
    pathHiding: get("path-hiding") ?? "mitigate",
    nextBest: get("next-best") ?? false,
    sendSameAs: get("send-same-as") ?? !routeServerClient,
    sendRpkiState: get("send-rpki-state") ?? false,
    acceptRpkiState: get("accept-rpki-state") ?? false,
    keepRejected: get("keep-rejected") ?? true,
    nsr: get("nsr") ?? "preferred",
    vars: layers.vars,
  };
  checkTogether(config, external, layers, neighbor);
  checkNextHop(config, layers, neighbor);
  checkProtection(config, speaker, layers);
  return config;
}

function limits(layers: Layers) {
  return {
    maxPrefix: layers.maxPrefix,
    maxPrefixAccepted: layers.maxPrefixAccepted,
    maxPrefixOut: layers.maxPrefixOut,
    maxAsPath: layers.limit("max-as-path"),
    maxCommunities: layers.limit("max-communities"),
    pathAttribute: layers.pathAttribute,
  };
}

/** Options that do not go together. */
function checkTogether(
  config: NeighborConfig,
  external: boolean,
  layers: Layers,
  neighbor: object,
): void {
  const { checker } = layers;
  if (!external && config.routeServerClient) {
    layers.add("route-server-client", "a route server client has another AS than the route server");
  }
  if (external && config.routeReflectorClient) {
    layers.add("route-reflector-client", "a route reflector client has the AS of the reflector");
  }
  if (!external && config.role !== "none") {
    layers.add("role", "roles are for external neighbors (RFC 9234)");
  }
  if (config.strictRole && config.role === "none") {
    layers.add("strict-role", '"strict-role" needs a "role"');
  }
  if (config.ttlSecurity > 0 && config.multihop > 0) {
    layers.add("multihop", '"multihop" and "ttl-security" exclude each other');
  }
  if (config.holdTime > 0 && config.holdTime < config.holdTimeMin) {
    layers.add("hold-time-min", `the own "hold-time" is ${config.holdTime}, which is shorter`);
  }
  if (config.nextBest && (!external || config.routeServerClient)) {
    layers.add(
      "next-best",
      "next-best is for external neighbors; route server clients have path-hiding",
    );
  }
  checkRequired(config, layers);
  checkOrigins(config, layers);
  checkRestart(config, external, (key, message) => layers.add(key, message));
  const local = config.localAddress;
  if (local !== null && local.includes(":") !== config.address.includes(":")) {
    layers.add("local-address", `neighbor ${config.address} is not of the family of ${local}`);
  }
  const missing = (["import", "export"] as const).filter((key) => config[key].length === 0);
  if (missing.length > 0) {
    const what = `no ${missing.join(" and no ")} policy`;
    const message = `neighbor ${config.address} has ${what}: every route is rejected (RFC 8212)`;
    checker.warn(checker.yaml.at(neighbor), message);
  }
}

/** A neighbor can only be asked for what this side offers. */
function checkRequired(config: NeighborConfig, layers: Layers): void {
  const offers: Partial<Record<RequiredCapability, boolean>> = {
    "ipv4-unicast": config.families.includes("ipv4-unicast"),
    "ipv6-unicast": config.families.includes("ipv6-unicast"),
    "extended-message": config.extendedMessage,
    "extended-next-hop": config.extendedNextHop && config.families.includes("ipv4-unicast"),
    "add-path": config.addPath.receive || config.addPath.send !== 0,
    "graceful-restart": config.gracefulRestart.mode !== "off",
    "long-lived-graceful-restart": config.longLivedGracefulRestart.mode !== "off",
  };
  for (const name of config.requireCapabilities) {
    if (offers[name] ?? true) continue;
    const message = `"${name}" cannot be required of ${config.address}: this side does not offer it`;
    layers.add("require-capabilities", message);
  }
}

/** What policies that ask for origin validation ask of a neighbor. */
function checkOrigins(config: NeighborConfig, layers: Layers): void {
  const { asksOrigin, asksPath } = layers.checker;
  const exports = config.export.find((name) => asksOrigin.has(name));
  if (exports !== undefined) {
    const remedy = "have an import policy mark routes with a community, and ask for that";
    const what = asksPath.has(exports) ? "aspa" : "rpki";
    layers.add("export", `policy "${exports}" asks for ${what}, which is for import: ${remedy}`);
  }
  const imports = config.import.find((name) => asksOrigin.has(name));
  if (imports !== undefined && !config.keepRejected) {
    const why = "routes are judged again when payloads change";
    layers.add("keep-rejected", `policy "${imports}" asks for rpki: ${why}, so all must be kept`);
  }
  const paths = config.import.find((name) => asksPath.has(name));
  if (paths !== undefined && config.role === "none" && config.as !== config.localAs) {
    layers.add(
      "import",
      `policy "${paths}" asks for aspa, which needs a "role": paths from providers differ`,
    );
  }
}

/** Routes of the other family than the session's need a next hop of theirs. */
function checkNextHop(config: NeighborConfig, layers: Layers, neighbor: object): void {
  const { checker } = layers;
  const { localAddress, families } = config;
  if (localAddress === null || config.nextHop !== "self") return;
  const other = localAddress.includes(":") ? "ipv4-unicast" : "ipv6-unicast";
  // The IPv6 address of a session will do for both, if the neighbor agrees.
  if (!families.includes(other) || (other === "ipv4-unicast" && config.extendedNextHop)) return;
  if (config.export.some((name) => checker.setsNextHop.has(name))) return;
  if (checker.sources.otherAddress?.(localAddress) !== null) return;
  const reason = `the interface of ${localAddress} has no address for their next hop`;
  const message = `neighbor ${config.address} is sent no ${other} routes: ${reason}`;
  checker.warn(checker.yaml.at(neighbor), message);
}

/** What nonstop routing, and a cluster, ask of a neighbor. */
function checkProtection(config: NeighborConfig, { nsr, cluster }: Speaker, layers: Layers): void {
  const { yaml } = layers.checker;
  const { address, localAddress } = config;
  if (config.nsr === "required" && nsr === null && !yaml.wrote(yaml.value as object, "nsr")) {
    const message = `neighbor ${address} requires nonstop routing, and there is no section "nsr"`;
    layers.add("nsr", message);
  }
  if (nsr !== null && config.bfd !== null) {
    const problem = pairProblem(config.bfd, nsr);
    if (problem !== null) layers.warn("bfd", `BFD of neighbor ${address}: ${problem}`);
  }
  if (cluster?.sharesAddress === true && config.bfd !== null) {
    const why = "one process of a host is sent all packets of its port";
    layers.add("bfd", `members that share an address have no BFD: ${why}`);
  }
  if (nsr?.mode !== "address" || config.nsr === "off" || localAddress === null) return;
  if (nsr.serviceAddresses.some((service) => service.address === localAddress)) return;
  const message = `${localAddress} is not one of the service addresses: the session cannot move`;
  layers.add("local-address", `${message}; "nsr: off" says that it need not`);
}

/** @returns the canonical form; mistakes were noted with the section that has the option */
function localAddressOf(text: string | undefined): string | null {
  const address = text === undefined ? "" : parseHostAddress(text);
  return typeof address === "string" ? null : address.text;
}
