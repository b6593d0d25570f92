/**
 * Real tables from one BIRD to others, straight and through the speaker:
 *
 *     player ---- source (BIRD) ---- direct (BIRD)
 *                   |
 *                 speaker ---- client (BIRD), of the route server
 *                   |
 *                   +--------- peer (BIRD), of an ordinary router
 *
 * What `client` and `peer` hold must be what `direct` holds, apart from what follows from the RFCs.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labAvailable } from "../lab/install.ts";
import { createLab, type Lab, type LabNode, type LabProcess } from "../lab/netns.ts";
import { createSpeaker, type Speaker, speakerAvailable } from "../lab/speaker.ts";
import { until } from "../lab/until.ts";
import {
  type BirdSession,
  type BirdTable,
  type BirdTables,
  type Family,
  startBird,
} from "./bird-tables.ts";
import { DATA_MISSING, dataFile, madeTable } from "./data.ts";

const REASON = speakerAvailable() ?? labAvailable();
const PLAYER = fileURLToPath(new URL("player.ts", import.meta.url));
const LONG_MS = 90_000;
/** A second apart. */
const UNCHANGED_LOOKS = 4;

// Private numbers of 16 bits stand in real paths, where they would make loops.
const SPEAKER_AS = 4_200_001_000;
const AS = {
  source: 4_200_001_001,
  direct: 4_200_001_002,
  client: 4_200_001_003,
  peer: 4_200_001_004,
} as const;
type Name = keyof typeof AS;

interface Recording {
  readonly family: Family;
  /** Null for a table that is made here. */
  readonly file: string | null;
  /** First AS of every path. */
  readonly as: number;
  readonly prefixes: number;
}

const MADE: readonly Recording[] = [
  { family: "ipv6", file: null, as: 64_902, prefixes: 10_000 },
  { family: "ipv4", file: null, as: 64_901, prefixes: 50_000 },
];
const RECORDED: readonly Recording[] = [
  {
    family: "ipv6",
    file: "real-ipv6-24857.as51861.originals.updates.zst",
    as: 51861,
    prefixes: 24_857,
  },
  {
    family: "ipv4",
    file: "real-ipv4-577706.as3856.ebgp-derived.updates.zst",
    as: 3856,
    prefixes: 577_706,
  },
];

const RECORDINGS = DATA_MISSING === null ? RECORDED : MADE;

/** @returns the file that is to be played */
function fileOf({ file, ...table }: Recording, folder: string): string {
  if (file !== null) return dataFile(file);
  const made = join(folder, `${table.family}.updates.zst`);
  writeFileSync(made, zstdCompressSync(madeTable({ ...table, seed: 1 })));
  return made;
}

const addressOf = (node: LabNode, family: Family) =>
  family === "ipv4" ? node.address4 : node.address6;

describe.skipIf(REASON !== null)(`tables of BIRD${REASON === null ? "" : ` (${REASON})`}`, () => {
  let lab: Lab;
  let speaker: Speaker;
  let nodes: Record<Name | "player" | "speaker", LabNode>;
  let birds: Record<Name, BirdTables>;

  beforeAll(async () => {
    lab = createLab();
    nodes = {
      player: lab.node("player"),
      source: lab.node("source"),
      speaker: lab.node("speaker"),
      direct: lab.node("direct"),
      client: lab.node("client"),
      peer: lab.node("peer"),
    };
    speaker = createSpeaker(nodes.speaker, SPEAKER_AS);
    speaker.configure(speakerConfig(nodes, speaker));
    const [, source, direct, client, peer] = await Promise.all([
      speaker.start(),
      startBird(nodes.source, AS.source, sourceSessions(nodes)),
      startBird(nodes.direct, AS.direct, sessionsWith(nodes, "direct", "source", AS.source)),
      startBird(nodes.client, AS.client, sessionsWith(nodes, "client", "speaker", SPEAKER_AS)),
      startBird(nodes.peer, AS.peer, sessionsWith(nodes, "peer", "speaker", SPEAKER_AS)),
    ]);
    birds = { source, direct, client, peer };
  });

  afterAll(() => lab?.remove());

  describe.each(RECORDINGS)("$family, $prefixes prefixes", (recording) => {
    const { family, prefixes } = recording;
    let player: LabProcess;
    let tables: Record<Exclude<Name, "source">, BirdTable>;

    beforeAll(async () => {
      const { as } = recording;
      const file = fileOf(recording, lab.directory);
      const source = addressOf(nodes.source, family);
      const identifier = nodes.player.address4;
      player = nodes.player.spawn([
        ...[process.execPath, PLAYER, source, String(as), identifier, family, file],
      ]);
      await until(() => player.output().includes("played"), LONG_MS, "the recording is played");
      await settled(birds, family, prefixes);
      const [direct, client, peer] = await Promise.all([
        birds.direct.table(family),
        birds.client.table(family),
        birds.peer.table(family),
      ]);
      tables = { direct, client, peer };
    });

    test("BIRD holds nearly all of it without us", () => {
      // A few of the recorded routes are such that BIRD itself takes none of them.
      expect(tables.direct.size).toBeGreaterThan(prefixes - 10);
      expect(tables.direct.size).toBeLessThanOrEqual(prefixes);
    });

    test("a client of the route server holds the same, attribute by attribute", () => {
      expect(differences(tables.direct, tables.client, throughRouteServer)).toEqual([]);
    });

    test("a peer of an ordinary router holds the same, but for path, next hop and MED", () => {
      const next = addressOf(nodes.speaker, family);
      expect(differences(tables.direct, tables.peer, throughRouter(next))).toEqual([]);
    });

    test("no session was reset, and nothing was found wrong but what is", async () => {
      for (const name of ["direct", "client", "peer"] as const) {
        expect(await birds[name].states()).toEqual(["Established", "Established"]);
      }
      for (const name of ["source", "client", "peer"] as const) {
        const status = await speaker.neighbor(addressOf(nodes[name], family));
        expect([status.state, status.established]).toEqual(["established", 1]);
      }
    });

    test("when the source loses its routes, everyone does", async () => {
      await player.stop();
      const empty = async () => {
        const counts = await Promise.all(Object.values(birds).map((b) => b.routeCount(family)));
        return counts.every((count) => count === 0);
      };
      await until(empty, LONG_MS, "the tables are empty");
    });
  });
});

/** Waits until the source has everything, and nobody's table has changed for a while. */
async function settled(
  birds: Record<Name, BirdTables>,
  family: Family,
  prefixes: number,
): Promise<void> {
  let before = "";
  let unchanged = 0;
  await until(
    async () => {
      const counts = await Promise.all(Object.values(birds).map((b) => b.routeCount(family)));
      const now = counts.join(" ");
      unchanged = now === before ? unchanged + 1 : 0;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const hasAll = counts.every((count) => count > 0.9 * prefixes);
      return hasAll && unchanged >= UNCHANGED_LOOKS;
    },
    LONG_MS,
    "the tables are settled",
  );
}

function speakerConfig(nodes: Record<string, LabNode>, speaker: Speaker): string {
  const clients = { source: true, client: true, peer: false };
  return JSON.stringify({
    router: { as: speaker.as, id: speaker.address4 },
    control: { socket: speaker.socket },
    defaults: {
      import: "accept-all",
      export: "accept-all",
      // RFC 9774 would have routes with AS_SET rejected, and BIRD takes them.
      "as-set": "accept",
      passive: true,
    },
    neighbors: Object.entries(clients).flatMap(([name, isClient]) =>
      (["ipv4", "ipv6"] as const).map((family) => ({
        address: addressOf(nodes[name]!, family),
        as: AS[name as Name],
        "route-server-client": isClient,
      })),
    ),
  });
}

function sessionsWith(
  nodes: Record<string, LabNode>,
  name: Name,
  peer: "source" | "speaker",
  peerAs: number,
): BirdSession[] {
  return (["ipv4", "ipv6"] as const).map((family) => ({
    localAddress: addressOf(nodes[name]!, family),
    peerAddress: addressOf(nodes[peer]!, family),
    peerAs,
    family,
    sends: false,
  }));
}

function sourceSessions(nodes: Record<string, LabNode>): BirdSession[] {
  const session = (peer: string, peerAs: number, family: Family, sends: boolean) => ({
    localAddress: addressOf(nodes["source"]!, family),
    peerAddress: addressOf(nodes[peer]!, family),
    peerAs,
    family,
    sends,
  });
  return RECORDINGS.flatMap(({ family, as }) => [
    session("player", as, family, false),
    session("speaker", SPEAKER_AS, family, true),
    session("direct", AS.direct, family, true),
  ]);
}

/** What becomes of a route on its way; `null` for one that does not arrive. */
type Way = (prefix: string, attributes: string) => string | null;

/** A route server changes nothing. */
const throughRouteServer: Way = (prefix, attributes) => {
  // RFC 7607 section 2: a route with AS 0 in its path is treated as withdrawn, an AGGREGATOR with
  // AS 0 is discarded.
  if (/^as_path:.* 0( |$)/m.test(attributes)) return null;
  // RFC 1122 section 3.2.1.3: "this host" is no place that a packet can be sent to.
  if (prefix === "0.0.0.0/32") return null;
  return attributes.replace(/^aggregator: \S+ AS0\n/m, "");
};

/** An ordinary router: RFC 4271 sections 5.1.2 to 5.1.4, and the communities of RFC 1997. */
const throughRouter =
  (nextHop: string): Way =>
  (prefix, attributes) => {
    const arrived = throughRouteServer(prefix, attributes);
    if (arrived === null || /^community:.*\(65535,6528[1-3]\)/m.test(arrived)) return null;
    return arrived
      .replace(/^as_path:/m, `as_path: ${SPEAKER_AS}`)
      .replace(/^next_hop: .*$/m, `next_hop: ${nextHop}`)
      .replace(/^med: .*\n/m, "");
  };

/** Prefixes of which a table does not hold what it should, with both sides; the first few. */
function differences(direct: BirdTable, table: BirdTable, way: Way): string[] {
  const found: string[] = [];
  for (const [prefix, attributes] of direct) {
    const expected = way(prefix, attributes);
    const actual = table.get(prefix) ?? null;
    if (expected !== actual) found.push(`${prefix}\nexpected ${expected}\nfound ${actual}`);
  }
  for (const prefix of table.keys()) if (!direct.has(prefix)) found.push(`${prefix} is not direct`);
  return found.slice(0, 5);
}
