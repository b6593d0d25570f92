/** A link with mutual TLS: who is let in, and what is said to whom. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  type SideName,
  saidBy,
  type TestPair,
  untilNsr,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { issuePair } from "../../cli/src/certificate.ts";

const REASON = enterOwnNetwork();
const ADDRESS = { address: "127.0.0.1", port: 1795 };
const YEARS = 10;
const YEAR_MS = 365.25 * 24 * 3_600_000;

interface Papers {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const CROWD = 300;

/** Connects, and again when it is closed; says no more than its first octets. */
class Idler {
  private socket: Socket | null = null;
  private isEnded = false;
  private readonly port: number;
  private readonly first: Buffer | null;

  constructor(port: number, first: Buffer | null) {
    this.port = port;
    this.first = first;
    this.come();
  }

  end(): void {
    this.isEnded = true;
    this.socket?.destroy();
  }

  private come(): void {
    this.socket = connect(this.port, ADDRESS.address);
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      if (!this.isEnded) setTimeout(() => !this.isEnded && this.come(), 50).unref();
    });
    if (this.first !== null) this.socket.write(this.first);
  }
}

/** Connects; again while nobody listens, as just after a start. */
async function comeIn(port: number): Promise<Socket> {
  let socket!: Socket;
  const connected = async () => {
    socket = connect(port, ADDRESS.address);
    socket.on("error", () => {});
    await Promise.race([once(socket, "close"), once(socket, "connect")]);
    return !socket.destroyed;
  };
  await until(connected, WAIT_MS, `somebody listens at port ${port}`);
  return socket;
}

/** Papers of both sides, by one authority. */
function issue(cluster: string, agoMs = 0): Record<"a" | "b", Papers> {
  const { authority, sides } = issuePair(cluster, ["a", "b"], Date.now() - agoMs, YEARS);
  const [a, b] = sides.map(({ certificate: cert, key }) => ({ cert, key, ca: authority }));
  return { a: a!, b: b! };
}

/** Configures a side with papers, as files. */
async function give(pair: TestPair, side: SideName, papers: Papers): Promise<void> {
  const write = (kind: keyof Papers) => {
    const file = join(pair.directory, `${side}.${kind}`);
    writeFileSync(file, papers[kind]);
    return file;
  };
  const tls = { cert: write("cert"), key: write("key"), ca: write("ca") };
  const nsr = pair.config(side)["nsr"] as object;
  const section = { ...nsr, listen: ADDRESS, peer: ADDRESS, arbiter: { file: pair.roleFile }, tls };
  (await pair.side(side)).configure(pair.config(side, { nsr: section }));
}

describe.skipIf(REASON !== null)(`a link with TLS (${REASON ?? "on one host"})`, () => {
  const good = issue("test");
  const other = issue("other");
  const expired = issue("test", 11 * YEAR_MS);

  test("carries a pair", () =>
    withPair({}, async (pair) => {
      for (const side of ["a", "b"] as const) await give(pair, side, good[side]);
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(isUndisturbed(peer)).toBe(true);
    }));

  const both = `${good.a.ca}${other.a.ca}`;
  // With what the standby shows, and what the active logs.
  test.each<[string, Papers, Papers, RegExp, RegExp]>([
    [
      "of another authority",
      good.a,
      issue("test").b,
      /self-signed|unable to verify|certificate/,
      /no TLS with a certificate: /,
    ],
    [
      "that the active does not trust",
      good.a,
      { ...other.b, ca: good.b.ca },
      /alert|closed|ECONN/,
      /its certificate does not hold: UNABLE_TO_VERIFY/,
    ],
    [
      "for another cluster, on both sides",
      other.a,
      other.b,
      /does not match|altnames/,
      /no TLS with a certificate: |its certificate is not for "test"/,
    ],
    [
      "for another cluster by an authority that both trust",
      { ...good.a, ca: both },
      { ...other.b, ca: both },
      /closed|ECONN/,
      /its certificate is not for "test"/,
    ],
    [
      "that is expired",
      { ...good.a, ca: `${good.a.ca}${expired.a.ca}` },
      { ...expired.b, ca: good.b.ca },
      /closed|alert|ECONN/,
      /its certificate does not hold: CERT_HAS_EXPIRED/,
    ],
    [
      "that has expired on the active",
      expired.a,
      { ...good.b, ca: `${good.b.ca}${expired.a.ca}` },
      /certificate has expired/,
      /no TLS with a certificate: /,
    ],
  ])("lets no standby in with a certificate %s", (_, ofA, ofB, reason, told) =>
    withPair({}, async (pair) => {
      await give(pair, "a", ofA);
      await give(pair, "b", ofB);
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      const b = await pair.side("b");
      await b.start();
      const shown = await untilNsr(b, "a reason", (now) => reason.test(now.reason));
      expect(shown.ready).toBe(false);
      expect(shown.role).not.toBe("active");
      expect(await nsrOf(a)).toMatchObject({ role: "active", ready: false });
      const line = await a.untilLogged("a refusal", ({ id }) => id === "nsr-refused");
      expect(line.msg).toMatch(/^refused 127\.0\.0\.1 port \d+: /);
      expect(line.msg).toMatch(told);
      expect(isUndisturbed(peer)).toBe(true);
    }),
  );

  test("is there for the standby while hundreds say nothing, or begin and do not go on", () =>
    withPair({}, async (pair) => {
      for (const side of ["a", "b"] as const) await give(pair, side, good[side]);
      const a = await pair.startActive("a");
      const ports = [ADDRESS.port, ADDRESS.port + 1];
      // The first octets of a ClientHello.
      const start = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc]);
      const crowd = ports.flatMap((port) =>
        Array.from({ length: CROWD }, (_, k) => new Idler(port, k % 4 === 0 ? start : null)),
      );
      try {
        await a.untilLogged("it is told", ({ id }) => id === "nsr-refused");
        await pair.startStandby("b");
        await untilReady(a, "active");
        await untilNsr(a, "the crowd goes", (shown) => {
          return shown.refused.crowded + shown.refused.slow > CROWD;
        });
      } finally {
        for (const idler of crowd) idler.end();
      }
      // A line for each reason now and then, however many there were.
      expect(saidBy(a, "nsr-refused").length).toBeLessThan(20);
    }));

  test("keeps nothing of long frames for whoever has no certificate", () =>
    withPair({}, async (pair) => {
      for (const side of ["a", "b"] as const) await give(pair, side, good[side]);
      const a = await pair.startActive("a");
      const before = a.residentOctets();
      const head = Buffer.from("1000000000000000d16e58c6", "hex");
      const chunk = Buffer.alloc(1 << 20);
      for (const port of [ADDRESS.port, ADDRESS.port + 1]) {
        for (let n = 0; n < 12; n++) {
          const socket = await comeIn(port);
          socket.write(head);
          for (let mib = 0; mib < 8; mib++) socket.write(chunk);
          await until(() => socket.destroyed, WAIT_MS, "it is left");
        }
      }
      expect(a.residentOctets() - before).toBeLessThan(64 << 20);
      await untilNsr(a, "all are counted", ({ refused }) => refused.handshake >= 24);
    }));

  test("takes neither plain text nor somebody without a certificate for a standby", () =>
    withPair({}, async (pair) => {
      for (const side of ["a", "b"] as const) await give(pair, side, good[side]);
      const a = await pair.startActive("a");
      const plain = connect(ADDRESS.port, ADDRESS.address);
      plain.on("error", () => {});
      plain.write("GET / HTTP/1.1\r\n\r\n");
      await until(() => plain.destroyed, WAIT_MS, "plain text is left");
      const options = { ...ADDRESS, host: ADDRESS.address, rejectUnauthorized: false };
      const nobody = connectTls(options);
      nobody.on("error", () => {});
      await until(() => nobody.destroyed, WAIT_MS, "nobody is left");
      await pair.startStandby("b");
      await untilReady(a, "active");
    }));
});
