/**
 * A BMP station that reads as fast as it can and makes nothing of it: `node bench/bmp-station.ts ADDRESS PORT`
 * connects as often as it takes, and ends with its standard input.
 */

import { connect } from "node:net";

const AGAIN_MS = 50;
const READ_OCTETS = 1 << 20;

const [host = "", port = ""] = process.argv.slice(2);

function begin(): void {
  const buffer = new Uint8Array(READ_OCTETS);
  const socket = connect({ host, port: Number(port), onread: { buffer, callback: () => true } });
  socket.on("error", () => {});
  socket.on("close", () => setTimeout(begin, AGAIN_MS).unref());
}

process.stdin.on("end", () => process.exit()).resume();
begin();
