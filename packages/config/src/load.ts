/** A configuration file's text to a checked value, or to everything that is wrong with it. */

import type { Policy } from "@ts-bgp/policy";
import { parseHostAddress } from "./addresses.ts";
import { Blackholes } from "./blackhole.ts";
import { builtinOf } from "./builtin.ts";
import { type Checker, type ConfigSources, checkAddress, newChecker } from "./checker.ts";
import { checkCluster, refuseDynamic } from "./cluster.ts";
import { withSharedParts } from "./compare.ts";
import { checkDynamicNeighbors } from "./dynamic.ts";
import { checkBmp, checkMrt } from "./feeds.ts";
import { checkControl, type Loaded, loadKind, logOf } from "./file-kinds.ts";
import type { FileShape } from "./file-shape.ts";
import { checkFollowers, warnOfLostRoutes } from "./followers.ts";
import { checkHttp } from "./http.ts";
import { readIncludes } from "./includes.ts";
import { checkKernel } from "./kernel.ts";
import type { ListenAddress } from "./link-types.ts";
import { type CheckedLists, checkLists } from "./lists.ts";
import { checkMirrors } from "./mirrors.ts";
import { checkNeighbors, SharedOptions } from "./neighbors.ts";
import { checkNsr } from "./nsr.ts";
import { checkRecord } from "./record.ts";
import { warnOfLongWait } from "./restart.ts";
import { checkRpki } from "./rpki.ts";
import { checkPolicies } from "./rules.ts";
import { checkStatic } from "./static.ts";
import { TermChecker } from "./terms.ts";
import type { Config, RouterConfig } from "./types.ts";
import { checkVars } from "./vars.ts";
import { checkWebhook } from "./webhook.ts";
import { type Section, YamlFile } from "./yaml-file.ts";

export type LoadedConfig = Loaded<Config>;

const BGP_PORT = 179;

/**
 * Reads and checks a configuration.
 *
 * @param file - name for messages
 * @param text - YAML
 */
export function loadConfig(file: string, text: string, sources: ConfigSources): LoadedConfig {
  const yaml = new YamlFile(file, text);
  const warnings = readIncludes(yaml, sources);
  return loadKind("speaker", yaml, (section) => {
    const shape = section as FileShape;
    const checker = newChecker(yaml, shape, sources);
    checker.warnings.push(...warnings);
    const config = build(shape, section, checker);
    warnOfUnused(section, checker);
    return { config, found: checker };
  });
}

function build(shape: FileShape, section: Section, checker: Checker): Config {
  const router = checkRouter(shape, checker);
  const lists: CheckedLists = checkLists(shape, checker);
  const terms = new TermChecker(lists, checker);
  const policies: Record<string, Policy> = checkPolicies(shape, terms, checker);
  const listen = checkListen(shape, checker);
  const nsr = checkNsr(shape, listen, checker);
  const rpki = checkRpki(shape, checker);
  const blackholes = new Blackholes(lists);
  const bmp = checkBmp(shape, checker);
  const control = { socket: checkControl(shape, checker) };
  const cluster = checkCluster(shape, nsr, control.socket, checker);
  refuseDynamic(shape, section, checker);
  const context = { router, nsr, blackholes, cluster };
  const shared = new SharedOptions(shape, checker);
  const neighbors = withSharedParts(checkNeighbors(shape, section, shared, context, checker));
  const dynamicNeighbors = checkDynamicNeighbors(
    ...([shape, shared, lists, { ...context, cluster: null }, neighbors, checker] as const),
  );
  warnOfLongWait(shape, neighbors, dynamicNeighbors, rpki, checker);
  if (shape.followers !== undefined) {
    warnOfLostRoutes(neighbors, nsr, checker.yaml.keyAt(section, "followers"), checker);
  }
  checkVars(shape, neighbors, policies, terms, checker);
  const builtin = builtinOf(Object.values(checker.names).flatMap(({ used }) => [...used]));
  const { communityKinds: _, prefixLists, asLists, ...plainLists } = lists;
  return {
    router,
    listen,
    control,
    http: checkHttp(shape, checker),
    log: logOf(shape),
    nsr,
    mirrors: checkMirrors(shape, checker),
    rpki,
    bmp,
    mrt: checkMrt(shape, checker),
    record: checkRecord(shape, checker),
    webhook: checkWebhook(shape, checker),
    followers: checkFollowers(shape, nsr, checker),
    cluster,
    neighbors,
    dynamicNeighbors,
    staticRoutes: checkStatic(shape, checker),
    kernel: checkKernel(shape, policies, checker),
    policies: { ...builtin.policies, ...policies, ...blackholes.policies },
    rejectReasons: shape["reject-reasons"] ?? null,
    ...plainLists,
    prefixLists: { ...builtin.prefixLists, ...prefixLists, ...blackholes.prefixLists },
    asLists: { ...builtin.asLists, ...asLists },
  };
}

function checkRouter({ router }: FileShape, checker: Checker): RouterConfig {
  if (router === undefined) return { as: 0, id: "", clusterId: "" };
  for (const key of ["id", "cluster-id"] as const) {
    const text = router[key];
    if (text === undefined) continue;
    const address = parseHostAddress(text);
    if (typeof address === "string" || address.version !== 4 || address.unspecified) {
      checker.yaml.add(
        checker.yaml.valueAt(router, key),
        `"${key}" must be a dotted identifier such as 192.0.2.1, not "${text}"`,
      );
    }
  }
  return { as: router.as, id: router.id, clusterId: router["cluster-id"] ?? router.id };
}

function checkListen({ listen }: FileShape, checker: Checker): ListenAddress[] {
  const { yaml } = checker;
  if (listen === undefined) {
    return ["0.0.0.0", "::"].map((address) => ({ address, port: BGP_PORT }));
  }
  const seen = new Set<string>();
  return listen.map((item, k) => {
    const at = typeof item === "string" ? yaml.valueAt(listen, k) : yaml.valueAt(item, "address");
    const text = typeof item === "string" ? item : item.address;
    const port = typeof item === "string" ? BGP_PORT : (item.port ?? BGP_PORT);
    const address = checkAddress(text, at, checker);
    if (address !== "" && seen.has(`${address} ${port}`))
      yaml.add(at, `${address} port ${port} appears twice`);
    seen.add(`${address} ${port}`);
    return { address, port };
  });
}

const SECTION_OF = {
  "prefix-list": "prefix-lists",
  "as-list": "as-lists",
  "community-list": "community-lists",
  "route-list": "route-lists",
  policy: "policies",
  group: "groups",
} as const;

function warnOfUnused(section: Section, checker: Checker): void {
  for (const [kind, key] of Object.entries(SECTION_OF)) {
    const { defined, used } = checker.names[kind as keyof typeof SECTION_OF];
    for (const name of defined) {
      if (used.has(name)) continue;
      checker.warn(
        checker.yaml.keyAt(section[key] as object, name),
        `${kind} "${name}" is not used`,
      );
    }
  }
}
