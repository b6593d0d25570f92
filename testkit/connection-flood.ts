/**
 * Opens connections from one address as fast as it is told, and leaves each after a moment, until its
 * standard input ends. Words: port, own address, connections a second. Writes a line with the number so
 * far, now and then.
 */

import { resetConnection } from "../packages/takeover/src/accept.ts";
import {
  AF_INET,
  check,
  libc,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "../packages/takeover/src/libc.ts";
import { encodeSocketAddress } from "../packages/takeover/src/socket-address.ts";

/** Connections at a time. */
const OPEN_MAX = 64;
const TICK_MS = 5;
const REPORT_MS = 100;

const [port = "", from = "", rate = ""] = process.argv.slice(2);
const local = encodeSocketAddress({ address: from, port: 0 });
const remote = encodeSocketAddress({ address: "127.0.0.1", port: Number(port) });
const open: number[] = [];
let count = 0;

setInterval(() => {
  // What a busy machine did not let it do is not caught up with.
  for (let left = (Number(rate) * TICK_MS) / 1000; left > 0; left--, count++) {
    if (open.length === OPEN_MAX) resetConnection(open.shift()!);
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = check(libc().socket(AF_INET, type, 0), "socket");
    open.push(fd);
    check(libc().bind(fd, local, local.length), `bind to ${from}`);
    libc().connect(fd, remote, remote.length);
  }
}, TICK_MS);
setInterval(() => process.stdout.write(`${count}\n`), REPORT_MS);
process.stdin.on("end", () => process.exit()).resume();
