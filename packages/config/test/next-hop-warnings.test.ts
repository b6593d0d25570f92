/** Addresses of next hops that an interface lacks. */
import { describe, expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";
import { SOURCES } from "./sources.ts";

describe("that routes of the other family would have no next hop is said of", () => {
  const others: Readonly<Record<string, string | null>> = {
    "192.0.2.1": null,
    "192.0.2.2": "2001:db8::2",
    "2001:db8::1": null,
  };
  const warningsOf = (options: string) => {
    const text = `router: { as: 64500, id: 192.0.2.1 }
neighbors: [{ as: 64501, import: accept-all, ${options} }]
defaults: { export: accept-all }
policies: { hop: [{ set: { next-hop: "2001:db8::9" }, then: accept }] }
`;
    const sources = { ...SOURCES, otherAddress: (address: string) => others[address] };
    const { mistakes, warnings } = loadConfig("test.yaml", text, sources);
    expect(mistakes).toEqual([]);
    return formatMistakes(warnings).filter((line) => line.includes("next hop"));
  };
  const both = "families: [ipv4-unicast, ipv6-unicast]";
  const over4 = `address: 192.0.2.9, ${both}`;
  const over6 = `address: "2001:db8::9", ${both}`;
  const reason = (local: string) => `the interface of ${local} has no address for their next hop`;

  test.each([
    ["an address without one beside it", `${over4}, local-address: 192.0.2.1`, "192.0.2.1"],
    ["the same over IPv6", `${over6}, local-address: "2001:db8::1"`, "2001:db8::1"],
  ])("%s", (_title, options, local) => {
    const address = options.split(/[ ,]+/)[1]!.replaceAll('"', "");
    const family = local.includes(":") ? "ipv4-unicast" : "ipv6-unicast";
    expect(warningsOf(options)).toEqual([
      `test.yaml:2:13: neighbor ${address} is sent no ${family} routes: ${reason(local)}`,
    ]);
  });

  test.each([
    ["an address that has one beside it", `${over4}, local-address: 192.0.2.2`],
    ["an address that this host does not have", `${over4}, local-address: 192.0.2.3`],
    ["no address", over4],
    ["one family", "address: 192.0.2.9, local-address: 192.0.2.1"],
    ["next hops that stay", `${over4}, local-address: 192.0.2.1, next-hop: unchanged`],
    ["next hops of policy", `${over4}, local-address: 192.0.2.1, export: hop`],
    ["IPv6 for all", `${over6}, local-address: "2001:db8::1", extended-next-hop: true`],
  ])("but not of %s", (_title, options) => {
    expect(warningsOf(options)).toEqual([]);
  });
});
