/**
 * A day of a route server as its record has it, made in a minute: the clock is that of the test. Each update is
 * another path of one prefix, sent on to other clients.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import {
  digestOf,
  frameOf,
  ImageQueue,
  machineCapture,
  type RecordHead,
} from "@ts-bgp/replication";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { recordName } from "../../nsr/src/record-files.ts";
import { Followed } from "./followed-router.ts";

export const START_MS = Date.UTC(2026, 10, 28);
const HOUR_MS = 3_600_000;
const CLIENTS = 4;
const PREFIXES = 2000;

const YAML = yamlOf(`
defaults: { route-server-client: true, import: short, export: accept-all, passive: true }
neighbors:
${Array.from({ length: CLIENTS }, (_, k) => `  - { address: 192.0.2.${1 + k}, as: ${65001 + k} }`).join("\n")}
policies:
  short: [ { if: { as-path: { length: { max: 10 } } }, then: accept } ]
`);

/** Keeps brackets as frames. */
class Recorded extends Followed {
  frames: Uint8Array[] = [];
  nowMs = START_MS;
  private number = 0;
  private digestMs = 0;

  /** @returns what a file begins with; what comes now is behind it */
  begin(build: string): void {
    const { machine } = this.journal;
    const head: RecordHead = {
      ...{ side: "a", software: "test", build, stream: 7, epoch: 1, atMs: this.nowMs, backMs: 0 },
    };
    const image = new ImageQueue(machineCapture(machine), this.number + 1, false);
    this.frames = [frameOf("recordHead", head)];
    for (let next = image.next(); next !== null; next = image.next()) this.frames.push(next);
  }

  protected override bracket() {
    const { outputs, calls, sum } = this.journal.take();
    if (calls.length === 0) return outputs;
    const isDue = this.nowMs >= this.digestMs + 60_000;
    if (isDue) this.digestMs = this.nowMs;
    const digest = isDue ? digestOf(this.journal.machine) : null;
    const about = { number: ++this.number, epoch: 1, calls, sum, digest };
    this.frames.push(frameOf("recordTime", { atMs: this.nowMs }));
    this.frames.push(frameOf("bracket", { ...about, outputs: new Uint8Array(0) }));
    return outputs;
  }
}

export interface Day {
  readonly updates: number;
  readonly octets: number;
}

/**
 * Writes the files of a day, one for each hour.
 *
 * @param build - of the program that is to have recorded it
 * @param everyMs - between two updates
 * @param long - when a path of ten AS numbers comes, as long as policy takes, and of which prefix
 */
export function recordDay(
  directory: string,
  build: string,
  everyMs: number,
  long: { readonly atMs: number; readonly prefix: string },
): Day {
  let recorded!: Recorded;
  const lab = new Lab(YAML, {
    routerOf: (...args) => {
      recorded = new Recorded(...args);
      return recorded.router;
    },
  });
  // By a hold time of 0 sessions say nothing unless there is something.
  const peers = Array.from({ length: CLIENTS }, (_, k) =>
    lab.peer(`192.0.2.${1 + k}`, { as: 65001 + k, holdTime: 0 }).up(),
  );
  const prefixOf = (k: number) => `10.${k >> 8}.${k & 255}.0/24`;
  peers[0]!.announce(Array.from({ length: PREFIXES }, (_, k) => prefixOf(k)));
  lab.run();
  let updates = 0;
  let octets = 0;
  for (let hour = 0; hour < 24; hour++) {
    const hourMs = START_MS + hour * HOUR_MS;
    recorded.nowMs = hourMs;
    lab.nowMs = hourMs;
    recorded.begin(build);
    for (let atMs = hourMs; atMs < hourMs + HOUR_MS; atMs += everyMs) {
      recorded.nowMs = atMs;
      lab.nowMs = atMs;
      const k = updates++ % PREFIXES;
      const isLong = long.atMs <= atMs && long.atMs > atMs - everyMs;
      const path = isLong
        ? Array.from({ length: 9 }, (_, i) => 65101 + i)
        : [65101 + (updates % 97)];
      const peer = peers[updates % 2]!;
      const prefix = isLong ? long.prefix : prefixOf(k);
      peer.announce([prefix], { path: [peer.options.as, ...path] });
      lab.run();
      lab.outputs.length = 0;
    }
    const file = zstdCompressSync(Buffer.concat(recorded.frames));
    recorded.frames = [];
    octets += file.length;
    writeFileSync(join(directory, recordName(hour + 1, hourMs)), file, { mode: 0o600 });
  }
  return { updates, octets };
}
