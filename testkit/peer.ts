/**
 * A BGP peer in the test's own process: it says what a test lets it say, and keeps what it hears.
 *
 * It knows the format of the messages by itself, and shares no code with the speaker.
 */
import { connect, type Socket } from "node:net";
import koffi from "koffi";
import { four, message, type RawMessage } from "../test/lab/raw-peer.ts";
import { SLOWNESS, until } from "../test/lab/until.ts";

export const OPEN = 1;
export const UPDATE = 2;
export const NOTIFICATION = 3;
export const KEEPALIVE = 4;
export const ROUTE_REFRESH = 5;

const HEADER_OCTETS = 19;
const WAIT_MS = 20_000;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const setsockopt = koffi
  .load("libc.so.6")
  .func("int setsockopt(int, int, int, const void *, unsigned int)");
/** AFI, reserved octet and SAFI, as in capability 1. */
const FAMILY_OCTETS = { ipv4: [0, 1, 0, 1], ipv6: [0, 2, 0, 1] } as const;

export interface PeerOptions {
  readonly port: number;
  readonly host?: string;
  /** Address to connect from; tells the speaker which neighbor this is. */
  readonly localAddress?: string;
  /** Takes UPDATEs, header included, which are then not kept; the octets must not be either. */
  readonly onUpdate?: (octets: Buffer) => void;
}

export interface SessionOptions {
  readonly as: number;
  /** Dotted; the local address unless given. */
  readonly identifier?: string;
  /** 90 unless given. */
  readonly holdTimeSeconds?: number;
  readonly families?: readonly ("ipv4" | "ipv6")[];
  /** Receives IPv4 routes with path identifiers (RFC 7911). */
  readonly addPath?: boolean;
  /** Further capabilities, as octets. */
  readonly capabilities?: readonly number[];
}

export class Peer {
  /** Everything received but UPDATEs that `onUpdate` takes, in order. */
  readonly messages: RawMessage[] = [];
  /** Other than in the options: from now on. */
  onUpdate: ((octets: Buffer) => void) | null;
  /** Longest time between two messages since the session came up, in milliseconds. */
  longestSilenceMs = 0;
  closed = false;
  private lastMs = 0;
  private readonly socket: Socket;
  private unread: Buffer = Buffer.alloc(0);
  private keepalives: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, onUpdate: Peer["onUpdate"]) {
    this.socket = socket;
    this.onUpdate = onUpdate;
    socket.on("data", (octets) => this.read(octets));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      clearInterval(this.keepalives);
    });
  }

  /** Connects; says nothing yet. Rejects when the connection is refused. */
  static connect(options: PeerOptions): Promise<Peer> {
    const { port, host = "127.0.0.1", localAddress } = options;
    return new Promise((resolve, reject) => {
      const socket = connect({
        port,
        host,
        noDelay: true,
        ...(localAddress === undefined ? {} : { localAddress }),
      });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        useCubic(socket);
        resolve(new Peer(socket, options.onUpdate ?? null));
      });
    });
  }

  /** Has a session, sooner or later: the speaker may turn the peer away for a while. */
  static establish(options: PeerOptions & SessionOptions): Promise<Peer> {
    return until(
      async () => {
        const peer = await Peer.connect(options);
        if (await peer.open(options)) return peer;
        peer.end();
        return null;
      },
      WAIT_MS,
      `the peer ${options.localAddress ?? ""} has a session`,
    );
  }

  /** Exchanges OPEN and KEEPALIVE. @returns whether the session is up; the speaker may hang up */
  async open(options: SessionOptions): Promise<boolean> {
    const { holdTimeSeconds = 90 } = options;
    this.send(this.openMessage(options));
    this.send(message(KEEPALIVE, []));
    const answered = () => this.closed || this.count(KEEPALIVE) > 0;
    await until(answered, WAIT_MS, "the speaker answers the OPEN");
    if (this.closed || this.notification() !== null) return false;
    this.lastMs = performance.now();
    this.longestSilenceMs = 0;
    if (holdTimeSeconds > 0) {
      const keepalive = Buffer.from(message(KEEPALIVE, []));
      this.keepalives = setInterval(() => this.send(keepalive), (holdTimeSeconds * 1000) / 3);
    }
    return true;
  }

  openMessage(options: SessionOptions): number[] {
    const { as, holdTimeSeconds = 90, families = ["ipv4"], addPath = false } = options;
    const { capabilities: more = [] } = options;
    const identifier = options.identifier ?? this.socket.localAddress ?? "";
    const capabilities = [
      ...families.flatMap((family) => [1, 4, ...FAMILY_OCTETS[family]]),
      ...[2, 0, 65, 4, ...four(as)],
      ...(addPath ? [69, 4, 0, 1, 1, 1] : []),
      ...more,
    ];
    const parameter = [2, capabilities.length, ...capabilities];
    const twoOctetAs = as > 0xffff ? 23456 : as;
    return message(OPEN, [
      ...[4, twoOctetAs >>> 8, twoOctetAs & 0xff],
      ...[holdTimeSeconds >>> 8, holdTimeSeconds & 0xff],
      ...identifier.split(".").map(Number),
      ...[parameter.length, ...parameter],
    ]);
  }

  /** Sends octets as they are. @returns whether the kernel has taken everything so far */
  send(octets: readonly number[] | Uint8Array): boolean {
    if (this.socket.destroyed || this.socket.writableEnded) return false;
    return this.socket.write(octets instanceof Uint8Array ? octets : Buffer.from(octets));
  }

  /** Sends octets, and waits until the kernel has taken them. */
  async sendAll(octets: Uint8Array): Promise<void> {
    if (this.send(octets)) return;
    await new Promise<void>((resolve, reject) => {
      const limitMs = SLOWNESS * WAIT_MS;
      const late = setTimeout(() => reject(new Error(`not read within ${limitMs} ms`)), limitMs);
      const done = () => {
        clearTimeout(late);
        resolve();
      };
      this.socket.once("drain", done);
      this.socket.once("close", done);
    });
  }

  /** Stops reading what the speaker sends. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  count(type: number): number {
    return this.messages.filter((received) => received.type === type).length;
  }

  /** The NOTIFICATION received, or `null`. */
  notification(): { code: number; subcode: number; data: Buffer } | null {
    const found = this.messages.find(({ type }) => type === NOTIFICATION);
    if (found === undefined) return null;
    const [code = 0, subcode = 0] = found.body;
    return { code, subcode, data: Buffer.from(found.body.subarray(2)) };
  }

  /** Waits until the speaker has closed the connection. @returns its NOTIFICATION */
  async untilClosed(): Promise<ReturnType<Peer["notification"]>> {
    await until(() => this.closed, WAIT_MS, "the speaker hangs up");
    return this.notification();
  }

  /** Hangs up. */
  end(): void {
    clearInterval(this.keepalives);
    this.socket.destroy();
  }

  private read(octets: Buffer): void {
    const now = performance.now();
    if (this.lastMs > 0) this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.lastMs);
    this.lastMs = now;
    const all = this.unread.length === 0 ? octets : Buffer.concat([this.unread, octets]);
    let at = 0;
    while (at + HEADER_OCTETS <= all.length && at + all.readUInt16BE(at + 16) <= all.length) {
      const end = at + all.readUInt16BE(at + 16);
      const type = all[at + 18]!;
      if (type === UPDATE && this.onUpdate !== null) this.onUpdate(all.subarray(at, end));
      else this.messages.push({ type, body: all.subarray(at + HEADER_OCTETS, end) });
      at = end;
    }
    this.unread = all.subarray(at);
  }
}

/**
 * A speaker that is made to read slowly drops segments, for which BBR, the default of some hosts, would
 * pace this connection to kilobits a second for minutes. A kernel without CUBIC goes on with what it has.
 */
function useCubic(socket: Socket): void {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const name = Buffer.from("cubic");
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, name.length);
}
