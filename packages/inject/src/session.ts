/**
 * The session with the target in the world: one TCP connection at a time, timers, and between them
 * the state machine of the fsm package.
 */

import net from "node:net";
import {
  type ConnectionTimer,
  type DownReason,
  type FsmAction,
  type FsmConfig,
  type FsmEvent,
  type FsmState,
  INITIAL_STATE,
  type Negotiated,
  type PeerTimer,
  step,
} from "@ts-bgp/fsm";
import {
  CEASE,
  decodeNotification,
  decodeOpen,
  decodeRouteRefresh,
  EXTENDED_MESSAGE_OCTETS_MAX,
  encodeNotification,
  encodeOpen,
  Fault,
  familyBit,
  KEEPALIVE_OCTETS,
  MESSAGE,
  MESSAGE_OCTETS_MAX,
  messageLength,
  ROUTE_REFRESH,
  shutdownData,
} from "@ts-bgp/wire-codec";
import type { Received } from "./events.ts";
import { connectProblem, downProblem } from "./failures.ts";
import { OctetQueue } from "./octet-queue.ts";
import { Receiver } from "./receiver.ts";
import { CONNECT_SECONDS, fsmConfig, type SessionOptions } from "./session-config.ts";

/** How long the last octets may take to get out when the session ends. */
const LINGER_MS = 2000;
const NO_OCTETS = new Uint8Array(0);

/** An established session, from its beginning to its end. */
export interface Link {
  readonly negotiated: Negotiated;
  readonly localAddress: string;
}

/** What the session tells as it happens. */
export interface SessionEvents {
  /** `link` or `failure` is another one. */
  changed(): void;
  /** The peer asked for the routes of a family. */
  refresh(family: number): void;
  /** The session or an attempt has ended, and another attempt follows. */
  retrying(reason: string, seconds: number): void;
}

type Timer = PeerTimer | ConnectionTimer;

export class Session {
  /** The session when it is up. */
  link: Link | null = null;
  /** Why there is no session and will be none, for people. */
  failure: string | null = null;

  private readonly options: SessionOptions;
  private readonly events: SessionEvents;
  private config: FsmConfig;
  private state: FsmState = INITIAL_STATE;
  private socket: net.Socket | null = null;
  /** Number of the connection or attempt at hand. */
  private connection = 0;
  private readonly timers: Map<Timer, { timeout: NodeJS.Timeout; ms: number }> = new Map();
  private input: OctetQueue = new OctetQueue();
  private readonly receiver: Receiver = new Receiver();
  private ending = false;
  /** Why the last attempt or session ended, until the timer for the next one is armed. */
  private lastReason: string | null = null;

  constructor(options: SessionOptions, events: SessionEvents) {
    this.options = options;
    this.events = events;
    this.config = fsmConfig(options, "");
  }

  start(): void {
    this.step({ kind: "start" });
  }

  /** What the peer has sent in UPDATE messages, over all sessions. */
  get received(): Received {
    const { messages, announced, withdrawn } = this.receiver;
    return { messages, announced, withdrawn };
  }

  /**
   * Sends whole messages over the session at hand.
   *
   * @returns when more may be sent; at once unless the peer does not keep up
   */
  async write(octets: Uint8Array): Promise<void> {
    const { socket } = this;
    if (socket === null || octets.length === 0) return;
    const roomLeft = socket.write(octets, () => this.restart("send-hold"));
    if (!roomLeft) await drained(socket);
  }

  /** @returns when TCP has taken everything, or the connection is gone */
  async flush(): Promise<void> {
    const { socket } = this;
    if (socket === null || socket.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("close", done);
        resolve();
      };
      socket.once("close", done);
      socket.write(NO_OCTETS, done);
    });
  }

  /** Ends the session with Cease/Administrative Shutdown and this text (RFC 9003). */
  async end(text: string): Promise<void> {
    this.ending = true;
    const { socket } = this;
    const closed =
      socket === null || socket.destroyed
        ? null
        : new Promise((resolve) => socket.once("close", resolve));
    this.step({
      kind: "stop",
      subcode: CEASE.ADMINISTRATIVE_SHUTDOWN,
      data: shutdownData(text),
      restartAfterSeconds: null,
    });
    for (const timer of [...this.timers.keys()]) this.cancel(timer);
    await closed;
  }

  /** @returns whether the message of the event is to be processed */
  private step(event: FsmEvent): boolean {
    const { state, actions } = step(this.state, event, this.config, Math.random());
    if (state !== null) this.state = state;
    let deliver = false;
    for (const action of actions) {
      if (action.do === "deliver") deliver = true;
      else this.perform(action);
    }
    return deliver;
  }

  private perform(action: FsmAction): void {
    switch (action.do) {
      case "connect":
        this.connect();
        return;
      case "cancel-connect":
        this.dropAttempt();
        return;
      case "send-open":
        this.socket?.write(encodeOpen(action.open));
        return;
      case "send-keepalive":
        this.socket?.write(KEEPALIVE_OCTETS);
        return;
      case "send-notification":
        this.socket?.write(encodeNotification(action.code, action.subcode, action.data));
        return;
      case "close":
        this.close(action.reason);
        return;
      case "arm-timer":
        this.arm(action.timer, action.ms);
        return;
      case "cancel-timer":
        this.cancel(action.timer);
        return;
      case "restart-hold-timer":
        this.restart("hold");
        return;
      case "session-up":
        this.link = {
          negotiated: action.negotiated,
          localAddress: plain(this.socket?.localAddress),
        };
        this.receiver.begin(action.negotiated, this.options.localAs);
        this.events.changed();
        return;
      // The connection has been closed, and `close` has told.
      case "session-down":
      case "deliver":
        return;
    }
  }

  private connect(): void {
    if (this.failure !== null) return;
    const { host, port, localAddress } = this.options;
    const id = ++this.connection;
    const socket = net.connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === null ? {} : { localAddress }),
    });
    this.socket = socket;
    const failed = (error: NodeJS.ErrnoException) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.gaveUp(connectProblem(error, this.options));
      if (this.failure === null) this.step({ kind: "tcp-failed" });
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      if (this.socket !== socket) return;
      this.config = fsmConfig(this.options, plain(socket.localAddress));
      this.input = new OctetQueue();
      this.listen(socket, id);
      this.step({ kind: "tcp-connected", connection: id });
    });
  }

  private listen(socket: net.Socket, id: number): void {
    socket.on("data", (octets) => {
      if (this.socket === socket) this.receive(octets, id);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      if (this.socket === socket) this.step({ kind: "tcp-closed", connection: id });
    });
  }

  private dropAttempt(): void {
    const { socket } = this;
    this.socket = null;
    socket?.on("error", () => {});
    socket?.destroy();
    if (this.ending) return;
    this.gaveUp(`no answer within ${CONNECT_SECONDS} seconds`);
  }

  private close(reason: DownReason): void {
    const { socket, link } = this;
    this.socket = null;
    this.link = null;
    for (const timer of ["delay-open", "hold", "keepalive", "send-hold"] as const) {
      this.cancel(timer);
    }
    if (socket !== null && !socket.destroyed) {
      // Unread octets would turn the end into a reset, which can overtake a NOTIFICATION.
      socket.resume();
      socket.end();
      const timeout = setTimeout(() => socket.destroy(), LINGER_MS);
      socket.once("close", () => clearTimeout(timeout));
    }
    if (this.ending) return;
    this.gaveUp(downProblem(reason, link !== null, this.options));
    this.events.changed();
  }

  /** An attempt or a session is over. */
  private gaveUp(reason: string): void {
    if (this.failure !== null) return;
    if (this.options.reconnect) {
      this.lastReason = reason;
      return;
    }
    this.failure = reason;
    this.ending = true;
    // Outside of the step at hand, which may yet arm timers.
    setImmediate(() => {
      this.step({
        kind: "stop",
        subcode: CEASE.ADMINISTRATIVE_SHUTDOWN,
        data: shutdownData(""),
        restartAfterSeconds: null,
      });
      for (const timer of [...this.timers.keys()]) this.cancel(timer);
      this.events.changed();
    });
  }

  private receive(octets: Uint8Array, id: number): void {
    const { input } = this;
    input.push(octets);
    while (this.connection === id && this.socket !== null) {
      const octetsMax = this.link?.negotiated.extendedMessageReceive
        ? EXTENDED_MESSAGE_OCTETS_MAX
        : MESSAGE_OCTETS_MAX;
      const { buf, at } = input;
      const length = messageLength(buf, at, buf.length, octetsMax);
      if (length === 0) return;
      if (typeof length !== "number") {
        this.fault(id, length);
        return;
      }
      input.at += length;
      this.message(id, buf, at, at + length);
    }
  }

  private message(id: number, buf: Uint8Array, at: number, end: number): void {
    switch (buf[at + 18]) {
      case MESSAGE.OPEN: {
        const open = decodeOpen(buf, at, end);
        if (open instanceof Fault) this.fault(id, open);
        else this.step({ kind: "open", connection: id, open });
        return;
      }
      case MESSAGE.UPDATE: {
        if (!this.step({ kind: "update", connection: id })) return;
        const fault = this.receiver.update(buf, at, end);
        if (fault !== null) this.fault(id, fault);
        return;
      }
      case MESSAGE.NOTIFICATION: {
        const { code, subcode, data } = decodeNotification(buf, at, end);
        this.step({ kind: "notification", connection: id, code, subcode, data });
        return;
      }
      case MESSAGE.KEEPALIVE:
        this.step({ kind: "keepalive", connection: id });
        return;
      default:
        this.routeRefresh(id, buf, at, end);
    }
  }

  private routeRefresh(id: number, buf: Uint8Array, at: number, end: number): void {
    const message = decodeRouteRefresh(buf, at, end);
    if (message instanceof Fault) {
      this.fault(id, message);
      return;
    }
    if (!this.step({ kind: "route-refresh", connection: id })) return;
    const family = familyBit(message.afi, message.safi) & (this.link?.negotiated.families ?? 0);
    if (family !== 0 && message.subtype === ROUTE_REFRESH.REQUEST) this.events.refresh(family);
  }

  private fault(id: number, { code, subcode, data }: Fault): void {
    this.step({ kind: "fault", connection: id, code, subcode, data });
  }

  private arm(timer: Timer, ms: number): void {
    this.cancel(timer);
    if (this.lastReason !== null && (timer === "idle-hold" || timer === "connect-retry")) {
      this.events.retrying(this.lastReason, Math.round(ms / 1000));
      this.lastReason = null;
    }
    const expired = () => {
      this.timers.delete(timer);
      const kind = `${timer}-timer-expires` as FsmEvent["kind"];
      this.step({ kind, connection: this.connection } as FsmEvent);
    };
    this.timers.set(timer, { timeout: setTimeout(expired, ms), ms });
  }

  private cancel(timer: Timer): void {
    clearTimeout(this.timers.get(timer)?.timeout);
    this.timers.delete(timer);
  }

  private restart(timer: Timer): void {
    this.timers.get(timer)?.timeout.refresh();
  }
}

/** @returns when the socket has room again, or is gone */
function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
    if (socket.destroyed) done();
  });
}

function plain(address: string | undefined): string {
  return address?.startsWith("::ffff:") ? address.slice(7) : (address ?? "");
}
