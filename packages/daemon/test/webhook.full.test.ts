/** The webhook of a speaker, and of a pair. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { isUndisturbed, PEER_AS, untilProtected, withPair } from "../../../testkit/pair.ts";
import { neighborAddress, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import type { WebhookMessage } from "../src/webhook.ts";

const REASON = enterOwnNetwork();

let messages: WebhookMessage[] = [];
let isSilent = false;
const server = createServer(async (request: IncomingMessage, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  if (isSilent) return;
  messages.push(JSON.parse(body) as WebhookMessage);
  response.end();
});
let webhook = { url: "" };

/** @returns who told what of whom */
const told = () =>
  messages.flatMap(({ speaker, events }) =>
    events.map(({ id, neighbor }) => [speaker.side, id, neighbor].filter(Boolean).join(" ")),
  );

describe.skipIf(REASON !== null)(`a webhook of a pair (${REASON ?? "on one host"})`, () => {
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    webhook = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    messages = [];
    isSilent = false;
  });

  const tells = (text: string) => until(() => told().includes(text), WAIT_MS, `it tells ${text}`);

  test("the active side alone tells, and who takes over says so first", () =>
    withPair({ config: { webhook } }, async (pair) => {
      const { a } = await pair.start();
      const [first, second] = [await pair.peer(1), await pair.peer(2)];
      await tells(`a session-up ${neighborAddress(2)}`);
      await untilProtected(a, 2);
      const before = told();
      expect(before.filter((text) => !text.startsWith("a session-up"))).toEqual([]);
      a.signal("SIGKILL");
      await tells("b nsr-takeover");
      second.end();
      await tells(`b session-down ${neighborAddress(2)}`);
      expect(told().slice(before.length)).toEqual([
        "b nsr-takeover",
        `b session-down ${neighborAddress(2)}`,
      ]);
      expect(isUndisturbed(first)).toBe(true);
      expect(messages[0]?.speaker).toEqual({
        as: 64500,
        id: "192.0.2.1",
        cluster: "test",
        side: "a",
      });
    }));

  test("a receiver that never answers holds up nobody, and a side that ends no longer than two seconds", () =>
    withPair({ config: { webhook } }, async (pair) => {
      isSilent = true;
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      const other = await pair.peer(2);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 2000 }));
      await until(() => other.count(2) > 0, WAIT_MS, "routes go on");
      const problem = () => a.log().some(({ id, level }) => id === "webhook" && level === "warn");
      await until(problem, WAIT_MS, "it says that there is no answer");
      isSilent = false;
      await tells(`a session-up ${neighborAddress(1)}`);
      a.signal("SIGTERM");
      await tells("b nsr-takeover");
      expect([peer, other].map(isUndisturbed)).toEqual([true, true]);
      expect(b.log().filter(({ id }) => id === "webhook")).toEqual([]);
    }));

  test("a reload that goes back, too many routes sent, and a hand-over are told", () => {
    const events = ["max-prefix-out", "config-rolled-back", "config-differs", "nsr-handover"];
    const limited = Array.from({ length: 3 }, (_, k) => ({
      ...{ address: neighborAddress(k + 1), as: PEER_AS + k },
      ...(k === 1 ? { "max-prefix-out": { "ipv4-unicast": 5, action: "warn" } } : {}),
    }));
    return withPair({ config: { webhook: { ...webhook, events } } }, async (pair) => {
      const { a } = await pair.start();
      const [first] = [await pair.peer(1), await pair.peer(2)];
      a.configure(pair.config("a", { neighbors: limited }));
      await a.ask({ command: "reload", confirm: 600 });
      await first.sendAll(manyRoutes({ as: PEER_AS, count: 10 }));
      await tells(`a max-prefix-out ${neighborAddress(2)}`);
      await a.ask({ command: "rollback" });
      await tells("a config-differs");
      await untilProtected(a, 2);
      await a.ask({ command: "switchover" });
      await tells("a nsr-handover");
      expect(told()).toEqual([
        `a max-prefix-out ${neighborAddress(2)}`,
        ...["a config-rolled-back", "a config-differs", "a nsr-handover"],
      ]);
    });
  });
});
