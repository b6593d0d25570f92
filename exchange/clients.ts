/** Hundreds of scripted clients in one process (`clients.c`): commands go in, events come out. */
import { join } from "node:path";
import type { LabNode, LabProcess } from "../test/lab/netns.ts";
import { compile } from "./compile.ts";

/** Against a program that hangs: a busy machine is slow. */
const ANSWER_MS = 120_000;
const SOURCE = new URL("clients.c", import.meta.url);

export interface ClientsSpec {
  /** Address of the route server. */
  readonly remote: string;
  /** Of the first client; those of the others follow it. */
  readonly firstAddress: string;
  readonly firstAs: number;
  readonly clients: number;
  /** Prefixes that each client announces. */
  readonly routes: number;
  readonly holdSeconds: number;
  /** Chooses the routes that change. */
  readonly seed: number;
}

/** Counters of all clients together since the start. */
export interface ClientsStat {
  /** Sessions that are established. */
  readonly up: number;
  /** Clients that have something left to send. */
  readonly sending: number;
  /** Clients that hold as many routes as the others announce. */
  readonly complete: number;
  readonly held: number;
  /** Routes received since the last `announce`. */
  readonly told: number;
  readonly updates: number;
  /** UPDATEs that said what the client held already. */
  readonly duplicates: number;
  readonly malformed: number;
  readonly opens: number;
  readonly notifications: number;
  /** Connections that the other side ended, by how. */
  readonly fins: number;
  readonly resets: number;
  /** Sessions that ended, for whatever reason. */
  readonly closed: number;
  /** Of them those in which nothing was heard for the hold time. */
  readonly expired: number;
}

/** How the tables of all clients differ from what was sent last; counts are of routes. */
export interface ClientsCheck {
  readonly different: number;
  readonly missing: number;
  readonly extra: number;
  /** Came back to whom they came from. */
  readonly echoed: number;
  /** Clients with a wrong table. */
  readonly clients: number;
  /** Routes that are announced by everybody together. */
  readonly live: number;
}

/** The longest time between two receptions of octets, of each client in the window. */
export interface ClientsSilence {
  readonly gapsMs: readonly number[];
  /** Number of the client with the longest one, and when that began, from the mark. */
  readonly worst: number;
  readonly worstAtMs: number;
  /** Longest turn of the clients' own loop: times below it say nothing. */
  readonly turnMs: number;
}

interface Answers {
  readonly ready: object;
  readonly mark: { readonly t: number };
  readonly told: { readonly t: number };
  readonly stat: ClientsStat;
  readonly check: ClientsCheck;
  readonly silence: ClientsSilence;
}

interface Waiting {
  readonly what: keyof Answers;
  readonly take: (event: unknown) => void;
  readonly fail: (why: string) => void;
}

export class Clients {
  readonly spec: ClientsSpec;
  private readonly process: LabProcess;
  private readonly begun: Promise<object>;
  private readonly waiting: Waiting[] = [];
  /** Why sessions ended, the first few, for people. */
  readonly ends: string[] = [];
  private rest = "";

  /** @throws Error when the program cannot be made */
  constructor(node: LabNode, spec: ClientsSpec) {
    this.spec = spec;
    const program = join(node.directory, "clients");
    const problem = compile(SOURCE, program);
    if (problem !== null) throw new Error(problem);
    const { remote, firstAddress, firstAs, clients, routes, holdSeconds, seed } = spec;
    const options = [`hold=${holdSeconds}`, `as=${firstAs}`, `seed=${seed}`];
    this.process = node.spawn(
      [program, remote, firstAddress, String(clients), String(routes), ...options],
      { onOutput: (piece) => this.take(piece) },
    );
    this.begun = this.next("ready", ANSWER_MS);
    this.begun.catch(() => {});
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Sessions are opened, and from now on those that end as well. */
  connect(): void {
    this.process.write("connect\n");
  }

  /** Everybody announces all of its routes, with other attributes than before. */
  announce(): void {
    this.process.write("announce\n");
  }

  /** So many routes change in a second; 0 ends that. */
  churn(perSecond: number): void {
    this.process.write(`churn ${perSecond}\n`);
  }

  /** Returns when clients have received so many routes since `announce`. */
  async told(routes: number, withinMs: number): Promise<void> {
    await this.ask("told", withinMs, routes);
  }

  /** Silences are measured from now on, for so long. @returns when, by the wall clock */
  async mark(seconds: number): Promise<number> {
    return 1000 * (await this.ask("mark", ANSWER_MS, seconds)).t;
  }

  silence(): Promise<ClientsSilence> {
    return this.ask("silence", ANSWER_MS);
  }

  stat(): Promise<ClientsStat> {
    return this.ask("stat", ANSWER_MS);
  }

  check(): Promise<ClientsCheck> {
    return this.ask("check", ANSWER_MS);
  }

  /** Returns when the program runs. */
  ready(): Promise<object> {
    return this.begun;
  }

  private ask<K extends keyof Answers>(
    what: K,
    withinMs: number,
    value?: number,
  ): Promise<Answers[K]> {
    const answer = this.next(what, withinMs);
    this.process.write(value === undefined ? `${what}\n` : `${what} ${value}\n`);
    return answer;
  }

  /** The next event of a kind that nobody waits for yet. */
  private next<K extends keyof Answers>(what: K, withinMs: number): Promise<Answers[K]> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        this.waiting.splice(this.waiting.indexOf(one), 1);
        reject(new Error(`the clients say no "${what}": ${why}`));
      };
      const timer = setTimeout(() => fail(`not within ${withinMs} ms`), withinMs);
      const take = (event: unknown) => {
        clearTimeout(timer);
        resolve(event as Answers[K]);
      };
      const one: Waiting = { what, take, fail };
      this.waiting.push(one);
    });
  }

  private take(text: string | null): void {
    if (text === null) {
      for (const { fail } of [...this.waiting]) fail(`they have ended: ${this.process.output()}`);
      return;
    }
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    for (const line of lines.filter((one) => one.startsWith("{"))) {
      const { ev, ...event } = JSON.parse(line);
      if (ev === "closed") this.noteEnd(event);
      const at = this.waiting.findIndex(({ what }) => what === ev);
      if (at >= 0) this.waiting.splice(at, 1)[0]!.take(event);
    }
  }

  private noteEnd({ client, why }: { client: number; why: string }): void {
    if (this.ends.length < 10) this.ends.push(`client ${client}: ${why}`);
  }
}
