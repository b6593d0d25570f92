/** Which interface a service address goes to. */
import { describe, expect, test } from "vitest";
import { interfaceOf } from "../src/service-addresses.ts";

type Interfaces = NonNullable<Parameters<typeof interfaceOf>[1]>;

const entry = (address: string) => ({
  address,
  family: address.includes(":") ? "IPv6" : "IPv4",
  netmask: "",
  mac: "",
  internal: false,
  cidr: null,
});
const INTERFACES = {
  lo: [entry("127.0.0.1"), entry("::1")],
  eth0: [entry("10.78.0.2"), entry("fe80::2")],
  eth1: [entry("10.79.0.2"), entry("fd79::2")],
} as unknown as Interfaces;

describe("the interface of a service address", () => {
  test.each([
    [
      "is the one that the configuration names, also when it is not there",
      "10.79.0.1",
      "if9",
      "if9",
    ],
    ["is the one with another address of its IPv4 subnet", "10.79.0.1", "", "eth1"],
    ["is the one with another address of its IPv6 subnet", "fd79::1", "", "eth1"],
    ["is none where only the address itself is", "10.79.0.2", "", null],
    ["is none without an address of the subnet", "10.80.0.1", "", null],
  ])("%s", (_, address, name, expected) => {
    const bits = address.includes(":") ? 64 : 24;
    expect(interfaceOf({ address, bits, interface: name }, INTERFACES)).toBe(expected);
  });
});
