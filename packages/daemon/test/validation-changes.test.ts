/** What is told of routes whose state is another one since other payloads count: once for a neighbor. */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { say } from "../../../testkit/payloads.ts";
import { Peer } from "../../../testkit/peer.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { SpeakerProcess } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import type { ApiEvent } from "../src/api/messages.ts";
import { type ValidationChange, watchValidation } from "../src/validation-changes.ts";

const CACHE = "192.0.2.53:323";
const WAIT_MS = 10_000;
const NEIGHBORS = 60;
const AGAIN_MS = 8000;

test("of very many neighbors those with the most changes are told one by one, and of the rest how many", async () => {
  const neighbors = Array.from(
    { length: NEIGHBORS },
    (_, k) => `  - { address: 192.0.2.${k + 1}, as: ${65001 + k} }`,
  );
  const lab = new Lab(
    yamlOf(`
rpki: { caches: [ { address: 192.0.2.53 } ], start-limit: 0 }
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
${neighbors.join("\n")}
`),
  );
  for (let k = 0; k < NEIGHBORS; k++) {
    const peer = lab.peer(`192.0.2.${k + 1}`, { as: 65001 + k }).up();
    const more = k === 33 ? [`10.${k}.1.0/24`] : [];
    peer.announce([`10.${k}.0.0/16`, ...more], { path: [65001 + k] });
  }
  lab.run();
  const told: ValidationChange[] = [];
  let looks = 0;
  const router = () => {
    looks++;
    return lab.router;
  };
  const end = watchValidation(router, (change) => void told.push(change));
  const looked = async () => {
    const wanted = looks + 2;
    await until(() => looks >= wanted, WAIT_MS, "it is looked at again");
  };
  await looked();
  expect(told).toEqual([]);
  say(lab, CACHE, ["10.0.0.0/8 AS64999"]);
  lab.run();
  await looked();
  end();
  expect(told).toHaveLength(51);
  const change = { from: "not-found", to: "invalid" };
  expect(told[0]).toEqual({
    neighbor: "192.0.2.34",
    message: "other ROAs count, which changes the state of 2 routes: 2 from not-found to invalid",
    fields: { routes: 2, changes: [{ ...change, routes: 2 }] },
  });
  expect(told.at(-1)).toEqual({
    neighbor: null,
    message:
      "other ROAs count, which changes the state of 10 routes of 10 more neighbors: 10 from not-found to invalid",
    fields: { routes: 10, neighbors: 10, changes: [{ ...change, routes: 10 }] },
  });
});

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
