/** One injection from its beginning to its end. */

import { setImmediate as immediate } from "node:timers/promises";
import {
  EXTENDED_MESSAGE_OCTETS_MAX,
  FAMILY,
  formatIpv4,
  MESSAGE_OCTETS_MAX,
  readU16,
} from "@ts-bgp/wire-codec";
import { Announcer } from "./announcer.ts";
import type { Batch, RouteSource, SessionForm } from "./batch.ts";
import type { InjectEvent, InjectResult, Report, Sent } from "./events.ts";
import { InputError } from "./input-error.ts";
import { type MrtOptions, openMrt } from "./mrt-source.ts";
import { ownNextHops } from "./next-hops.ts";
import { Churn, withdrawals } from "./sent-routes.ts";
import { type Link, Session } from "./session.ts";
import { familiesIn, familyNames, type SessionOptions } from "./session-config.ts";
import { type SyntheticOptions, syntheticSource } from "./synthetic.ts";
import { openUpdates, type UpdateFileOptions } from "./update-source.ts";

/** What to announce. */
export type SourceOptions =
  | ({ readonly kind: "mrt" } & MrtOptions)
  | ({ readonly kind: "updates" } & UpdateFileOptions)
  | ({ readonly kind: "synthetic" } & SyntheticOptions);

export interface InjectOptions {
  /** `localAs` null takes the first AS of the paths. Families that the source has not are left. */
  readonly session: Omit<SessionOptions, "localAs"> & { readonly localAs: number | null };
  readonly source: SourceOptions;
  /** Next hops of the routes, 4 and 16 octets; null for own addresses. */
  readonly nextHop4: Uint8Array | null;
  readonly nextHop6: Uint8Array | null;
  /** Leave the next hops as they are in the source. */
  readonly keepNextHop: boolean;
  /** UPDATE messages a second, null for as many as the peer takes. */
  readonly rate: number | null;
  /** Once all has been sent: messages a second of routes withdrawn and announced again. */
  readonly flap: { readonly rate: number; readonly seed: number } | null;
  /** End when all has been sent. */
  readonly once: boolean;
  /** Withdraw the routes before the session ends. */
  readonly withdraw: boolean;
}

const SHUTDOWN_TEXT = "the injection is over";
const REPORT_INTERVAL_MS = 1000;
/** Between two looks at a clock while the rate is limited. */
const PACE_MS = 5;

/**
 * Opens a session, announces the routes and keeps the session up until it is told to end.
 *
 * A ROUTE-REFRESH is answered by sending the routes of that family again. Resolves in any case; what
 * goes wrong stands in the result.
 *
 * @param report - is told what happens, in order; called at most some hundred times a second
 * @param signal - ends the injection: cleanly, so that the result may take two seconds more
 */
export async function inject(
  options: InjectOptions,
  report: Report,
  signal: AbortSignal,
): Promise<InjectResult> {
  try {
    const source = await openSource(options.source, report);
    report({ kind: "source", title: source.title, routes: source.routes });
    return await new Injection(options, source, report, signal).run();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const received = { messages: 0, announced: 0, withdrawn: 0 };
    return { exitCode: 2, error: error.message, messagesSent: 0, routesSent: 0, received };
  }
}

async function openSource(options: SourceOptions, report: Report): Promise<RouteSource> {
  switch (options.kind) {
    case "mrt":
      return openMrt(options, report);
    case "updates":
      return openUpdates(options, report);
    case "synthetic":
      return syntheticSource(options);
  }
}

class Injection {
  private readonly options: InjectOptions;
  private readonly source: RouteSource;
  private readonly report: Report;
  private readonly signal: AbortSignal;
  private readonly session: Session;
  private readonly localAs: number;
  private readonly target: string;
  private wake: () => void = () => {};
  /** FAMILY bits of routes that are still to be sent, or to be sent again. */
  private pending = 0;
  private messagesSent = 0;
  private routesSent = 0;
  private receivedReported = 0;

  constructor(options: InjectOptions, source: RouteSource, report: Report, signal: AbortSignal) {
    this.options = options;
    this.source = source;
    this.report = report;
    this.signal = signal;
    const { host, port, localAs, families } = options.session;
    this.localAs = localAs ?? source.firstAs;
    if (this.localAs === 0) throw new InputError("the paths do not tell an own AS: give --as");
    this.target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const offered = families & source.families;
    if (offered === 0) {
      const [wanted] = familyNames(families);
      throw new InputError(`${source.title} has no routes of ${wanted}`);
    }
    const sessionOptions = { ...options.session, localAs: this.localAs, families: offered };
    this.session = new Session(sessionOptions, {
      changed: () => this.wake(),
      refresh: (family) => {
        report({ kind: "refresh", family: familyNames(family)[0]! });
        this.pending |= family;
        this.wake();
      },
      retrying: (reason, seconds) => report({ kind: "retrying", reason, seconds }),
    });
  }

  async run(): Promise<InjectResult> {
    const onAbort = () => this.wake();
    this.signal.addEventListener("abort", onAbort);
    const interval = setInterval(() => this.reportReceived(), REPORT_INTERVAL_MS);
    try {
      this.report({ kind: "connecting", target: this.target });
      this.session.start();
      await this.serve();
      this.reportReceived();
    } finally {
      clearInterval(interval);
      this.signal.removeEventListener("abort", onAbort);
    }
    const error = this.session.failure;
    return {
      exitCode: error === null ? 0 : 1,
      error: error === null ? null : `${this.target}: ${error}`,
      messagesSent: this.messagesSent,
      routesSent: this.routesSent,
      received: this.session.received,
    };
  }

  /** Goes on until the signal, the end of the work, or the end of the session for good. */
  private async serve(): Promise<void> {
    const { session, signal, options } = this;
    while (!signal.aborted && session.failure === null) {
      const { link } = session;
      if (link === null) {
        await this.sleep(null);
        continue;
      }
      await this.serveLink(link);
      if (session.link === link && (options.once || signal.aborted)) {
        await this.leave(link);
        return;
      }
    }
    if (session.failure === null) await session.end(SHUTDOWN_TEXT);
  }

  /** One session, until it ends or nothing is left to do. */
  private async serveLink(link: Link): Promise<void> {
    const { options, session } = this;
    const form = this.formOf(link);
    this.reportEstablished(link);
    this.warnOfLoopback(form);
    this.pending = form.families;
    let churn: Churn | null = null;
    let flapping: Flapping | null = null;
    while (this.isUp(link)) {
      const families = this.pending;
      if (families !== 0) {
        this.pending = 0;
        if (options.flap !== null && churn === null) {
          const downMax = Math.max(1, Math.round(options.flap.rate / 2));
          churn = new Churn(form, options.flap.seed, downMax);
          await this.sendRoutes(link, { ...form, families }, churn);
        } else await this.sendRoutes(link, { ...form, families }, null);
        continue;
      }
      if (options.once) {
        await session.flush();
        return;
      }
      if (churn === null || churn.size === 0) {
        await this.sleep(null);
        continue;
      }
      flapping ??= new Flapping(options.flap!.rate, performance.now());
      await this.flap(link, churn, flapping);
    }
  }

  private async sendRoutes(link: Link, form: SessionForm, churn: Churn | null): Promise<void> {
    const warn = (text: string) => this.report({ kind: "warning", text });
    await this.sendAll(link, this.source.read(form, warn), "routes", churn);
    if (!this.isUp(link)) return;
    const end = new Announcer(form);
    for (const family of familiesIn(form.families)) end.endOfRib(family);
    await this.session.write(end.take(1).octets);
  }

  /** Withdraws, if asked to, and ends the session. */
  private async leave(link: Link): Promise<void> {
    if (this.options.withdraw) {
      const form = this.formOf(link);
      const batches = withdrawals(
        this.source.read(form, () => {}),
        form,
      );
      await this.sendAll(link, batches, "withdrawals", null);
    }
    await this.session.end(SHUTDOWN_TEXT);
  }

  private async sendAll(
    link: Link,
    batches: Iterable<Batch> | AsyncIterable<Batch>,
    what: "routes" | "withdrawals",
    churn: Churn | null,
  ): Promise<void> {
    const startMs = performance.now();
    const total = { messages: 0, routes: 0, octets: 0 };
    const figures = (): Sent => ({ ...total, seconds: (performance.now() - startMs) / 1000 });
    // What withdraws is not stopped by the signal that asked for it.
    const goesOn = () => (what === "withdrawals" ? this.session.link === link : this.isUp(link));
    for await (const batch of batches) {
      for (const piece of this.paced(batch)) {
        const aheadMs = this.aheadMs(total.messages, startMs);
        if (aheadMs > 0) await this.sleep(aheadMs);
        if (!goesOn()) return;
        await this.session.write(piece.octets);
        total.messages += piece.messages;
        total.octets += piece.octets.length;
      }
      total.routes += batch.routes;
      this.messagesSent += batch.messages;
      this.routesSent += batch.routes;
      churn?.add(batch);
      // A source that never waits and a peer that is fast would leave no time for anything else.
      await immediate();
      this.report({ kind: "sending", done: batch.done, ...figures() });
    }
    await this.session.flush();
    if (goesOn()) this.report({ kind: "sent", what, ...figures() });
  }

  /** A limited rate cuts batches into what goes out between two looks at the clock. */
  private *paced({ octets, messages }: Batch): Generator<{ octets: Uint8Array; messages: number }> {
    const { rate } = this.options;
    if (rate === null) {
      yield { octets, messages };
      return;
    }
    const step = Math.max(1, Math.round((rate * PACE_MS) / 1000));
    for (let at = 0; at < octets.length; ) {
      const from = at;
      let count = 0;
      for (; count < step && at < octets.length; count++) at += readU16(octets, at + 16);
      yield { octets: octets.subarray(from, at), messages: count };
    }
  }

  /** @returns how much too early the next message would be */
  private aheadMs(messages: number, startMs: number): number {
    const { rate } = this.options;
    if (rate === null) return 0;
    return startMs + (1000 * messages) / rate - performance.now();
  }

  private async flap(link: Link, churn: Churn, flapping: Flapping): Promise<void> {
    const due = flapping.due(performance.now());
    for (let i = 0; i < due && this.isUp(link); i++) {
      const { octets, messages } = churn.next();
      await this.session.write(octets);
      this.messagesSent += messages;
      this.routesSent++;
    }
    const event = flapping.report(performance.now());
    if (event !== null) this.report(event);
    await this.sleep(PACE_MS);
  }

  private isUp(link: Link): boolean {
    return this.session.link === link && !this.signal.aborted;
  }

  /** @returns when something has changed, or after so many milliseconds */
  private sleep(ms: number | null): Promise<void> {
    if (this.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timeout = ms === null ? undefined : setTimeout(() => this.wake(), ms);
      this.wake = () => {
        clearTimeout(timeout);
        this.wake = () => {};
        resolve();
      };
    });
  }

  private formOf({ negotiated, localAddress }: Link): SessionForm {
    const { nextHop4, nextHop6, keepNextHop } = this.options;
    const own = ownNextHops(localAddress);
    return {
      families: negotiated.families,
      fourOctetAs: negotiated.fourOctetAs,
      addPath: negotiated.addPathSend,
      octetsMax: negotiated.extendedMessage ? EXTENDED_MESSAGE_OCTETS_MAX : MESSAGE_OCTETS_MAX,
      internal: negotiated.peerAs === this.localAs,
      localAs: this.localAs,
      nextHop4: keepNextHop ? null : (nextHop4 ?? own.ipv4),
      nextHop6: keepNextHop ? null : (nextHop6 ?? own.ipv6),
    };
  }

  private reportEstablished({ negotiated, localAddress }: Link): void {
    this.report({
      kind: "established",
      target: this.target,
      localAddress,
      localAs: this.localAs,
      peerAs: negotiated.peerAs,
      peerIdentifier: formatIpv4(negotiated.peerIdentifier),
      families: familyNames(negotiated.families),
    });
  }

  private warnOfLoopback({ families, nextHop4 }: SessionForm): void {
    if ((families & FAMILY.IPV4_UNICAST) === 0 || nextHop4?.[0] !== 127) return;
    const text = "the next hop is a loopback address, which speakers refuse: give --next-hop";
    this.report({ kind: "warning", text });
  }

  private reportReceived(): void {
    const { received } = this.session;
    if (received.messages === this.receivedReported) return;
    this.receivedReported = received.messages;
    this.report({ kind: "received", ...received });
  }
}

/** How many messages of a churn are due. */
class Flapping {
  private readonly rate: number;
  private readonly startMs: number;
  private sent = 0;
  private reportedMs: number;

  constructor(rate: number, startMs: number) {
    this.rate = rate;
    this.startMs = startMs;
    this.reportedMs = startMs;
  }

  due(nowMs: number): number {
    const due = Math.floor(((nowMs - this.startMs) * this.rate) / 1000) - this.sent;
    this.sent += due;
    return due;
  }

  report(nowMs: number): InjectEvent | null {
    if (nowMs - this.reportedMs < REPORT_INTERVAL_MS) return null;
    this.reportedMs = nowMs;
    return { kind: "flapping", messages: this.sent, seconds: (nowMs - this.startMs) / 1000 };
  }
}
