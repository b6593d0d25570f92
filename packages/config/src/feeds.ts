/** The sections of those who observe: BMP stations, and MRT files. */

import { parseHostAddress } from "./addresses.ts";
import { type Checker, checkAddress, listOf } from "./checker.ts";
import type { FileBmpStation, FileShape } from "./file-shape.ts";
import type { ListenAddress } from "./link-types.ts";
import type { BmpConfig, BmpStationConfig, MrtConfig } from "./types.ts";

const PORT = 11019;
const STATISTICS_SECONDS = 60;
const QUEUE_MB = 64;

export function checkBmp(shape: FileShape, checker: Checker): BmpConfig | null {
  const { bmp } = shape;
  if (bmp === undefined) return null;
  const names = new Set<string>();
  const stations = (bmp.stations ?? []).map((station) => {
    const checked = checkStation(station, shape, checker);
    const { yaml } = checker;
    if (checked.name !== "" && names.has(checked.name)) {
      yaml.add(yaml.at(station), `${checked.name} appears twice`);
    }
    names.add(checked.name);
    return checked;
  });
  return { stations };
}

const TABLES_SECONDS = 7200;
const UPDATES_SECONDS = 900;

export function checkMrt(shape: FileShape, checker: Checker): MrtConfig | null {
  const { mrt } = shape;
  if (mrt === undefined) return null;
  const { yaml } = checker;
  const { dir = "", advertised = [] } = mrt;
  if (dir !== "" && !dir.startsWith("/")) {
    yaml.add(yaml.valueAt(mrt, "dir"), `"${dir}" must be a path from the root`);
  }
  return {
    dir,
    tablesSeconds: mrt["tables-every"] ?? TABLES_SECONDS,
    routes: mrt.routes ?? "received",
    advertised: namedIn(listOf(advertised), yaml.valueAt(mrt, "advertised"), shape, checker),
    updatesSeconds: mrt["updates-every"] ?? UPDATES_SECONDS,
    compress: mrt.compress ?? "gzip",
  };
}

function checkStation(
  station: FileBmpStation,
  shape: FileShape,
  checker: Checker,
): BmpStationConfig {
  const { yaml } = checker;
  const { address, port, listen, from = [] } = station;
  if ((address === undefined) === (listen === undefined)) {
    yaml.add(yaml.at(station), 'a station has either "address" or "listen"');
  }
  if (address === undefined && port !== undefined) {
    yaml.add(yaml.keyAt(station, "port"), '"port" belongs to "address"');
  }
  if (listen === undefined && yaml.wrote(station, "from")) {
    yaml.add(yaml.keyAt(station, "from"), '"from" belongs to "listen"');
  }
  const connect = endOf(address, port ?? PORT, yaml.valueAt(station, "address"), checker);
  const listens =
    listen === undefined
      ? null
      : endOf(listen.address, listen.port, yaml.valueAt(listen, "address"), checker);
  return {
    name: textOf(connect) ?? textOf(listens) ?? "",
    connect,
    listen: listens,
    from: listOf(from).map((text) => {
      return checkAddress(text, yaml.valueAt(station, "from"), checker);
    }),
    tables: [...new Set(listOf(station.tables ?? "adj-in-pre"))],
    neighbors: namedIn(
      listOf(station.neighbors ?? []),
      yaml.valueAt(station, "neighbors"),
      shape,
      checker,
    ),
    statisticsSeconds: station.statistics ?? STATISTICS_SECONDS,
    mirrorMalformed: station["mirror-malformed"] ?? false,
    version: station.version ?? 3,
    queueOctetsMax: (station["queue-mb"] ?? QUEUE_MB) << 20,
  };
}

function endOf(
  text: string | undefined,
  port: number,
  at: number,
  checker: Checker,
): ListenAddress | null {
  return text === undefined ? null : { address: checkAddress(text, at, checker), port };
}

function textOf(end: ListenAddress | null): string | null {
  if (end === null || end.address === "") return null;
  const { address, port } = end;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** @returns addresses as the speaker writes them, and names of groups */
function namedIn(
  named: readonly string[],
  at: number,
  { groups = {}, neighbors = [] }: FileShape,
  { yaml, names }: Checker,
): string[] {
  const known = new Set(neighbors.map(({ address }) => canonical(address)));
  return named.map((name) => {
    const address = canonical(name);
    if (Object.hasOwn(groups, name)) names.group.used.add(name);
    else if (!known.has(address)) {
      yaml.add(at, `no neighbor has the address, and no group the name ${name}`);
    }
    return known.has(address) ? address : name;
  });
}

/** @returns an address as the speaker writes it; other text as it is */
function canonical(text: string): string {
  const address = parseHostAddress(text);
  return typeof address === "string" ? text : address.text;
}
