/** The link's port while somebody floods it, and the thread that accepts has other work. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { NsrConfig } from "@ts-bgp/config";
import { afterEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { freePort } from "../../../testkit/speaker.ts";
import { issuePair } from "../../cli/src/certificate.ts";
import { connectLink, listenForLinks } from "../src/links.ts";

const FLOOD = fileURLToPath(new URL("../../../testkit/connection-flood.ts", import.meta.url));
const FLOOD_PER_SECOND = 3000;
/** More than Node.js has wait for it of its own accord. */
const FLOOD_BEGINNING = 2000;
const ADDRESS = { address: "127.0.0.1", port: await freePort() };
const STRANGER = "127.0.0.2";
const WORK_MS = 10;
/** So often the other side comes. */
const TIMES = 3;
const WAIT_MS = 30_000;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** From now on there is work between two turns of the event loop. */
function work(): void {
  let isOver = false;
  ends.push(() => {
    isOver = true;
  });
  const some = () => {
    for (const endMs = performance.now() + WORK_MS; performance.now() < endMs; );
    if (!isOver) setImmediate(some);
  };
  some();
}

test("a flood of connections from elsewhere does not keep the other side out", async () => {
  const { authority, sides } = issuePair("test", ["a", "b"], Date.now(), 10);
  const { certificate: cert, key } = sides[0]!;
  const config = {
    cluster: "test",
    peers: [{ name: null, ways: [ADDRESS] }],
    tls: { cert, key, ca: authority },
  };
  const refused = new Set<string>();
  let refusals = 0;
  const stop = await listenForLinks(
    ADDRESS,
    config as unknown as NsrConfig,
    ({ welcome, stream }) => {
      welcome();
      stream.on("error", () => {}).resume();
      ends.push(() => stream.destroy());
    },
    ({ reason }) => {
      refused.add(reason);
      refusals++;
    },
  );
  ends.push(stop);
  work();
  const flood = spawn(process.execPath, [
    ...[FLOOD, String(ADDRESS.port), STRANGER, String(FLOOD_PER_SECOND)],
  ]);
  ends.push(() => flood.kill());
  let flooded = 0;
  createInterface(flood.stdout).on("line", (line) => {
    flooded = Number(line);
  });
  await until(() => flooded >= FLOOD_BEGINNING, WAIT_MS, "the flood has begun");
  for (let n = 0; n < TIMES; n++) {
    // One may be unlucky on a busy machine, and comes again.
    const stream = await until(
      () => connectLink(ADDRESS, config as unknown as NsrConfig),
      WAIT_MS,
      "the other side is in",
    );
    stream.destroy();
  }
  await until(() => refusals > FLOOD_BEGINNING, WAIT_MS, "the others were refused");
  for (const reason of refused) expect(["crowded", "handshake"]).toContain(reason);
});
