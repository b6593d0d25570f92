/** Connections that are taken off a listening socket one by one. */

import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { createLab, type Lab } from "../../../test/lab/netns.ts";
import { noLabReason } from "./support/ends.ts";

const source = (name: string) =>
  JSON.stringify(fileURLToPath(new URL(`../src/${name}`, import.meta.url)));

/** Waits for connections at any address; all is done in one turn, so that Node.js accepts none itself. */
const PROGRAM = `
  import { spawnSync } from "node:child_process";
  import { readdirSync } from "node:fs";
  import net from "node:net";
  import { acceptNext } from ${source("accept.ts")};
  import { AF_INET, AF_INET6, check, libc, SOCK_NONBLOCK, SOCK_STREAM } from ${source("libc.ts")};
  import { encodeSocketAddress } from ${source("socket-address.ts")};
  const ip = (line) => {
    const { status, stderr } = spawnSync("ip", line.split(" "), { encoding: "utf8" });
    if (status !== 0) throw new Error(line + ": " + stderr);
  };
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const server = net.createServer().listen(0, "::", () => {
    const connect = (address) => {
      const family = address.includes(":") ? AF_INET6 : AF_INET;
      const fd = check(libc().socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
      const to = encodeSocketAddress({ address, port: server.address().port });
      libc().connect(fd, to, to.length);
    };
    const listener = server._handle.fd;
    const next = () => acceptNext(listener)?.remote.address ?? null;
    TEST
    process.exit();
  });`;

describe.skipIf(noLabReason !== null)(`what is accepted (${noLabReason ?? "in a lab"})`, () => {
  let lab: Lab | null = null;
  afterEach(() => {
    lab?.remove();
    lab = null;
  });

  async function run(lines: string): Promise<unknown> {
    lab = createLab();
    const program = PROGRAM.replace("TEST", lines);
    const argv = [process.execPath, "--input-type=module", "-e", program];
    const { code, stdout, stderr } = await lab.node("host").run(argv);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  test("comes from an address without a mapped prefix", async () => {
    const lines = `
      connect("127.0.0.1");
      connect("::1");
      console.log(JSON.stringify([next(), next(), next()]));`;
    expect(await run(lines)).toEqual(["127.0.0.1", "::1", null]);
  });

  test("by an interface that has gone is closed and passed over", async () => {
    const lines = `
      for (const name of ["here", "gone"]) {
        ip("link add " + name + " type veth peer name " + name + "-end");
        for (const end of [name, name + "-end"]) ip("link set " + end + " up");
        ip("address add fe80::" + (name === "here" ? 5 : 6) + "/64 dev " + name + " nodad");
      }
      connect("fe80::6%gone");
      connect("fe80::5%here");
      ip("link delete gone");
      const before = descriptors();
      console.log(JSON.stringify([next(), next(), descriptors() - before]));`;
    expect(await run(lines)).toEqual(["fe80::5%here", null, 1]);
  });
});
