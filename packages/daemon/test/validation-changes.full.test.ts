/** Who listens to a speaker, and its webhook, are told of routes whose state is another one since other payloads count. */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { SpeakerProcess } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import type { ApiEvent } from "../src/api/messages.ts";

const WAIT_MS = 10_000;
const AGAIN_MS = 8000;

/** Writes a file as validators do: whoever reads it finds the old one or the new one. */
function writeRoas(file: string, prefix: string): void {
  writeFileSync(`${file}.new`, JSON.stringify({ roas: [{ asn: "AS64999", prefix }] }));
  renameSync(`${file}.new`, file);
}

test("a webhook and the stream of a speaker are told by neighbor, and not by route", async () => {
  const posted: ApiEvent[] = [];
  const receiver = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    posted.push(...JSON.parse(body).events);
    response.end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const [one, other] = ["127.1.2.1", "127.1.2.2"];
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-test-"));
  const file = join(folder, "roas.json");
  const speaker = await SpeakerProcess.create({
    webhook: {
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
      events: ["validation-change"],
    },
    rpki: { files: [file], "start-limit": 0 },
    neighbors: [one, other].map((address, k) => ({
      ...{ address, as: 65001 + k, passive: true },
      ...{ import: "accept-all", export: "accept-all", "route-server-client": true },
    })),
  });
  const peers: Peer[] = [];
  try {
    writeRoas(file, "20.0.0.0/8");
    await speaker.start();
    for (const [k, localAddress] of [one, other].entries()) {
      peers.push(await Peer.establish({ port: speaker.port, localAddress, as: 65001 + k }));
    }
    await peers[0]!.sendAll(manyRoutes({ as: 65001, count: 300 }));
    const isThere = async () => (await speaker.neighbor(one)).families[0]?.received === 300;
    await until(isThere, WAIT_MS, "its routes are there");
    const stream = await fetch(`http://127.0.0.1:${speaker.httpPort}/api/v1/events`);
    let text = "";
    void (async () => {
      for await (const chunk of stream.body!) text += Buffer.from(chunk).toString();
    })().catch(() => {});
    await until(() => text !== "", WAIT_MS, "it is heard");
    // A change that comes before the first look is none: until it is told, there is another one now and then.
    let turn = 0;
    let nextMs = 0;
    const tells = () => {
      if (performance.now() > nextMs) {
        writeRoas(file, turn++ % 2 === 0 ? "16.0.0.0/8" : "20.0.0.0/8");
        nextMs = performance.now() + AGAIN_MS;
      }
      const isPosted = posted.some(({ routes }) => routes === 300);
      return isPosted && text.includes("event: validation-change");
    };
    await until(tells, 6 * WAIT_MS, "both are told");
    expect(posted).toContainEqual(
      expect.objectContaining({ id: "validation-change", level: "info", routes: 300 }),
    );
    expect(posted.every(({ neighbor }) => neighbor === one)).toBe(true);
    expect(posted.length).toBeLessThanOrEqual(turn);
    await stream.body?.cancel().catch(() => {});
  } finally {
    for (const peer of peers) peer.end();
    speaker.remove();
    rmSync(folder, { recursive: true });
    receiver.closeAllConnections();
    receiver.close();
  }
});
