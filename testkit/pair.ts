/** A pair of speakers on one host, as processes, in the network namespace of the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ShownNsr } from "../packages/nsr/src/show-nsr.ts";
import { until } from "../test/lab/until.ts";
import { removeRules } from "./own-network.ts";
import { Peer, type SessionOptions } from "./peer.ts";
import {
  type ConfigFile,
  neighborAddress,
  type SpawnOptions,
  SpeakerProcess,
  WAIT_MS,
} from "./speaker.ts";

export const PORT = 1791;
export const PEER_AS = 65_001;
const NEIGHBORS = 3;
const ASK_MS = 30_000;
/** A busy machine keeps a process waiting for longer than one of the field would. */
const PATIENT = { "heartbeat-ms": 100, "heartbeat-misses": 10, "patience-ms": 5000 };

export type SideName = "a" | "b" | "c" | "d";

export interface PairOptions {
  /** With several standbys: all sides. */
  readonly sides?: readonly SideName[];
  /** Of the section `nsr` on both sides. */
  readonly nsr?: ConfigFile;
  /** Of that of one side. */
  readonly only?: Readonly<Partial<Record<SideName, ConfigFile>>>;
  /** Other sections. */
  readonly config?: ConfigFile;
}

/** Files of a pair, removed in the end. */
export class TestPair {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tsbgp-pair-"));
  readonly link: string = join(this.directory, "nsr.sock");
  readonly roleFile: string = `${this.link}.role`;
  private readonly options: PairOptions;
  private readonly sides: Map<string, SpeakerProcess> = new Map();
  private readonly peers: Peer[] = [];

  private readonly removeAtExit = () => this.remove();

  constructor(options: PairOptions) {
    this.options = options;
    process.on("exit", this.removeAtExit);
  }

  /** The process of a side; the same one again once it was started. */
  async side(name: SideName): Promise<SpeakerProcess> {
    const known = this.sides.get(name);
    if (known !== undefined) return known;
    const side = await SpeakerProcess.create(this.config(name));
    this.sides.set(name, side);
    return side;
  }

  /** @param more - sections that differ from those of the options */
  config(name: SideName, more: ConfigFile = {}): ConfigFile {
    const { nsr, only, config, sides } = this.options;
    const peers = sides?.map((side) => [side, this.link]);
    const others = peers ? { peers: Object.fromEntries(peers) } : { peer: this.link };
    return {
      listen: [{ address: "127.0.0.1", port: PORT }],
      http: undefined,
      defaults: { passive: true, import: "accept-all", export: "accept-all" },
      neighbors: Array.from({ length: NEIGHBORS }, (_, k) => ({
        address: neighborAddress(k + 1),
        as: PEER_AS + k,
      })),
      nsr: {
        ...{ cluster: "test", self: name, mode: "shared", listen: this.link, ...others },
        ...PATIENT,
        ...nsr,
        ...only?.[name],
      },
      ...config,
      ...more,
    };
  }

  /** Starts a side that becomes the active one. */
  async startActive(name: SideName, options: SpawnOptions = {}): Promise<SpeakerProcess> {
    const side = await this.side(name);
    await side.start(options);
    await untilNsr(side, `${name} is active`, ({ role }) => role === "active");
    return side;
  }

  /** Starts a side and waits until it may take over. */
  async startStandby(name: SideName, options: SpawnOptions = {}): Promise<SpeakerProcess> {
    const side = await this.side(name);
    await side.start(options);
    await untilReady(side, "standby");
    return side;
  }

  /** Has `a` active and `b` ready. */
  async start(): Promise<{ a: SpeakerProcess; b: SpeakerProcess }> {
    const a = await this.startActive("a");
    const b = await this.startStandby("b");
    await untilReady(a, "active");
    return { a, b };
  }

  /** A neighbor with a session. @param k - from 1 @param options - that differ */
  async peer(k: number, options: Partial<SessionOptions> = {}): Promise<Peer> {
    const localAddress = neighborAddress(k);
    const session = { port: PORT, localAddress, as: PEER_AS + k - 1, ...options };
    const peer = await Peer.establish(session);
    this.peers.push(peer);
    return peer;
  }

  remove(): void {
    process.off("exit", this.removeAtExit);
    for (const peer of this.peers) peer.end();
    for (const side of this.sides.values()) side.remove();
    // Killed processes leave the rules of their gate.
    removeRules();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  describe(): string {
    return [...this.sides].map(([name, side]) => `--- ${name}\n${side.describe()}`).join("\n");
  }
}

/**
 * Runs `body` with a pair, and ends its processes afterwards.
 *
 * @throws what `body` throws, after both logs have been printed
 */
export async function withPair(
  options: PairOptions,
  body: (pair: TestPair) => Promise<void>,
): Promise<void> {
  const pair = new TestPair(options);
  try {
    await body(pair);
  } catch (error) {
    console.error(pair.describe());
    throw error;
  } finally {
    pair.remove();
  }
}

/** @returns what a side shows; rejects when it does not answer */
export async function nsrOf(side: SpeakerProcess): Promise<ShownNsr> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("no answer")), ASK_MS).unref();
  });
  const { items } = await Promise.race([side.ask({ command: "show-nsr" }), late]);
  return items[0] as ShownNsr;
}

/** Waits for something to be shown. */
export async function untilNsr(
  side: SpeakerProcess,
  what: string,
  matches: (shown: ShownNsr) => boolean,
): Promise<ShownNsr> {
  let last: ShownNsr | null = null;
  try {
    return await until(
      async () => {
        last = await nsrOf(side);
        return matches(last) ? last : null;
      },
      WAIT_MS,
      what,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}; shown: ${JSON.stringify(last)}`);
  }
}

export function untilReady(side: SpeakerProcess, role: ShownNsr["role"]): Promise<ShownNsr> {
  return untilNsr(side, `${role} and ready`, (shown) => shown.role === role && shown.ready);
}

/** Waits until so many sessions would go on elsewhere. */
export function untilProtected(side: SpeakerProcess, count: number): Promise<ShownNsr> {
  return untilNsr(side, `${count} sessions are protected`, (shown) => shown.protected === count);
}

/** @returns how many routes a side has accepted */
export async function routesOf(side: SpeakerProcess): Promise<number> {
  return (await side.ask({ command: "show-routes", view: "accepted" })).items.length;
}

/** A session that was never disturbed: nothing but KEEPALIVEs and UPDATEs since it came up. */
export function isUndisturbed(peer: Peer): boolean {
  return !peer.closed && peer.notification() === null && peer.count(1) === 1;
}

/** Log lines of a side with an id, as text. */
export function saidBy(side: SpeakerProcess, id: string): string[] {
  return side
    .log()
    .filter((line) => line.id === id)
    .map(({ msg }) => msg);
}

/**
 * Waits until a side has said something so often. The log is written beside everything else, and comes
 * behind an answer.
 *
 * @returns what it has said
 */
export function untilSaid(side: SpeakerProcess, id: string, count = 1): Promise<string[]> {
  const said = () => {
    const lines = saidBy(side, id);
    return lines.length >= count && lines;
  };
  return until(said, WAIT_MS, `the log has ${id}`);
}
