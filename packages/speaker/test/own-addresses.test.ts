/** Which address of an interface goes with another one. */

import type os from "node:os";
import { expect, test } from "vitest";
import { otherAddressOf } from "../src/own-addresses.ts";

const entry = (address: string) =>
  ({ address, family: address.includes(":") ? "IPv6" : "IPv4" }) as os.NetworkInterfaceInfo;

const INTERFACES = {
  lo: ["127.0.0.1", "10.0.0.1", "::1", "2001:db8::1"].map(entry),
  eth0: ["192.0.2.1", "192.0.2.2", "fe80::1", "2001:db8:1::1", "2001:db8:1::2"].map(entry),
  eth1: ["198.51.100.1", "fe80::2"].map(entry),
  eth2: ["2001:db8:3::1", "169.254.0.1"].map(entry),
};

test.each([
  ["127.0.0.1", "2001:db8::1"],
  ["10.0.0.1", "2001:db8::1"],
  ["::1", "10.0.0.1"],
  ["192.0.2.2", "2001:db8:1::1"],
  ["2001:db8:1::2", "192.0.2.1"],
  ["fe80::1%eth0", "192.0.2.1"],
  ["198.51.100.1", null],
  ["2001:db8:3::1", null],
  ["203.0.113.1", undefined],
])("with %s goes %s", (address, other) => {
  expect(otherAddressOf(address, INTERFACES)).toBe(other);
});
