/**
 * Plays a file of recorded messages to a BGP speaker.
 *
 * As a program (in a node's namespace): `node player.ts HOST AS IDENTIFIER FAMILY FILE`. Keeps the
 * session afterwards, until it is ended.
 */
import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { Peer } from "../../testkit/peer.ts";
import { message } from "../lab/raw-peer.ts";

const BGP_PORT = 179;
const UPDATE = 2;
const END_OF_RIB_IPV4 = message(UPDATE, [0, 0, 0, 0]);
const END_OF_RIB_IPV6 = message(UPDATE, [0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]);

const [host = "", as, identifier = "", family, file = ""] = process.argv.slice(2);
const isIpv4 = family === "ipv4";
const octets = zstdDecompressSync(readFileSync(file));
const peer = await Peer.establish({
  host,
  port: BGP_PORT,
  as: Number(as),
  identifier,
  families: [isIpv4 ? "ipv4" : "ipv6"],
  // The other side has routes only of this one.
  onUpdate: () => {},
});
await peer.sendAll(octets);
peer.send(isIpv4 ? END_OF_RIB_IPV4 : END_OF_RIB_IPV6);
console.log("played");
