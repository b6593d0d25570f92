/** The section of origin validation: caches, files and local exceptions. */

import { NO_SLURM, type Slurm, SOURCES_MAX, slurmOf, slurmOverlap } from "@ts-bgp/rpki";
import { type Checker, checkAddress, listOf, needEachOther } from "./checker.ts";
import type { FileRpki, FileRtrTls, FileShape } from "./file-shape.ts";
import { readMd5Secret, readPem } from "./secrets.ts";
import type { RoaFileConfig, RpkiConfig, RtrCacheConfig, RtrTls } from "./types.ts";
import { YamlFile } from "./yaml-file.ts";

const RTR_PORT = 323;
const PREFERENCE = 100;
const START_LIMIT_SECONDS = 60;

export function checkRpki({ rpki }: FileShape, checker: Checker): RpkiConfig | null {
  if (rpki === undefined) return null;
  const caches = checkCaches(rpki, checker);
  const files = checkFiles(rpki, checker);
  const { yaml } = checker;
  if (caches.length + files.length > SOURCES_MAX) {
    yaml.add(yaml.at(rpki), `there are more than ${SOURCES_MAX} caches and files`);
  }
  return {
    caches,
    files,
    slurm: checkSlurm(rpki, checker),
    startLimitSeconds: rpki["start-limit"] ?? START_LIMIT_SECONDS,
  };
}

function checkCaches({ caches = [] }: FileRpki, checker: Checker): RtrCacheConfig[] {
  const { yaml } = checker;
  const names = new Set<string>();
  return caches.map((cache) => {
    const at = yaml.valueAt(cache, "address");
    const address = checkAddress(cache.address, at, checker);
    const port = cache.port ?? RTR_PORT;
    const name = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    if (address !== "" && names.has(name)) yaml.add(at, `${address} port ${port} appears twice`);
    names.add(name);
    const { tls, password } = cache;
    if (tls !== undefined && password !== undefined) {
      yaml.add(yaml.keyAt(cache, "password"), '"password" is for plain TCP, and there is "tls"');
    }
    const passwordAt = yaml.valueAt(cache, "password");
    return {
      ...{ name, address, port, preference: cache.preference ?? PREFERENCE },
      password: password === undefined ? null : readMd5Secret(password, passwordAt, checker),
      tls: tls === undefined ? null : checkTls(tls, checker),
    };
  });
}

function checkTls(tls: FileRtrTls, checker: Checker): RtrTls {
  const { yaml } = checker;
  needEachOther(yaml, tls, "cert", "key");
  const read = (name: "ca" | "cert" | "key", file: string) =>
    readPem(name === "key" ? "key" : "certificate", file, yaml.valueAt(tls, name), checker);
  return {
    ca: read("ca", tls.ca),
    cert: tls.cert === undefined ? null : read("cert", tls.cert),
    key: tls.key === undefined ? null : read("key", tls.key),
    serverName: tls["server-name"] ?? null,
  };
}

function checkFiles({ files = [] }: FileRpki, checker: Checker): RoaFileConfig[] {
  const { yaml, sources } = checker;
  const names = new Set<string>();
  return files.map((item, k) => {
    const at = typeof item === "string" ? yaml.valueAt(files, k) : yaml.valueAt(item, "file");
    const file = typeof item === "string" ? item : item.file;
    const preference = typeof item === "string" ? PREFERENCE : (item.preference ?? PREFERENCE);
    if (!file.startsWith("/")) yaml.add(at, `"${file}" must be a path from the root`);
    else if (names.has(file)) yaml.add(at, `${file} appears twice`);
    else {
      const problem = sources.roaFileProblem?.(file) ?? null;
      if (problem !== null) yaml.add(at, `${file}: ${problem}`);
    }
    names.add(file);
    return { file, preference };
  });
}

function checkSlurm(rpki: FileRpki, checker: Checker): Slurm {
  const { yaml } = checker;
  if (rpki.slurm === undefined) return NO_SLURM;
  const paths = listOf(rpki.slurm);
  const placeAt = (k: number) =>
    Array.isArray(rpki.slurm) ? yaml.valueAt(rpki.slurm, k) : yaml.valueAt(rpki, "slurm");
  const parts = paths.map((path, k) => {
    const at = placeAt(k);
    const text = checker.readFile(path, at);
    return text === null ? NO_SLURM : readSlurm(checker.pathOf(path, at), text, checker);
  });
  const overlap = slurmOverlap(parts);
  if (overlap !== null) {
    const [[a, b], [outer, inner]] = [overlap.files, overlap.prefixes];
    const message =
      `${paths[a]} has something for ${outer}, and ${paths[b]} for ${inner}: ` +
      "several files must not be for the same addresses";
    yaml.add(placeAt(Math.max(a, b)), message);
  }
  return {
    filters: parts.flatMap(({ filters }) => filters),
    assertions: parts.flatMap(({ assertions }) => assertions),
  };
}

/** JSON is YAML, so that mistakes have their places. */
function readSlurm(path: string, text: string, checker: Checker): Slurm {
  const file = new YamlFile(path, text);
  if (!file.broken) {
    const { slurm, mistakes } = slurmOf(file.value);
    for (const { path, message } of mistakes) file.add(placeOf(file, path), message);
    if (file.mistakes.length === 0) return slurm;
  }
  checker.mistakes.push(...file.mistakes);
  return NO_SLURM;
}

/** @returns where a value stands, or what holds it when it is not there */
function placeOf(file: YamlFile, path: readonly (string | number)[]): number {
  let parent: unknown = file.value;
  let at = 0;
  for (const key of path) {
    if (typeof parent !== "object" || parent === null) break;
    at = file.valueAt(parent, key);
    parent = (parent as Record<string | number, unknown>)[key];
  }
  return at;
}
