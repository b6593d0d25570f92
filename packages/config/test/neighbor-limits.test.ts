/** Limits, required capabilities and attributes that are not looked at. */

import { expect, test } from "vitest";
import { loadConfig } from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => undefined };

function load(options: string) {
  const text = `router: { as: 64500, id: 192.0.2.1 }
neighbors:
  - { address: 192.0.2.11, as: 64501, import: accept-all, export: accept-all, ${options} }
`;
  return loadConfig("x.yaml", text, SOURCES);
}

test.each([
  [
    "require-capabilities: add-path",
    /"add-path" cannot be required of 192.0.2.11: this side does not/,
  ],
  ["require-capabilities: [ipv6-unicast]", /"ipv6-unicast" cannot be required/],
  [
    "require-capabilities: graceful-restart, graceful-restart: 'off'",
    /"graceful-restart" cannot be/,
  ],
  ["require-capabilities: route-refres", /"require-capabilities" must be/],
  ["path-attribute: { discard: [40, 2] }", /^attribute 2 is one that routes cannot do without/],
  ["path-attribute: { discard: 9 }", /^attribute 9 is one/],
  ["path-attribute: { treat-as-withdraw: [14] }", /^attribute 14 is one/],
  ["path-attribute: { discard: 256 }", /"discard" must be/],
  ["next-best: true, route-server-client: true", /^next-best is for external neighbors/],
  ["max-prefix-out: { action: cut }", /"action" must be warn, block, restart or shutdown/],
])("%s", (options, message) => {
  const { config, mistakes } = load(options);
  expect(config).toBeNull();
  expect(mistakes.map((each) => each.message)).toEqual([expect.stringMatching(message)]);
  expect(mistakes[0]!.line).toBe(3);
});

test.each([
  "require-capabilities: [four-octet-as, route-refresh, ipv4-unicast]",
  "require-capabilities: add-path, add-path: { receive: true }",
  "path-attribute: { treat-as-withdraw: 9 }",
  "max-prefix: 10, max-prefix-accepted: 5, max-prefix-out: 1000000",
])("%s is right", (options) => {
  expect(load(options).mistakes).toEqual([]);
});

test("limits and attributes of a neighbor, its group and the defaults merge key by key", () => {
  const text = `router: { as: 64500, id: 192.0.2.1 }
defaults:
  max-prefix-out: 500
  path-attribute: { discard: 128 }
groups:
  members:
    import: accept-all
    export: accept-all
    max-prefix-accepted: { ipv6-unicast: 40, warn-percent: 50 }
    path-attribute: { discard: 200, treat-as-withdraw: [128, 35, 35] }
neighbors:
  - address: 192.0.2.11
    as: 64501
    group: members
    max-prefix-accepted: { ipv4-unicast: 6, action: block }
    max-prefix-out: { ipv4-unicast: 9, action: restart }
    path-attribute: { discard: [40] }
`;
  const { config, mistakes } = loadConfig("x.yaml", text, SOURCES);
  expect(mistakes).toEqual([]);
  expect(config!.neighbors[0]).toMatchObject({
    maxPrefixAccepted: {
      ipv4Unicast: 6,
      ipv6Unicast: 40,
      action: "block",
      warnPercent: 50,
      restartAfter: 900,
      count: "accepted",
    },
    maxPrefixOut: { ipv4Unicast: 9, ipv6Unicast: 500, action: "restart", restartAfter: 900 },
    pathAttribute: { discard: [40], treatAsWithdraw: [35, 128] },
  });
});
