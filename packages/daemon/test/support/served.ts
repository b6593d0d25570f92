/** What a daemon serves, without a speaker that runs. */
import { loadConfig } from "@ts-bgp/config";
import { Router } from "@ts-bgp/router";
import { Latency } from "../../../speaker/src/latency.ts";
import { TurnedAway } from "../../../speaker/src/turned-away.ts";
import type { Served } from "../../src/commands.ts";

/** @param count - of its neighbors */
export function servedOf(count: number, description = ""): Served {
  const neighbors = Array.from({ length: count }, (_, n) => ({
    address: `10.0.${n >> 8}.${n & 255}`,
    as: 65001,
    passive: true,
    description,
  }));
  const text = JSON.stringify({ router: { as: 64500, id: "192.0.2.1" }, neighbors });
  const { config } = loadConfig("x", text, { readFile: () => "", env: () => "" });
  const refuse = () => {
    throw new Error("not asked for");
  };
  return {
    router: new Router(config!, 1),
    slices: { count: 3, totalMs: 1500, maxMs: 4 },
    latency: new Latency(),
    operate: refuse,
    shutDownGracefully: refuse,
    congestionControlOf: () => null,
    turnedAway: new TurnedAway(() => {}),
    feeds: null,
  };
}
