/**
 * An RPKI cache in the test's own process (RFC 8210): it says what a test has it say, and keeps what it is
 * asked. It knows the format by itself, and shares no code with the speaker.
 */
import { createServer, type Server, type Socket } from "node:net";
import { four } from "../test/lab/raw-peer.ts";

const SERIAL_NOTIFY = 0;
const SERIAL_QUERY = 1;
const RESET_QUERY = 2;
const CACHE_RESPONSE = 3;
const IPV4_PREFIX = 4;
const END_OF_DATA = 7;
const ERROR_REPORT = 10;

/** What a router asks for. */
export type RtrQuery =
  | { readonly kind: "reset" }
  | { readonly kind: "serial"; readonly session: number; readonly serial: number };

export interface RtrVrp {
  /** Octets of the address. */
  readonly prefix: readonly number[];
  readonly bits: number;
  readonly maxLength: number;
  readonly as: number;
}

export class RtrCache {
  readonly queries: RtrQuery[] = [];
  /** Codes of Error Reports that it was sent. */
  readonly reports: number[] = [];
  readonly version: number = 1;
  readonly session: number;
  /** What is said to a query; `later` says more on the same connection, and whether it is there still. */
  answer: (query: RtrQuery, later: (pdus: readonly Buffer[]) => boolean) => readonly Buffer[] =
    () => [];
  private readonly server: Server;
  private readonly sockets: Set<Socket> = new Set();

  private constructor(session: number) {
    this.session = session;
    this.server = createServer((socket) => this.serve(socket));
  }

  static async listen(port: number, session: number, address = "127.0.0.1"): Promise<RtrCache> {
    const cache = new RtrCache(session);
    await new Promise<void>((resolve) => cache.server.listen(port, address, resolve));
    return cache;
  }

  /** The beginning of an answer. */
  response(): Buffer {
    return this.pdu(CACHE_RESPONSE, this.session);
  }

  vrp({ prefix, bits, maxLength, as }: RtrVrp, isAnnounced = true): Buffer {
    const flags = isAnnounced ? 1 : 0;
    return this.pdu(IPV4_PREFIX, 0, [flags, bits, maxLength, 0, ...prefix, ...four(as)]);
  }

  /** The end of one. */
  end(serial: number): Buffer {
    const times = [3600, 600, 7200].flatMap(four);
    return this.pdu(END_OF_DATA, this.session, [...four(serial), ...times]);
  }

  /** Tells everybody that there is something new. */
  notify(serial: number): void {
    const octets = this.pdu(SERIAL_NOTIFY, this.session, four(serial));
    for (const socket of this.sockets) socket.write(octets);
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private pdu(type: number, field: number, body: readonly number[] = []): Buffer {
    const head = [this.version, type, field >>> 8, field & 0xff, ...four(8 + body.length)];
    return Buffer.from([...head, ...body]);
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.sockets.delete(socket));
    let unread: Buffer = Buffer.alloc(0);
    socket.on("data", (octets) => {
      unread = Buffer.concat([unread, octets]);
      while (unread.length >= 8 && unread.length >= unread.readUInt32BE(4)) {
        const length = unread.readUInt32BE(4);
        if (unread[1] === ERROR_REPORT) this.reports.push(unread.readUInt16BE(2));
        const query = queryOf(unread.subarray(0, length));
        unread = unread.subarray(length);
        if (query === null) continue;
        this.queries.push(query);
        const later = (pdus: readonly Buffer[]) => {
          for (const pdu of pdus) socket.write(pdu);
          return !socket.destroyed;
        };
        later(this.answer(query, later));
      }
    });
  }
}

function queryOf(pdu: Buffer): RtrQuery | null {
  if (pdu[1] === RESET_QUERY) return { kind: "reset" };
  if (pdu[1] !== SERIAL_QUERY) return null;
  return { kind: "serial", session: pdu.readUInt16BE(2), serial: pdu.readUInt32BE(8) };
}
