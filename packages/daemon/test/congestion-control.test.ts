/** Congestion control of session sockets, whatever the host's default is; that of others as it was. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { isUndisturbed, PORT, untilNsr, untilProtected, withPair } from "../../../testkit/pair.ts";
import { Peer } from "../../../testkit/peer.ts";
import {
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";

const FOLDER = "/proc/sys/net/ipv4";
const REASON = enterOwnNetwork() ?? otherDefault();

/** Gives the test's own namespace a default that is not the sessions'. @returns why not, or null */
function otherDefault(): string | null {
  const available = readFileSync(`${FOLDER}/tcp_available_congestion_control`, "utf8");
  if (!available.includes("cubic")) return "this kernel has no cubic";
  writeFileSync(`${FOLDER}/tcp_congestion_control`, available.includes("bbr") ? "bbr" : "reno");
  return spawnSync("ss", ["-V"]).status === 0 ? null : "needs ss of iproute2";
}

/** @returns what the kernel says of the connections between an address and the speaker's */
function algorithms(neighbor: string, port: number): { speaker: string[]; peer: string[] } {
  const of = (...filter: string[]) => {
    const { stdout } = spawnSync("ss", ["-tinH", "state", "established", ...filter]);
    return stdout.toString().match(/\b(cubic|reno|bbr)\b/g) ?? [];
  };
  return {
    speaker: of(`( dst ${neighbor} and ( sport = :${port} or dport = :${port} ) )`),
    peer: of(`( src ${neighbor} and ( sport = :${port} or dport = :${port} ) )`),
  };
}

async function shown(speaker: SpeakerProcess, neighbor: string): Promise<unknown> {
  const { congestion_control } = (await speaker.neighbor(neighbor)) as unknown as Record<
    string,
    unknown
  >;
  return congestion_control;
}

const [ACCEPTED, OTHER, CONNECTED, UNKNOWN] = [1, 2, 3, 4].map(neighborAddress) as [
  string,
  string,
  string,
  string,
];
const PORT_OF_PEER = 1799;

function config(accepted: object = {}) {
  return {
    defaults: { passive: true, import: "accept-all", export: "accept-all" },
    neighbors: [
      { address: ACCEPTED, as: 65001, ...accepted },
      { address: OTHER, as: 65002, "congestion-control": "reno" },
      { address: CONNECTED, as: 65003, passive: false, port: PORT_OF_PEER, "connect-retry": 1 },
      { address: UNKNOWN, as: 65004, "congestion-control": "nosuch" },
    ],
  };
}

describe.skipIf(REASON !== null)(`in a namespace with another default (${REASON ?? "bbr"})`, () => {
  test("what is accepted and what connects is as configured, cubic unless it is", () =>
    withSpeaker(config(), async (speaker) => {
      const { port } = speaker;
      const connected = listenAt(CONNECTED);
      try {
        const accepted = await Peer.establish({ port, localAddress: ACCEPTED, as: 65001 });
        const other = await Peer.establish({ port, localAddress: OTHER, as: 65002 });
        const unknown = await Peer.establish({ port, localAddress: UNKNOWN, as: 65004 });
        expect(algorithms(ACCEPTED, port).speaker).toEqual(["cubic"]);
        expect(algorithms(OTHER, port).speaker).toEqual(["reno"]);
        await until(
          () => expect(algorithms(CONNECTED, PORT_OF_PEER).speaker).toEqual(["cubic"]) ?? true,
          WAIT_MS,
          "the speaker connects",
        );
        expect(await shown(speaker, ACCEPTED)).toBe("cubic");
        expect(await shown(speaker, OTHER)).toBe("reno");
        expect(await shown(speaker, CONNECTED)).toBe(null);
        // There is no such algorithm: said with its line at the start, and for the session.
        expect(await shown(speaker, UNKNOWN)).toBe("cubic");
        const warnings = () => speaker.log().filter(({ level }) => level === "warn");
        await until(() => warnings().length >= 2, WAIT_MS, "what is wrong is logged");
        expect(warnings()).toMatchObject([
          { id: "config-warning", msg: expect.stringMatching(/:1:\d+: .*no nosuch/) },
          { id: "congestion-control", neighbor: UNKNOWN },
        ]);
        for (const peer of [accepted, other, unknown]) peer.end();
      } finally {
        connected.close();
      }
    }));

  test("a reload changes that of running connections, and resets none", () =>
    withSpeaker(config(), async (speaker) => {
      const { port } = speaker;
      const peer = await Peer.establish({ port, localAddress: ACCEPTED, as: 65001 });
      for (const name of ["reno", undefined]) {
        speaker.configure(config({ "congestion-control": name }));
        await speaker.ask({ command: "reload" });
        expect(algorithms(ACCEPTED, port).speaker).toEqual([name ?? "cubic"]);
        expect(await shown(speaker, ACCEPTED)).toBe(name ?? "cubic");
      }
      expect(isUndisturbed(peer)).toBe(true);
      expect((await speaker.neighbor(ACCEPTED)).established_count).toBe(1);
      peer.end();
    }));

  test("it is the same after a takeover, by crash and by switchover", () => {
    const neighbors = [
      { address: ACCEPTED, as: 65001 },
      { address: OTHER, as: 65002, "congestion-control": "reno" },
    ];
    return withPair({ config: { neighbors } }, async (pair) => {
      const { a, b } = await pair.start();
      const peers = [await pair.peer(1), await pair.peer(2)];
      await untilProtected(a, 2);
      const look = async (side: SpeakerProcess) => {
        await untilNsr(side, "it is active", ({ role }) => role === "active");
        expect(algorithms(ACCEPTED, PORT).speaker).toEqual(["cubic"]);
        expect(algorithms(OTHER, PORT).speaker).toEqual(["reno"]);
        expect([await shown(side, ACCEPTED), await shown(side, OTHER)]).toEqual(["cubic", "reno"]);
        for (const peer of peers) expect(isUndisturbed(peer)).toBe(true);
      };
      await look(a);
      expect(await shown(b, ACCEPTED)).toBe(null);
      await a.ask({ command: "switchover" });
      await look(b);
      await untilProtected(b, 2);
      b.signal("SIGKILL");
      await look(a);
    });
  });
});

/** A neighbor that is connected to, and says nothing. */
function listenAt(address: string): net.Server {
  const server = net.createServer((socket) => socket.on("error", () => {}));
  return server.listen(PORT_OF_PEER, address);
}
