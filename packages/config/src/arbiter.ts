/** The part of the section of nonstop routing that says who decides which side is active. */

import { parseHostAddress } from "./addresses.ts";
import { type Checker, listOf, needEachOther } from "./checker.ts";
import type { FileArbiter, FileEtcd, FileNsr } from "./file-shape.ts";
import type {
  ArbiterConfig,
  EtcdAccess,
  EtcdTls,
  EtcdUser,
  LinkAddress,
  NsrConfig,
} from "./link-types.ts";
import { readPem, readSecret } from "./secrets.ts";

/** What somebody on the way can do to plain HTTP. */
const ROLES_DANGER = "whoever is on the way could give out roles";

export function checkArbiter(nsr: FileNsr, listen: LinkAddress, checker: Checker): ArbiterConfig {
  const { yaml } = checker;
  // What the schema took out was there, and had a mistake of its own.
  const isBroken = nsr.arbiter === undefined && yaml.wrote(nsr, "arbiter");
  const section: FileArbiter = typeof nsr.arbiter === "object" ? nsr.arbiter : {};
  const { file, etcd, ttl } = section;
  if (etcd !== undefined) {
    if (file !== undefined)
      yaml.add(yaml.keyAt(section, "file"), '"file" and "etcd" exclude each other');
    return { kind: "etcd", ttlSeconds: ttl ?? 3, ...checkEtcd(section, checker) };
  }
  if (yaml.wrote(section, "ttl")) {
    if (!yaml.wrote(section, "etcd")) {
      yaml.add(yaml.keyAt(section, "ttl"), '"ttl" is that of a lease in etcd: it needs "etcd"');
    }
  } else if (file === undefined && !("path" in listen) && !isBroken) {
    const at = yaml.wrote(nsr, "arbiter") ? yaml.valueAt(nsr, "arbiter") : yaml.at(nsr);
    const advice = `{ file: /run/ts-bgp/${nsr.cluster}.role } on one host, { etcd: URL } on two`;
    yaml.add(at, `"arbiter" must say more when the link is TCP: ${advice}`);
  }
  if (file !== undefined && !file.startsWith("/")) {
    const message = `"${file}" must be a path from the root, such as /run/ts-bgp/rs1.role`;
    yaml.add(yaml.valueAt(section, "file"), message);
  }
  return { kind: "local", file: file ?? ("path" in listen ? `${listen.path}.role` : "") };
}

/** A lease that runs out between two heartbeats would take the role from an active that is well. */
export function checkLease(config: NsrConfig, nsr: FileNsr, { yaml }: Checker): void {
  const { arbiter, heartbeatMs, heartbeatMisses } = config;
  const lostMs = heartbeatMs * heartbeatMisses;
  if (arbiter.kind !== "etcd" || arbiter.ttlSeconds * 1000 > lostMs) return;
  const at = yaml.valueAt(nsr.arbiter as FileArbiter, "ttl");
  const lost = `${heartbeatMisses} heartbeats of ${heartbeatMs} ms`;
  yaml.add(at, `"ttl" must be longer than ${lost}, and is ${arbiter.ttlSeconds} s`);
}

function checkEtcd(section: FileArbiter, checker: Checker): EtcdAccess {
  const { yaml } = checker;
  const { etcd } = section;
  if (isSection(etcd)) return checkEtcdAccess(etcd, ROLES_DANGER, checker);
  const written = etcd as string | readonly string[];
  const at = (k: number) =>
    typeof written === "string" ? yaml.valueAt(section, "etcd") : yaml.valueAt(written, k);
  const endpoints = checkEndpoints(
    written,
    at,
    { danger: ROLES_DANGER, isInsecure: false },
    checker,
  );
  return { endpoints, tls: null, user: null };
}

/** @param danger - what somebody on the way can do to plain HTTP */
export function checkEtcdAccess(etcd: FileEtcd, danger: string, checker: Checker): EtcdAccess {
  const { yaml } = checker;
  // Of a section without endpoints the schema has told.
  const written = etcd.endpoints ?? [];
  const at = (k: number) =>
    typeof written === "string" ? yaml.valueAt(etcd, "endpoints") : yaml.valueAt(written, k);
  const isInsecure = etcd.insecure === true;
  const endpoints = checkEndpoints(written, at, { danger, isInsecure }, checker);
  return { endpoints, tls: checkTls(etcd, endpoints, checker), user: checkUser(etcd, checker) };
}

/** What may be said of an endpoint. */
interface Plain {
  readonly danger: string;
  readonly isInsecure: boolean;
}

function checkEndpoints(
  written: string | readonly string[],
  at: (k: number) => number,
  plain: Plain,
  checker: Checker,
): string[] {
  const endpoints = listOf(written).map((endpoint) => endpoint.replace(/\/$/, ""));
  for (const [k, endpoint] of endpoints.entries()) checkEndpoint(endpoint, at(k), plain, checker);
  return endpoints;
}

function isSection(etcd: FileArbiter["etcd"]): etcd is FileEtcd {
  return typeof etcd === "object" && !Array.isArray(etcd);
}

function checkEndpoint(
  endpoint: string,
  at: number,
  { danger, isInsecure }: Plain,
  { yaml }: Checker,
): void {
  const [, scheme, host = ""] =
    /^(https?):\/\/(\[[^\]]*\]|[^:[\]]+)(?::\d{1,5})?$/.exec(endpoint) ?? [];
  if (scheme === undefined) {
    yaml.add(at, `"${endpoint}" is no URL such as https://192.0.2.1:2379`);
  } else if (scheme === "http" && !isInsecure && !isLoopback(host)) {
    const what = `${endpoint} is plain HTTP and leaves this host: ${danger}`;
    yaml.add(at, `${what}; use https, or { endpoints: ..., insecure: true }`);
  }
}

function isLoopback(host: string): boolean {
  const address = parseHostAddress(host.replace(/^\[(.*)\]$/, "$1"));
  return host.toLowerCase() === "localhost" || (typeof address !== "string" && address.loopback);
}

function checkTls(etcd: FileEtcd, endpoints: readonly string[], checker: Checker): EtcdTls | null {
  const { tls } = etcd;
  if (tls === undefined) return null;
  const { yaml } = checker;
  if (endpoints.length > 0 && !endpoints.some((endpoint) => endpoint.startsWith("https:"))) {
    yaml.add(yaml.keyAt(etcd, "tls"), '"tls" needs endpoints of https');
  }
  needEachOther(yaml, tls, "cert", "key");
  const read = (key: "ca" | "cert" | "key") => {
    const file = tls[key];
    if (file === undefined) return null;
    return readPem(key === "key" ? "key" : "certificate", file, yaml.valueAt(tls, key), checker);
  };
  const serverName = tls["server-name"] ?? null;
  return { ca: read("ca"), cert: read("cert"), key: read("key"), serverName };
}

function checkUser(etcd: FileEtcd, checker: Checker): EtcdUser | null {
  const { yaml } = checker;
  const { user, password } = etcd;
  needEachOther(yaml, etcd, "user", "password");
  if (password === undefined) return null;
  const secret = readSecret(password, yaml.valueAt(etcd, "password"), checker);
  return user === undefined ? null : { name: user, password: secret ?? "" };
}
