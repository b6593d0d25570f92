/** What is told to stop while it is about to begin leaves nothing behind that keeps its process. */
import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { freePort } from "../../../testkit/speaker.ts";
import { Speaker } from "../src/speaker.ts";

test.each(["stop", "suspend"] as const)("a speaker that begins to listen: %s", async (how) => {
  const ports = [await freePort(), await freePort()];
  const listen = ports.map((port) => `{ address: 127.0.0.1, port: ${port} }`).join(", ");
  const neighbors = "neighbors: [{ address: 127.1.0.1, as: 65001, passive: true }]";
  const config = configOf(yamlOf(`\nlisten: [${listen}]\n${neighbors}`));
  const speaker = Speaker.fresh(config, { log: () => {} });
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const started = speaker.start();
  if (how === "stop") await speaker.stop(null);
  else speaker.suspend();
  await started;
  for (const port of ports) {
    const socket = net.connect({ host: "127.0.0.1", port });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  }
  expect(timers()).toBeLessThanOrEqual(before);
});
