/** A link with mutual TLS: who is let in, and what is said to whom. */
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { issuePair } from "../../cli/src/certificate.ts";
import { enterOwnNetwork } from "./support/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  type SideName,
  type TestPair,
  untilNsr,
  untilReady,
  withPair,
} from "./support/pair.ts";
import { WAIT_MS } from "./support/speaker.ts";

vi.setConfig({ testTimeout: 90_000 });
const REASON = enterOwnNetwork();
const ADDRESS = { address: "127.0.0.1", port: 1795 };
const YEARS = 10;
const YEAR_MS = 365.25 * 24 * 3_600_000;

interface Papers {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Papers of both sides, by one authority. */
function issue(cluster: string, agoMs = 0): Record<SideName, Papers> {
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
  test.each<[string, Papers, Papers, RegExp]>([
    ["of another authority", good.a, issue("test").b, /self-signed|unable to verify|certificate/],
    ["that the active does not trust", good.a, { ...other.b, ca: good.b.ca }, /alert|closed|ECONN/],
    ["for another cluster, on both sides", other.a, other.b, /does not match|altnames/],
    [
      "for another cluster by an authority that both trust",
      { ...good.a, ca: both },
      { ...other.b, ca: both },
      /closed|ECONN/,
    ],
    [
      "that is expired",
      good.a,
      { ...issue("test", 11 * YEAR_MS).b, ca: good.b.ca },
      /closed|alert|ECONN/,
    ],
    [
      "that has expired on the active",
      issue("test", 11 * YEAR_MS).a,
      good.b,
      /expired|verify|certificate/,
    ],
  ])("lets no standby in with a certificate %s", (_, ofA, ofB, reason) =>
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
      expect(isUndisturbed(peer)).toBe(true);
    }),
  );

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
