/** The webhook, to receivers that are real HTTP servers. */
import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { WebhookConfig } from "@ts-bgp/config";
import { afterEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import type { ApiEvent } from "../src/api/messages.ts";
import { FLUSH_MS, Webhook, type WebhookMessage } from "../src/webhook.ts";

const WAIT_MS = 10_000;
const SECRET = "0123456789abcdef";
const SENDER = { as: 64500, id: "192.0.2.1", cluster: null, side: null };

interface Taken {
  readonly body: string;
  readonly message: WebhookMessage;
  readonly signature: string | undefined;
}

/** A receiver: what it was sent, and what it answers, in turn, and 200 after that; 0 for the end of the connection. */
class Receiver {
  readonly taken: Taken[] = [];
  readonly answers: number[] = [];
  readonly server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const signature = request.headers["ts-bgp-signature"] as string | undefined;
    this.taken.push({ body, message: JSON.parse(body), signature });
    const status = this.answers.shift() ?? 200;
    if (status === 0) request.socket.destroy();
    else response.writeHead(status, { location: "/elsewhere" }).end("a text that nobody reads");
  });

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    return (this.server.address() as AddressInfo).port;
  }

  get ids(): string[][] {
    return this.taken.map(({ message }) => message.events.map(({ message: text }) => text));
  }
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function receiver(port = 0): Promise<{ receiver: Receiver; port: number }> {
  const made = new Receiver();
  const at = await made.listen(port);
  ends.push(() => made.server.close());
  return { receiver: made, port: at };
}

/** A webhook of a side that is active unless said otherwise, and what it logs. */
function webhookTo(port: number, more: Partial<WebhookConfig> = {}, isActive = true) {
  const said: string[] = [];
  let heard: (event: ApiEvent) => void = () => {};
  let looks: readonly string[] = [];
  const webhook = new Webhook({
    sender: () => SENDER,
    watch: (wanted, next) => {
      heard = next;
      looks = wanted;
      return () => {
        heard = () => {};
      };
    },
    say: (level, message) => said.push(`${level}: ${message}`),
  });
  ends.push(() => webhook.stop());
  const config: WebhookConfig = {
    url: `http://127.0.0.1:${port}/x`,
    secret: null,
    events: ["session-up", "session-down", "nsr-takeover"],
    ...more,
  };
  webhook.use(config, isActive);
  const happen = (id: string, message = id, at_ms = Date.now()) =>
    heard({ at_ms, level: "info", id, neighbor: null, message });
  return { webhook, config, happen, said, looksFor: () => looks };
}

test("events are posted in their order, those that are wanted, with a signature", async () => {
  const { receiver: to, port } = await receiver();
  const { happen } = webhookTo(port, { secret: SECRET });
  happen("session-up", "1");
  happen("update-fault", "2");
  happen("session-down", "3");
  await until(() => to.taken.length === 1, WAIT_MS, "it is told");
  const [{ body, message, signature }] = to.taken as [Taken];
  expect(message).toMatchObject({
    speaker: SENDER,
    missed: 0,
    events: [
      { id: "session-up", level: "info", neighbor: null, message: "1" },
      { id: "session-down", message: "3" },
    ],
  });
  expect(signature).toBe(`sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`);
  happen("session-up", "4");
  await until(() => to.taken.length === 2, WAIT_MS, "the next one is told");
  expect(to.taken[1]!.message.delivery).not.toBe(message.delivery);
});

test("without a secret there is no signature", async () => {
  const { receiver: to, port } = await receiver();
  webhookTo(port).happen("session-up");
  await until(() => to.taken.length === 1, WAIT_MS, "it is told");
  expect(to.taken[0]!.signature).toBeUndefined();
});

test.each([[503], [404], [302], [0]])(
  "an answer of %s: the same message is sent again",
  async (status) => {
    const { receiver: to, port } = await receiver();
    to.answers.push(status);
    const { webhook, happen, said } = webhookTo(port);
    happen("session-up", "1");
    await until(() => webhook.show()?.isTaken === false, WAIT_MS, "it is not taken");
    happen("session-up", "2");
    await until(() => webhook.show()?.taken === 2, WAIT_MS, "all is taken");
    expect(to.ids).toEqual([["1"], ["1"], ["2"]]);
    expect(to.taken[1]!.body).toBe(to.taken[0]!.body);
    expect(said).toEqual([
      expect.stringMatching(/^warn: events are not taken, and wait: /),
      "info: events are taken again",
    ]);
    expect(webhook.show()).toEqual({ isTaken: true, waiting: 0, taken: 2, dropped: 0, refused: 0 });
  },
);

test("a message that is refused is not sent again, and counted in the next one", async () => {
  const { receiver: to, port } = await receiver();
  to.answers.push(422);
  const { webhook, happen, said } = webhookTo(port);
  happen("session-up", "1");
  happen("session-up", "2");
  await until(() => webhook.show()?.refused === 2, WAIT_MS, "it is refused");
  happen("session-up", "3");
  await until(() => to.taken.length === 2, WAIT_MS, "the next one is told");
  expect(to.taken.map(({ message }) => message.missed)).toEqual([0, 2]);
  expect(said).toEqual(["error: 2 events are refused, and not sent again: the answer is 422"]);
});

test("of more than can wait for a receiver that is away the newest are told, and how many not", async () => {
  const { receiver: first, port } = await receiver();
  first.server.close();
  const { webhook, happen, said } = webhookTo(port);
  happen("session-up", "first");
  await until(() => webhook.show()?.isTaken === false, WAIT_MS, "nobody is there");
  for (let k = 0; k < 1500; k++) happen("session-up", String(k));
  expect(webhook.show()).toMatchObject({ waiting: 1001, dropped: 500 });
  const { receiver: to } = await receiver(port);
  await until(() => webhook.show()?.taken === 1001, WAIT_MS, "all that waits is told");
  const [one = [], ...rest] = to.ids;
  expect(one).toEqual(["first"]);
  expect(rest.flat()).toEqual(Array.from({ length: 1000 }, (_, k) => String(500 + k)));
  expect(rest.every((ids) => ids.length === 100)).toBe(true);
  expect(to.taken.map(({ message }) => message.missed)).toEqual([0, 500, ...Array(9).fill(0)]);
  expect(said).toHaveLength(2);
});

test("a side that is not active tells nothing, and when it takes over what it heard just before", async () => {
  const { receiver: to, port } = await receiver();
  const { webhook, config, happen, looksFor } = webhookTo(
    port,
    { events: ["session-up", "nsr-takeover", "first-rejection"] },
    false,
  );
  expect(looksFor()).toEqual([]);
  happen("session-up", "long ago", Date.now() - 60_000);
  happen("nsr-takeover");
  webhook.use(config, true);
  expect(looksFor()).toEqual(["first-rejection"]);
  happen("session-up", "now");
  await until(() => webhook.show()?.taken === 2, WAIT_MS, "both are told");
  expect(to.ids).toEqual([["nsr-takeover", "now"]]);
  webhook.use(config, false);
  happen("session-up", "not any more");
  expect(webhook.show()).toMatchObject({ waiting: 0, taken: 2 });
});

test("a reload gives what waits to another receiver, and without one nobody is told", async () => {
  const { receiver: gone, port: nowhere } = await receiver();
  gone.server.close();
  const { receiver: to, port } = await receiver();
  const { webhook, config, happen } = webhookTo(nowhere);
  happen("session-up", "1");
  await until(() => webhook.show()?.isTaken === false, WAIT_MS, "nobody is there");
  webhook.use({ ...config, url: `http://127.0.0.1:${port}/` }, true);
  await until(() => webhook.show()?.taken === 1, WAIT_MS, "the other one is told");
  expect(to.ids).toEqual([["1"]]);
  webhook.use(null, true);
  happen("session-up", "2");
  expect(webhook.show()).toBe(null);
});

test("a stop waits for what is told, and not for a receiver that is away", async () => {
  const { receiver: to, port } = await receiver();
  const { webhook, happen } = webhookTo(port);
  happen("session-up", "1");
  await until(() => webhook.show()?.taken === 1, WAIT_MS, "it is told");
  happen("session-down", "2");
  await webhook.stop();
  expect(to.ids).toEqual([["1"], ["2"]]);
  to.server.close();
  const { webhook: other, happen: more } = webhookTo(port);
  more("session-down", "3");
  await until(() => other.show()?.isTaken === false, WAIT_MS, "nobody is there");
  const beganMs = performance.now();
  await other.stop();
  expect(performance.now() - beganMs).toBeLessThan(FLUSH_MS);
});
