/** A service address whose interface is away for a while. */
import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { ServiceAddresses } from "../src/service-addresses.ts";

const REASON = enterOwnNetwork();
const WAIT_MS = 60_000;

function ip(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const isHere = () => ip("-o", "addr").includes("192.0.2.77/24");

describe.skipIf(REASON !== null)(`a service address (${REASON ?? "in a namespace"})`, () => {
  let addresses: ServiceAddresses | undefined;
  afterEach(() => addresses?.unwatch());

  test("that cannot be had when it is claimed again is there once its subnet is", async () => {
    ip("link", "add", "exchange0", "type", "veth", "peer", "name", "exchange1");
    for (const name of ["exchange0", "exchange1"]) ip("link", "set", name, "up");
    ip("addr", "add", "192.0.2.2/24", "dev", "exchange0");
    const service = { address: "192.0.2.77", bits: 24, interface: "" };
    const problems: string[] = [];
    const config = { serviceAddresses: [service] } as unknown as ConstructorParameters<
      typeof ServiceAddresses
    >[0];
    addresses = new ServiceAddresses(config, (problem) => problems.push(problem));
    addresses.claim();
    addresses.watch(() => {});
    expect(isHere()).toBe(true);

    addresses.drop();
    expect(isHere()).toBe(false);
    ip("addr", "del", "192.0.2.2/24", "dev", "exchange0");
    addresses.claimAgain();
    expect(problems).toHaveLength(1);
    expect(isHere()).toBe(false);

    ip("addr", "add", "192.0.2.2/24", "dev", "exchange0");
    await until(isHere, WAIT_MS, "the address is put back");
    addresses.drop();
    expect(isHere()).toBe(false);
  });
});
