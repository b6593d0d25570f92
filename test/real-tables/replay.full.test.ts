/**
 * Recorded UPDATE messages, each peer of the recording on a session of its own, through the speaker
 * as a route server. What it holds and sends in the end must be what a plain model has.
 */
import type { ShownGroup, ShownNeighborDetail, ShownRoute } from "@ts-bgp/views";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../../testkit/peer.ts";
import { neighborAddress, SpeakerProcess } from "../../testkit/speaker.ts";
import { until } from "../lab/until.ts";
import { DATA_MISSING, madeTable, messagesOf, readArchive, readStream } from "./data.ts";
import {
  type Attributes,
  attributesOf,
  attributesShown,
  bestOf,
  type Candidate,
  candidatesOf,
  eachRoute,
  ModelPeer,
} from "./model.ts";

const LONG_MS = 60_000;
/** Stand in no recorded path. */
const SPEAKER_AS = 4_200_001_000;
const WITNESS_AS = 4_200_001_001;
/** Peers whose own view is compared as well: those that sent most. */
const WATCHED = 3;

interface RecordedPeer {
  readonly as: number;
  readonly messages: readonly Buffer[];
}

interface Recording {
  readonly name: string;
  readonly peers: () => RecordedPeer[];
  readonly messages: number;
  /** Collectors also record route servers, which do not put their own AS into the path. */
  readonly enforcesFirstAs: boolean;
}

const RECORDED: readonly Recording[] = [
  {
    name: "stream-139228.as4",
    peers: () => [...readStream("stream-139228.as4").values()],
    messages: 139_228,
    enforcesFirstAs: true,
  },
  {
    name: "stream-4104.decix-rs-2024",
    peers: () => [...readStream("stream-4104.decix-rs-2024").values()],
    messages: 4104,
    enforcesFirstAs: false,
  },
  { name: "peers-rv2014-ipv4", peers: readTables, messages: 0, enforcesFirstAs: true },
];

const MADE: readonly Recording[] = [
  { name: "tables that are made here", peers: makeTables, messages: 0, enforcesFirstAs: true },
];
const RECORDINGS = DATA_MISSING === null ? RECORDED : MADE;

/** Of several peers, some of which have the same prefixes. */
function makeTables(): RecordedPeer[] {
  return [1, 1, 1, 2, 2, 3].map((seed, n) => {
    const as = 64_901 + n;
    const octets = madeTable({ family: "ipv4", as, prefixes: 5000, seed });
    return { as, messages: [...messagesOf(octets)] };
  });
}

function readTables(): RecordedPeer[] {
  return [...readArchive("peers-rv2014-ipv4.tar.zst")]
    .filter(([name]) => name.endsWith(".updates"))
    .map(([name, octets]) => ({
      as: Number(/\.as(\d+)\./.exec(name)?.[1]),
      messages: [...messagesOf(octets)],
    }));
}

/** A session of the recording, or of the witness. */
interface Client {
  readonly address: string;
  readonly as: number;
  readonly peer: Peer;
  readonly table: Map<string, Attributes>;
  updates: number;
}

describe("recordings", () => {
  describe.each(RECORDINGS)("$name", (recording) => {
    let speaker: SpeakerProcess;
    let clients: Client[];
    let witness: Client;
    let model: ModelPeer[];
    let candidates: Map<string, Candidate[]>;

    beforeAll(async () => {
      const recorded = recording
        .peers()
        .sort((a, b) => b.messages.length - a.messages.length || a.as - b.as);
      speaker = await SpeakerProcess.create(speakerConfig(recorded, recording.enforcesFirstAs));
      await speaker.start();
      witness = await connect(speaker, recorded.length, WITNESS_AS, true);
      clients = await Promise.all(
        recorded.map(({ as }, n) => connect(speaker, n, as, n < WATCHED)),
      );
      await Promise.all(
        recorded.map(({ messages }, n) => clients[n]!.peer.sendAll(Buffer.concat(messages))),
      );
      model = recorded.map(({ as, messages }) => {
        const peer = new ModelPeer(as, recording.enforcesFirstAs);
        for (const message of messages) peer.receive(message);
        return peer;
      });
      candidates = candidatesOf(model);
      await settled(speaker, recorded, [witness, ...clients.slice(0, WATCHED)]);
    });

    afterAll(() => {
      for (const client of [...(clients ?? []), witness]) client?.peer.end();
      speaker?.remove();
    });

    test("no session was reset, and faults were found where there are some", async () => {
      const { items } = await speaker.ask({ command: "show-neighbors" });
      const neighbors = items as ShownNeighborDetail[];
      for (const { address, state, established_count } of neighbors) {
        expect([state, established_count], address).toEqual(["Established", 1]);
      }
      const faults = neighbors.slice(0, -1).map(({ update_faults }) => update_faults);
      expect(faults).toEqual(model.map((peer) => peer.faults));
      const received = neighbors.map(({ messages }) => messages.received.update);
      const sum = received.reduce((all, count) => all + count, 0);
      if (recording.messages > 0) expect(sum).toBe(recording.messages);
    });

    test("the Adj-RIB-In of every peer is what the peer has said", async () => {
      for (const [n, { address }] of clients.entries()) {
        const expected = [...model[n]!.table].map(([prefix, { attributes, rejected }]) => [
          prefix,
          // Of what is malformed the routes are kept, and not the attributes.
          rejected === "malformed" ? rejected : `${rejected ?? "accepted"}\n${attributes}`,
        ]);
        const found = (await routes(speaker, { neighbor: address, view: "received" })).map(
          (route): [string, string] => {
            const verdict = route.reason?.code ?? "accepted";
            const malformed = verdict === "malformed";
            return [route.prefix, malformed ? verdict : `${verdict}\n${attributesShown(route)}`];
          },
        );
        expect(differences(new Map(expected as [string, string][]), new Map(found))).toEqual([]);
      }
    });

    test("the Loc-RIB has every path that may be used, and the best one first", async () => {
      const addressOf = new Map(model.map((peer, n) => [peer, clients[n]!.address]));
      const expected = new Map<string, string>();
      for (const [prefix, paths] of candidates) {
        const others = paths.map(({ peer }) => addressOf.get(peer)!).sort();
        expected.set(prefix, `${addressOf.get(bestOf(paths)!.peer)} of ${others.join(" ")}`);
      }
      const found = new Map<string, string[]>();
      for (const { prefix, neighbor, status } of await routes(speaker, {})) {
        const paths = found.get(prefix);
        if (paths !== undefined) paths.push(neighbor);
        else found.set(prefix, [status === "best" ? neighbor : status, neighbor]);
      }
      const texts = [...found].map(([prefix, [best, ...paths]]): [string, string] => [
        prefix,
        `${best} of ${paths.sort().join(" ")}`,
      ]);
      expect(differences(expected, new Map(texts))).toEqual([]);
    });

    test("a client that announces nothing has the best path of every prefix", () => {
      expect(differences(bestFor(candidates, WITNESS_AS), witness.table)).toEqual([]);
      expect(witness.table.size).toBe(candidates.size);
    });

    test("a client that announces most has the best path that is not of its own AS", () => {
      for (const { as, table } of clients.slice(0, WATCHED)) {
        expect(differences(bestFor(candidates, as), table), `AS ${as}`).toEqual([]);
      }
    });
  });
});

function speakerConfig(recorded: readonly RecordedPeer[], enforcesFirstAs: boolean) {
  const neighbors = [...recorded.map(({ as }) => as), WITNESS_AS].map((as, n) => ({
    address: neighborAddress(n + 1),
    as,
  }));
  return {
    router: { as: SPEAKER_AS, id: "192.0.2.1" },
    defaults: {
      "route-server-client": true,
      passive: true,
      families: ["ipv4-unicast", "ipv6-unicast"],
      import: "accept-all",
      export: "accept-all",
      "enforce-first-as": enforcesFirstAs,
    },
    neighbors,
  };
}

async function connect(
  speaker: SpeakerProcess,
  n: number,
  as: number,
  keepsTable: boolean,
): Promise<Client> {
  const address = neighborAddress(n + 1);
  const table = new Map<string, Attributes>();
  const client = { address, as, table, updates: 0 };
  const peer = await Peer.establish({
    port: speaker.port,
    localAddress: address,
    as,
    // Against the order of the addresses, so that it is the identifier that decides.
    identifier: `10.0.0.${254 - n}`,
    families: ["ipv4", "ipv6"],
    onUpdate: (octets) => {
      client.updates++;
      if (keepsTable) applyTo(table, octets);
    },
  });
  return Object.assign(client, { peer });
}

function applyTo(table: Map<string, Attributes>, octets: Buffer): void {
  let attributes: Attributes | undefined;
  eachRoute(octets, (prefix, update, nextHop) => {
    if (update === null) table.delete(prefix);
    else {
      attributes ??= attributesOf(update, nextHop);
      table.set(prefix, attributes);
    }
  });
}

/** Waits until the speaker has read everything, and the clients everything that it wrote. */
async function settled(
  speaker: SpeakerProcess,
  recorded: readonly RecordedPeer[],
  watched: readonly Client[],
): Promise<void> {
  let before = "";
  const isSettled = async () => {
    const neighbors = (await speaker.ask({ command: "show-neighbors" })).items;
    const groups = (await speaker.ask({ command: "show-groups" })).items as ShownGroup[];
    const counts = (neighbors as ShownNeighborDetail[]).map(({ messages }) => messages);
    const isRead = recorded.every(({ messages }, n) => {
      return counts[n]!.received.update === messages.length;
    });
    const isSent = groups.every(({ lag, catching_up }) => lag === 0 && catching_up === 0);
    const isHeard = watched.every(({ address, updates }) => {
      const n = (neighbors as ShownNeighborDetail[]).findIndex((one) => one.address === address);
      return counts[n]!.sent.update === updates;
    });
    const now = counts.map(({ sent }) => sent.update).join(" ");
    const was = before;
    before = now;
    return isRead && isSent && isHeard && now === was;
  };
  await until(isSettled, LONG_MS, "the recording is worked through");
}

async function routes(speaker: SpeakerProcess, query: object): Promise<ShownRoute[]> {
  const { items } = await speaker.ask({ command: "show-routes", ...query });
  return items as ShownRoute[];
}

/** What a client should have: a route goes to no session of the AS that it came from. */
function bestFor(
  candidates: ReadonlyMap<string, readonly Candidate[]>,
  as: number,
): Map<string, Attributes> {
  const best = new Map<string, Attributes>();
  for (const [prefix, paths] of candidates) {
    const found = bestOf(paths.filter(({ peer }) => peer.as !== as));
    if (found !== null) best.set(prefix, found.route.attributes);
  }
  return best;
}

/** Prefixes that the tables differ in, with both sides; the first few. */
function differences(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const prefixes = new Set([...expected.keys(), ...found.keys()]);
  return [...prefixes]
    .filter((prefix) => expected.get(prefix) !== found.get(prefix))
    .slice(0, 5)
    .map((prefix) => `${prefix}\nexpected ${expected.get(prefix)}\nfound ${found.get(prefix)}`);
}
