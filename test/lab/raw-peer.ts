/**
 * A BGP peer made of octets, for what no daemon would send.
 *
 * It knows the format of the messages by itself, and shares no code with the speaker it talks to.
 * Run as a program (in a node's namespace) it is a pipe between a TCP connection and its standard
 * streams: a line of hexadecimal digits in is sent, a message received is a line out, and after the
 * last one a line says that the connection is closed.
 */
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import type { LabNode } from "./netns.ts";
import { until } from "./until.ts";

const OPEN = 1;
const UPDATE = 2;
const NOTIFICATION = 3;
const KEEPALIVE = 4;
const CONNECT_MS = 20_000;
const HOLD_TIME_SECONDS = 90;
const CLOSED = "closed";

export interface RawMessage {
  readonly type: number;
  /** What follows the header. */
  readonly body: Uint8Array;
}

export interface RawPeer {
  /** Send an UPDATE of these three parts, each as octets; lengths are filled in. */
  update(parts: UpdateParts): void;
  /** Send octets as they are. */
  send(octets: readonly number[]): void;
  /** Everything received so far, in order. */
  messages(): RawMessage[];
  /** Code and subcode of the NOTIFICATION received, or `null`. */
  notification(): { code: number; subcode: number } | null;
  /** Whether the other side has closed the connection. */
  closed(): boolean;
  stop(): Promise<void>;
}

export interface UpdateParts {
  readonly withdrawn?: readonly number[];
  readonly attributes?: readonly number[];
  readonly nlri?: readonly number[];
}

export interface RawPeerOptions {
  readonly as: number;
  readonly peerAddress: string;
  /** Offers graceful restart with this restart time (RFC 4724), forwarding kept; unless absent. */
  readonly restartSeconds?: number;
}

/**
 * Open a session with IPv4 unicast and four-octet AS numbers, and keep it alive.
 *
 * Tries again while the speaker turns it away, as it may for a while after an error.
 */
export async function startRawPeer(node: LabNode, options: RawPeerOptions): Promise<RawPeer> {
  return until(
    async () => {
      const peer = pipe(node, options.peerAddress);
      peer.send(message(OPEN, openBody(options, node.address4)));
      peer.send(message(KEEPALIVE, []));
      const up = () => peer.closed() || peer.messages().some(({ type }) => type === KEEPALIVE);
      await until(up, CONNECT_MS, "the speaker answers the raw peer");
      if (!peer.closed()) return peer;
      await peer.stop();
      return null;
    },
    CONNECT_MS,
    "the raw peer has a session",
  );
}

function pipe(node: LabNode, peerAddress: string): RawPeer {
  const program = node.spawn([process.execPath, fileURLToPath(import.meta.url), peerAddress]);
  const lines = () => program.output().split("\n").slice(0, -1);
  const messages = () => lines().flatMap(parseLine);
  const send = (octets: readonly number[]) =>
    program.write(`${Buffer.from(octets).toString("hex")}\n`);
  return {
    send,
    messages,
    update({ withdrawn = [], attributes = [], nlri = [] }) {
      const parts = [...withLength(withdrawn), ...withLength(attributes), ...nlri];
      send(message(UPDATE, parts));
    },
    notification() {
      const found = messages().find(({ type }) => type === NOTIFICATION);
      return found === undefined ? null : { code: found.body[0]!, subcode: found.body[1]! };
    },
    // Not when its process has ended: its last lines may come after that.
    closed: () => lines().includes(CLOSED),
    stop: () => program.stop(),
  };
}

function parseLine(line: string): RawMessage[] {
  if (!/^(?:[0-9a-f]{2})+$/.test(line)) return [];
  const octets = Buffer.from(line, "hex");
  return [{ type: octets[18]!, body: octets.subarray(19) }];
}

/** A message with a correct header (RFC 4271 section 4.1). */
export function message(type: number, body: readonly number[]): number[] {
  return [...new Array(16).fill(0xff), ...two(19 + body.length), type, ...body];
}

function openBody({ as, restartSeconds }: RawPeerOptions, identifier: string): number[] {
  const restart =
    restartSeconds === undefined ? [] : [64, 6, ...two(restartSeconds), 0, 1, 1, 0x80];
  const capabilities = [1, 4, 0, 1, 0, 1, 65, 4, ...four(as), ...restart];
  const parameter = [2, capabilities.length, ...capabilities];
  const id = identifier.split(".").map(Number);
  return [4, ...two(as), ...two(HOLD_TIME_SECONDS), ...id, parameter.length, ...parameter];
}

/** A path attribute with a length of one octet. */
export function attribute(flags: number, type: number, value: readonly number[]): number[] {
  return [flags, type, value.length, ...value];
}

/** "10.9.0.0/16" as in NLRI. */
export function prefixOctets(prefix: string): number[] {
  const [address = "", length = ""] = prefix.split("/");
  const octets = address.split(".").map(Number);
  return [Number(length), ...octets.slice(0, Math.ceil(Number(length) / 8))];
}

export function addressOctets(address: string): number[] {
  return address.split(".").map(Number);
}

export function four(value: number): number[] {
  return [...two(value >>> 16), ...two(value & 0xffff)];
}

function two(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function withLength(part: readonly number[]): number[] {
  return [...two(part.length), ...part];
}

function runPipe(peerAddress: string): void {
  let received: Buffer = Buffer.alloc(0);
  const socket = connect({ host: peerAddress, port: 179 });
  socket.on("data", (data) => {
    received = Buffer.concat([received, data]);
    while (received.length >= 19 && received.length >= received.readUInt16BE(16)) {
      const length = received.readUInt16BE(16);
      console.log(received.toString("hex", 0, length));
      received = received.subarray(length);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    console.log(CLOSED);
    process.exit(0);
  });
  const keepalive = Buffer.from(message(KEEPALIVE, []));
  setInterval(() => socket.write(keepalive), (HOLD_TIME_SECONDS * 1000) / 3);
  let typed = "";
  process.stdin.setEncoding("utf8").on("data", (text) => {
    const lines = (typed + text).split("\n");
    typed = lines.pop() ?? "";
    for (const line of lines) socket.write(Buffer.from(line, "hex"));
  });
}

if (import.meta.main) runPipe(process.argv[2] ?? "");
