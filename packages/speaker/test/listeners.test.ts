/** Where connections are accepted, through configurations that come and go. */

import { once } from "node:events";
import net from "node:net";
import type { ClusterConfig, ListenAddress } from "@ts-bgp/config";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../../../testkit/speaker.ts";
import { Listeners } from "../src/listeners.ts";

const ADDRESS = "127.0.0.1";
/** For documentation: no host has it. */
const NOT_HERE: ListenAddress = { address: "192.0.2.77", port: 179 };
const SHARED = { sharesAddress: true } as ClusterConfig;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

function newListeners() {
  const said: string[] = [];
  const listeners = new Listeners({
    welcome: () => "reset",
    accept() {},
    lacking: ({ message }) => void said.push(message),
    refused: (_, { message }) => void said.push(message),
  });
  ends.push(() => listeners.end());
  return { listeners, said };
}

/** @returns whether somebody listens there */
async function answers({ address, port }: ListenAddress): Promise<boolean> {
  const socket = net.connect(port, address);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    // It is reset as soon as it is there.
    return (error as NodeJS.ErrnoException).code !== "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}

const alone = (...listen: ListenAddress[]) => ({ listen, cluster: null });
const shared = (...listen: ListenAddress[]) => ({ listen, cluster: SHARED });

test("two configurations at once come one after the other, with what both have listened on throughout", async () => {
  const { listeners, said } = newListeners();
  const at = { address: ADDRESS, port: await freePort() };
  await Promise.all([listeners.use(alone(at), null), listeners.use(alone(at), alone(at))]);
  expect([listeners.has(at), await answers(at), said]).toEqual([true, true, []]);
});

test("an address that could not be had before is no reason to refuse something else", async () => {
  const { listeners, said } = newListeners();
  const at = { address: ADDRESS, port: await freePort() };
  const next = { address: ADDRESS, port: await freePort() };
  const before = alone(at, NOT_HERE);
  await expect(listeners.use(before, null)).rejects.toThrow("cannot listen on 192.0.2.77 port 179");
  expect(listeners.has(at)).toBe(false);
  await listeners.use(alone(at, NOT_HERE, next), before);
  expect([await answers(at), await answers(next)]).toEqual([true, true]);
  expect(said.join()).toContain("cannot listen on 192.0.2.77 port 179");
  // A new one is.
  const other = { ...NOT_HERE, port: 1179 };
  await expect(listeners.use(alone(at, other), alone(at, NOT_HERE, next))).rejects.toThrow(
    "port 1179",
  );
  expect([await answers(at), await answers(next)]).toEqual([true, true]);
});

test("members share an address when all say so, and one that is refused listens as before", async () => {
  const [first, second] = [newListeners(), newListeners()];
  const at = { address: ADDRESS, port: await freePort() };
  await first.listeners.use(alone(at), null);
  await expect(second.listeners.use(shared(at), null)).rejects.toThrow(
    "something else is listening",
  );
  await expect(first.listeners.use(shared(at, NOT_HERE), alone(at))).rejects.toThrow("192.0.2.77");
  expect([first.listeners.has(at), await answers(at), first.said]).toEqual([true, true, []]);
  await expect(second.listeners.use(shared(at), null)).rejects.toThrow(
    "something else is listening",
  );
  await first.listeners.use(shared(at), alone(at));
  await second.listeners.use(shared(at), null);
  await expect(first.listeners.use(alone(at), shared(at))).rejects.toThrow(
    "something else is listening",
  );
  expect([first.listeners.has(at), second.listeners.has(at)]).toEqual([true, true]);
  second.listeners.end();
  await first.listeners.use(alone(at), shared(at));
  expect([await answers(at), first.said]).toEqual([true, []]);
});

test("what cannot be had again after a refusal is told", async () => {
  const { listeners, said } = newListeners();
  const at = { address: ADDRESS, port: await freePort() };
  await listeners.use(alone(at), null);
  const refused = listeners.use(shared(at), alone(at), () => {
    listeners["open"] = () => Promise.reject(new Error("somebody has it"));
    throw new Error("not now");
  });
  await expect(refused).rejects.toThrow("not now");
  expect(said).toEqual([`cannot listen on ${ADDRESS} port ${at.port}: somebody has it`]);
});
