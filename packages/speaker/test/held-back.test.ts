/** What a speaker holds back while it is not sure of its role. */
import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { freePort } from "../../../testkit/speaker.ts";
import { Speaker } from "../src/speaker.ts";

const PORT = await freePort();
const WAIT_MS = 20_000;
const PEERS = ["127.1.0.1", "127.1.0.2"] as const;
const CONFIG = configOf(
  yamlOf(`
listen: [{ address: 127.0.0.1, port: ${PORT} }]
defaults: { passive: true, import: accept-all, export: accept-all }
neighbors: [{ address: ${PEERS[0]}, as: 65001 }, { address: ${PEERS[1]}, as: 65002 }]`),
);

test("leaves once it is sure", async () => {
  let isHeld = false;
  // Asked whenever something is to leave.
  let asked = 0;
  const isSure = () => {
    asked++;
    return isHeld;
  };
  const speaker = Speaker.fresh(CONFIG, { log: () => {}, isHeld: isSure });
  await speaker.start();
  const heard = [0, 0];
  const sockets: net.Socket[] = [];
  for (const [k, localAddress] of PEERS.entries()) {
    const before = asked;
    const socket = net.connect({ host: "127.0.0.1", port: PORT, localAddress });
    sockets.push(socket);
    socket.on("data", ({ length }) => {
      heard[k]! += length;
    });
    await once(socket, "connect");
    await until(() => asked > before, WAIT_MS, "an OPEN is to leave");
  }
  expect(heard).toEqual([0, 0]);
  isHeld = true;
  await until(() => heard[0]! > 0 && heard[1]! > 0, WAIT_MS, "both hear their OPENs");
  for (const socket of sockets) socket.destroy();
  await speaker.stop(null);
});
