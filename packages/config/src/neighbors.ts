/** Neighbors of a file: options taken from neighbor, group and defaults, checked and filled in. */

import { ACCEPT_ALL } from "@ts-bgp/policy";
import { type ParsedAddress, parseHostAddress } from "./addresses.ts";
import { bfdOptions, pairProblem, readBfdSecret } from "./bfd.ts";
import { type Blackholes, checkBlackhole } from "./blackhole.ts";
import { type Checker, listOf } from "./checker.ts";
import type { FileBfd, FileBlackhole, FileNeighbor, FileOptions, FileShape } from "./file-shape.ts";
import { didYouMean } from "./mistakes.ts";
import { checkRestart, restartOptions } from "./restart.ts";
import { readMd5Secret } from "./secrets.ts";
import type {
  AddPathOptions,
  BfdOptions,
  Config,
  MaxPrefixOptions,
  NeighborConfig,
} from "./types.ts";
import type { Section } from "./yaml-file.ts";

/** What is the same for all neighbors. */
type Speaker = Pick<Config, "router" | "nsr"> & { readonly blackholes: Blackholes };

export function checkNeighbors(
  shape: FileShape,
  section: Section,
  speaker: Speaker,
  checker: Checker,
): NeighborConfig[] {
  const { yaml, names } = checker;
  const secrets = new Map<FileOptions, Secrets>();
  const checkLayer = (options: FileOptions) => {
    secrets.set(options, checkOptions(options, checker));
  };
  for (const options of [shape.defaults ?? {}, ...Object.values(shape.groups ?? {})]) {
    checkLayer(options);
  }
  const places = new Map<string, number>();
  const neighbors = shape.neighbors ?? [];
  if (neighbors.length === 0) checker.warn(yaml.keyAt(section, "neighbors"), "no neighbors");
  return neighbors.flatMap((neighbor) => {
    checkLayer(neighbor);
    const address = checkNeighborAddress(neighbor, checker);
    const { group } = neighbor;
    if (group !== undefined) {
      names.group.used.add(group);
      if (!names.group.defined.has(group)) {
        const hint = didYouMean(group, names.group.defined);
        yaml.add(yaml.valueAt(neighbor, "group"), `group "${group}" is not defined${hint}`);
      }
    }
    if (address === null) return [];
    const at = yaml.valueAt(neighbor, "address");
    const first = places.get(address.text);
    if (first !== undefined) {
      const where = yaml.whereOf(first, at);
      yaml.add(at, `neighbor ${address.text} appears twice, first ${where}`);
      return [];
    }
    places.set(address.text, yaml.at(neighbor));
    const groups: Readonly<Record<string, FileOptions>> = shape.groups ?? {};
    const known = group !== undefined && names.group.defined.has(group);
    const layers = [neighbor, known ? groups[group]! : {}, shape.defaults ?? {}];
    return resolve(new Layers(layers, secrets, checker), neighbor, address, speaker);
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

/** Of one section of options; null where it has none. */
interface Secrets {
  readonly password: string | null;
  readonly bfd: string | null;
}

/** Checks what stands in one section of options, wherever it applies. */
function checkOptions(options: FileOptions, checker: Checker): Secrets {
  const { yaml } = checker;
  const holdTime = options["hold-time"];
  if (holdTime === 1 || holdTime === 2) {
    const message = `"hold-time" must be 0 or at least 3 seconds (RFC 4271), not ${holdTime}`;
    yaml.add(yaml.valueAt(options, "hold-time"), message);
  }
  const localAddress = options["local-address"];
  if (localAddress !== undefined) {
    const address = parseHostAddress(localAddress);
    if (typeof address === "string") yaml.add(yaml.valueAt(options, "local-address"), address);
  }
  checkCongestionControl(options, checker);
  if (options.blackhole !== undefined) checkBlackhole(options.blackhole, checker);
  for (const key of ["import", "export"] as const) checkChain(options, key, checker);
  return {
    password: options.password === undefined ? null : readPassword(options, checker),
    bfd: readBfdSecret(options, checker),
  };
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

function checkChain(options: FileOptions, key: "import" | "export", checker: Checker): void {
  const { yaml, names } = checker;
  const value = options[key];
  const chain = value === undefined ? [] : listOf(value);
  for (const [k, name] of chain.entries()) {
    const at = Array.isArray(value) ? yaml.valueAt(value, k) : yaml.valueAt(options, key);
    names.policy.used.add(name);
    if (name === ACCEPT_ALL) {
      if (chain.length > 1) yaml.add(at, `${ACCEPT_ALL} stands alone or not at all`);
    } else if (!names.policy.defined.has(name)) {
      const hint = didYouMean(name, [...names.policy.defined, ACCEPT_ALL]);
      yaml.add(at, `policy "${name}" is not defined${hint}`);
    }
  }
}

function readPassword(options: FileOptions, checker: Checker): string {
  const at = checker.yaml.valueAt(options, "password");
  return readMd5Secret(options.password!, at, checker) ?? "";
}

/** Sections of options, the one that goes first in front. */
class Layers {
  readonly checker: Checker;
  private readonly layers: readonly FileOptions[];
  private readonly secrets: ReadonlyMap<FileOptions, Secrets>;

  constructor(
    layers: readonly FileOptions[],
    secrets: ReadonlyMap<FileOptions, Secrets>,
    checker: Checker,
  ) {
    this.layers = layers;
    this.secrets = secrets;
    this.checker = checker;
  }

  get<K extends keyof FileOptions>(key: K): FileOptions[K] | undefined {
    return this.layers.find((layer) => layer[key] !== undefined)?.[key];
  }

  /** @returns whether the text has the option, though perhaps with a value that will not do */
  wrote(key: keyof FileOptions): boolean {
    return this.layers.some((layer) => this.checker.yaml.wrote(layer, key));
  }

  get password(): string | null {
    const layer = this.layers.find(({ password }) => password !== undefined);
    return layer === undefined ? null : (this.secrets.get(layer)?.password ?? null);
  }

  /** @param isMultihop - whether routers may stand between, unless the section says it */
  bfd(isMultihop: boolean): BfdOptions | null {
    const layers = this.layers.filter(({ bfd }) => bfd !== undefined);
    const secretOf = (section: FileBfd) =>
      this.secrets.get(layers.find(({ bfd }) => bfd === section)!)?.bfd ?? null;
    const sections = layers.map(({ bfd }) => bfd!);
    return bfdOptions(sections, secretOf, isMultihop);
  }

  /** Sections merge key by key. */
  get addPath(): AddPathOptions {
    const parts = this.layers.map((layer) => layer["add-path"] ?? {});
    const { receive = false, send = 0 } = Object.assign({}, ...parts.reverse());
    return { receive, send };
  }

  get blackhole(): FileBlackhole {
    return Object.assign({}, ...this.layers.map((layer) => layer.blackhole ?? {}).reverse());
  }

  /** @returns a section of which a word is the mode, merged */
  restartSection<K extends "graceful-restart" | "long-lived-graceful-restart">(
    key: K,
  ): Exclude<NonNullable<FileOptions[K]>, string> {
    const parts = this.layers.map((layer) => {
      const value = layer[key] ?? {};
      return typeof value === "string" ? { mode: value } : value;
    });
    return Object.assign({}, ...parts.reverse());
  }

  get maxPrefix(): MaxPrefixOptions {
    const parts = this.layers.map((layer) => {
      const value = layer["max-prefix"] ?? {};
      return typeof value === "number" ? { "ipv4-unicast": value, "ipv6-unicast": value } : value;
    });
    const merged = Object.assign({}, ...parts.reverse());
    return {
      ipv4Unicast: merged["ipv4-unicast"] ?? null,
      ipv6Unicast: merged["ipv6-unicast"] ?? null,
      action: merged.action ?? "shutdown",
      warnPercent: merged["warn-percent"] ?? 80,
      restartAfter: merged["restart-after"] ?? 900,
      count: merged.count ?? "received",
    };
  }

  /** Notes a mistake at an option, in whichever section it stands. */
  add(key: keyof FileOptions, message: string): void {
    this.checker.yaml.add(this.at(key), message);
  }

  /** The same that is strange, and no mistake. */
  warn(key: keyof FileOptions, message: string): void {
    this.checker.warn(this.at(key), message);
  }

  private at(key: keyof FileOptions): number {
    const layer = this.layers.find((options) => options[key] !== undefined) ?? this.layers[0]!;
    return this.checker.yaml.valueAt(layer, key);
  }
}

function resolve(
  layers: Layers,
  neighbor: FileNeighbor,
  address: ParsedAddress,
  speaker: Speaker,
): NeighborConfig[] {
  const { yaml } = layers.checker;
  const get: Layers["get"] = (key) => layers.get(key);
  const as = get("as");
  if (as === undefined) {
    if (!layers.wrote("as")) yaml.add(yaml.at(neighbor), `neighbor ${address.text} has no "as"`);
    return [];
  }
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
    as,
    description: get("description") ?? "",
    enabled: get("enabled") ?? true,
    passive: get("passive") ?? false,
    port: get("port") ?? 179,
    localAddress: localAddressOf(get("local-address")),
    localAs,
    holdTime: get("hold-time") ?? 90,
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
    maxPrefix: layers.maxPrefix,
    honorWellKnownCommunities: get("honor-well-known-communities") ?? !routeServerClient,
    honorGracefulShutdown: get("honor-graceful-shutdown") ?? !routeServerClient,
    pathHiding: get("path-hiding") ?? "mitigate",
    sendSameAs: get("send-same-as") ?? !routeServerClient,
    sendRpkiState: get("send-rpki-state") ?? false,
    acceptRpkiState: get("accept-rpki-state") ?? false,
    keepRejected: get("keep-rejected") ?? true,
    nsr: get("nsr") ?? "preferred",
  };
  checkTogether(config, external, layers, neighbor);
  checkNextHop(config, layers, neighbor);
  checkProtection(config, speaker, layers);
  return [config];
}

/** Options that do not go together. */
function checkTogether(
  config: NeighborConfig,
  external: boolean,
  layers: Layers,
  neighbor: FileNeighbor,
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
function checkNextHop(config: NeighborConfig, layers: Layers, neighbor: FileNeighbor): void {
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

/** What nonstop routing asks of a neighbor. */
function checkProtection(config: NeighborConfig, { nsr }: Speaker, layers: Layers): void {
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
