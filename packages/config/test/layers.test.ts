/** Options of a neighbor, of its group, and the defaults. */
import { describe, expect, test } from "vitest";
import type { NeighborConfig } from "../src/index.ts";
import { loadText, neighborOf } from "./sources.ts";

describe("what a neighbor does not say comes from its group, then from the defaults", () => {
  const more =
    "groups: { g: { hold-time: 60, passive: true } }\ndefaults: { hold-time: 30, port: 99 }";

  test("in this order", () => {
    const found = neighborOf("group: g, hold-time: 0", more);
    expect([found.holdTime, found.passive, found.port]).toEqual([0, true, 99]);
    expect(neighborOf("group: g", more).holdTime).toBe(60);
    expect(neighborOf("group: g, max-prefix: 5", more).maxPrefix).toMatchObject({
      ipv4Unicast: 5,
      ipv6Unicast: 5,
      action: "shutdown",
      warnPercent: 80,
    });
  });

  test("and sections key by key; a word is the mode of graceful restart", () => {
    const layers = "groups: { g: { graceful-restart: { restart-time-max: 60 } } }";
    const found = (options: string) => neighborOf(`group: g, ${options}`, layers).gracefulRestart;
    expect(found("graceful-restart: off")).toEqual({ mode: "off", restartTimeMax: 60 });
    expect(found("graceful-restart: { restart-time-max: 90 }")).toEqual({
      mode: "helper",
      restartTimeMax: 90,
    });
    expect(neighborOf("").gracefulRestart).toEqual({ mode: "helper", restartTimeMax: 4095 });
  });

  const rows: [string, Partial<NeighborConfig>][] = [
    [
      "",
      { import: [], export: [], nextHop: "self", enforceFirstAs: true, families: ["ipv4-unicast"] },
    ],
    ["ebgp-requires-policy: false", { import: ["accept-all"], export: ["accept-all"] }],
    ["as: 64500", { import: ["accept-all"], export: ["accept-all"], nextHop: "unchanged" }],
    ["local-as: 64501", { import: ["accept-all"], nextHop: "unchanged", localAs: 64501 }],
    [
      "route-server-client: true",
      {
        nextHop: "unchanged",
        honorWellKnownCommunities: false,
        sendSameAs: false,
        pathHiding: "mitigate",
      },
    ],
    ["route-server-client: true, next-hop: self", { nextHop: "self" }],
    ["address: 2001:db8::1", { families: ["ipv6-unicast"] }],
    ["hold-time: 180", { holdTime: 180 }],
  ];
  test.each(rows)("{ %s }: %j", (options, want) => {
    const keys = ["address", "as"].filter((key) => !options.includes(`${key}:`) || key === "as");
    const own = options.startsWith("as:") ? [] : ["as: 64501"];
    const address = keys.includes("address") ? ["address: 192.0.2.11"] : [];
    const all = [...address, ...own, ...(options === "" ? [] : [options])].join(", ");
    const { config } = loadText(`neighbors: [ { ${all} } ]`);
    expect(config!.neighbors[0]).toMatchObject(want);
  });
});
