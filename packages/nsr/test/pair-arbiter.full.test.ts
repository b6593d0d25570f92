/** The arbiter of one host: a locked file, and the fence. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import type { Roles } from "../src/arbiter.ts";
import { LocalArbiter } from "../src/local-arbiter.ts";

const HOLDER = fileURLToPath(new URL("../../../testkit/arbiter-holder.ts", import.meta.url));
const WAIT_MS = 10_000;
const RACERS = 6;

let directory: string;
let file: string;
let holders: Holder[];
let arbiters: LocalArbiter[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tsbgp-arbiter-"));
  file = join(directory, "role");
  holders = [];
  arbiters = [];
});
afterEach(async () => {
  for (const arbiter of arbiters) await arbiter.release();
  for (const { process } of holders) process.kill("SIGKILL");
  chmodSync(directory, 0o700);
  rmSync(directory, { recursive: true, force: true });
});

/** Another process that has the role, or wants it. */
class Holder {
  readonly process: ChildProcess;
  private readonly answers: AsyncIterator<string>;

  constructor(side: string) {
    const stdio = ["pipe", "pipe", "inherit"] as const;
    this.process = spawn(process.execPath, [HOLDER, file, side], { stdio: [...stdio] });
    const lines = createInterface({ input: this.process.stdout! });
    this.answers = lines[Symbol.asyncIterator]();
    holders.push(this);
  }

  get pid(): number {
    return this.process.pid!;
  }

  async ask(order: string): Promise<unknown> {
    this.process.stdin!.write(`${order}\n`);
    return JSON.parse((await this.answers.next()).value);
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }
}

function newArbiter(): LocalArbiter {
  const arbiter = new LocalArbiter(file);
  arbiters.push(arbiter);
  return arbiter;
}

/** @returns an active side in a process of its own, which named `standby` */
async function holderWith(standby: string): Promise<Holder> {
  const holder = new Holder("a");
  await holder.ask("acquire");
  await holder.ask(`name ${standby}`);
  return holder;
}

function watch(arbiter: LocalArbiter, { pid }: Holder): { ended: boolean } {
  const seen = { ended: false };
  arbiter.watch(pid, () => {
    seen.ended = true;
  });
  return seen;
}

describe.skipIf(platform() !== "linux")("the role", () => {
  test("belongs to one process, and is free when that one is killed", async () => {
    const holder = new Holder("a");
    expect(await holder.ask("acquire")).toEqual({ epoch: 1, active: "a", heirs: [] });
    const arbiter = newArbiter();
    expect(await arbiter.acquire("b")).toBeNull();
    await holder.kill();
    expect(await arbiter.acquire("b")).toEqual({ epoch: 2, active: "b", heirs: [] });
  });

  test("waits a moment for the standby that was named, before another side has it", async () => {
    const first = newArbiter();
    await first.acquire("a");
    await first.nameStandbys({ standbys: ["b"], heirs: [] });
    await first.release();
    const again = newArbiter();
    expect(await again.acquire("a")).toBeNull();
    expect(await newArbiter().acquire("b")).toMatchObject({ epoch: 2, active: "b" });
    expect(await again.acquire("a")).toBeNull();
  });

  test("waits for that from when it is free, not from when a side first asked", async () => {
    const holder = await holderWith("b");
    const other = newArbiter();
    expect(await other.acquire("d")).toBeNull();
    await sleep(1100);
    await holder.kill();
    expect(await other.acquire("d")).toBeNull();
    const found = () => other.acquire("d");
    expect(await until(found, WAIT_MS, "nobody goes on")).toMatchObject({ active: "d", heirs: [] });
  });

  test("has standbys taken out, and none added, where its file was removed", async () => {
    const arbiter = newArbiter();
    await arbiter.acquire("a");
    await arbiter.nameStandbys({ standbys: ["b", "c"], heirs: [] });
    rmSync(file);
    expect(await arbiter.nameStandbys({ standbys: ["c"], heirs: [] })).toBe(true);
    expect(await arbiter.nameStandbys({ standbys: ["b", "c"], heirs: [] })).toBe(false);
  });

  test("that was given away has the others for heirs when it is had back", async () => {
    const arbiter = newArbiter();
    await arbiter.acquire("a");
    await arbiter.nameStandbys({ standbys: ["b", "c"], heirs: [] });
    await arbiter.handOver("b");
    expect(await arbiter.acquire("a", true)).toEqual({ epoch: 2, active: "a", heirs: ["c"] });
  });

  test("that was given away is had back at once, when the standby does not take it", async () => {
    const arbiter = newArbiter();
    await arbiter.acquire("a");
    await arbiter.nameStandbys({ standbys: ["b"], heirs: [] });
    await arbiter.handOver("b");
    expect(await arbiter.acquire("a")).toEqual({ epoch: 2, active: "a", heirs: [] });
  });

  test("is won by one of many that want it at the same time", async () => {
    const racers = Array.from({ length: RACERS }, (_, k) => new Holder(`side${k}`));
    const answers = await Promise.all(racers.map((racer) => racer.ask("acquire")));
    expect(answers.filter((roles) => roles !== null)).toHaveLength(1);
  });

  test("has a greater epoch with each holder, whichever way it changed hands", async () => {
    const epochs: number[] = [];
    const note = (roles: Roles | "heir" | null) => epochs.push((roles as Roles).epoch);
    const first = newArbiter();
    note(await first.acquire("a"));
    await first.handOver("b");
    const second = newArbiter();
    note(await second.acquire("b"));
    await second.release();
    const holder = new Holder("a");
    note((await holder.ask("acquire")) as Roles);
    await holder.ask("name b");
    const third = newArbiter();
    watch(third, holder);
    note(await third.takeOver("b", 3));
    expect(epochs).toEqual([1, 2, 3, 4]);
  });

  test("is kept by a holder that asks for it once more", async () => {
    const arbiter = newArbiter();
    await arbiter.acquire("a");
    await arbiter.nameStandbys({ standbys: ["b"], heirs: [] });
    expect(await arbiter.acquire("a")).toBeNull();
    await arbiter.release();
    const next = newArbiter();
    const roles = await until(() => next.acquire("a"), WAIT_MS, "the role is free");
    expect(roles).toMatchObject({ epoch: 2 });
  });
});

describe.skipIf(platform() !== "linux")("a takeover", () => {
  test("ends the active process before it returns", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    watch(arbiter, holder);
    expect(await arbiter.takeOver("b", 1)).toEqual({ epoch: 2, active: "b", heirs: [] });
    // Gone, and no zombie that its parent has not noticed yet.
    await until(() => holder.process.signalCode === "SIGKILL", WAIT_MS, "the holder is dead");
  });

  test.each([
    ["nobody", "name"],
    ["another side", "name c"],
  ])("is refused when the active has named %s, and leaves it alive", async (_, order) => {
    const holder = await holderWith("b");
    await holder.ask(order);
    const arbiter = newArbiter();
    watch(arbiter, holder);
    expect(await arbiter.takeOver("b", 1)).toBeNull();
    expect(await holder.ask("acquire")).toBeNull();
    expect(holder.process.signalCode).toBeNull();
  });

  test("is refused when the active is dead and had named nobody", async () => {
    const holder = await holderWith("b");
    await holder.ask("name");
    await holder.kill();
    expect(await newArbiter().takeOver("b", 1)).toBeNull();
  });

  test("waits for a child of the active that still has its lock", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    watch(arbiter, holder);
    await holder.ask("fork");
    expect(await arbiter.takeOver("b", 1)).toEqual({ epoch: 2, active: "b", heirs: [] });
  });

  test("of an active that is suspended kills it: it never goes on", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    watch(arbiter, holder);
    holder.process.kill("SIGSTOP");
    expect(await arbiter.takeOver("b", 1)).toMatchObject({ active: "b" });
    holder.process.kill("SIGCONT");
    await until(() => holder.process.signalCode === "SIGKILL", WAIT_MS, "the holder is dead");
  });

  test("takes nothing from a side that lost the role: it names nobody any more", async () => {
    const arbiter = newArbiter();
    await arbiter.acquire("a");
    await arbiter.handOver("b");
    expect(await arbiter.nameStandbys({ standbys: ["b"], heirs: [] })).toBe(false);
  });
});

describe.skipIf(platform() !== "linux")("the state of the active", () => {
  test("is that of its process", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    const seen = watch(arbiter, holder);
    expect(await arbiter.state("b", 1)).toBe("running");
    holder.process.kill("SIGSTOP");
    await until(async () => (await arbiter.state("b", 1)) === "stopped", WAIT_MS, "it is stopped");
    expect(seen.ended).toBe(false);
    holder.process.kill("SIGCONT");
    await until(async () => (await arbiter.state("b", 1)) === "running", WAIT_MS, "it runs again");
    await holder.kill();
    expect(await arbiter.state("b", 1)).toBe("stopped");
    await until(() => seen.ended, WAIT_MS, "its end is told");
  });

  test("is told when it had ended before it was watched", async () => {
    const holder = await holderWith("b");
    await holder.kill();
    expect(watch(newArbiter(), holder).ended).toBe(true);
  });

  test("is that it goes on alone once it names this side no more", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    watch(arbiter, holder);
    await holder.ask("name");
    expect(await arbiter.state("b", 1)).toBe("alone");
  });

  test("is told no more after a release, nor of one that was watched before", async () => {
    const [first, second] = [await holderWith("b"), new Holder("c")];
    const arbiter = newArbiter();
    const seen = watch(arbiter, first);
    const later = watch(arbiter, second);
    await first.kill();
    await arbiter.release();
    await second.kill();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([seen, later]).toEqual([{ ended: false }, { ended: false }]);
  });

  test("takes no descriptor more, however often another one is watched", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    const count = () => readdirSync("/proc/self/fd").length;
    watch(arbiter, holder);
    const before = count();
    for (let n = 0; n < 50; n++) watch(arbiter, holder);
    await until(() => count() <= before + 2, WAIT_MS, "descriptors are closed");
  });
});

describe.skipIf(platform() !== "linux")("the file of the roles", () => {
  test.each([
    ["empty", ""],
    ["cut", '{"epoch":7,"act'],
    ["of something else", "not json\n"],
    ["a value that is no object", "null\n"],
    ["of other types", '{"epoch":"many","active":1,"standby":true}\n'],
    ["longer than it will be", `${JSON.stringify({ epoch: 0, active: "x".repeat(500) })}\n`],
  ])("that is %s names nobody, and becomes a whole one", async (_, text) => {
    writeFileSync(file, text);
    expect(await newArbiter().takeOver("b", 1)).toBeNull();
    const roles = await newArbiter().acquire("a");
    expect(roles).toMatchObject({ active: "a", heirs: [] });
    const { epoch } = roles!;
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ epoch, active: "a", standby: null });
    expect(Number.isInteger(roles!.epoch) && roles!.epoch > 0).toBe(true);
  });

  test("that cannot be made is named in the error", async () => {
    file = join(directory, "none", "role");
    await expect(newArbiter().acquire("a")).rejects.toThrow(/none\/role/);
  });

  test("that is a directory is named in the error", async () => {
    mkdirSync(file);
    await expect(newArbiter().acquire("a")).rejects.toThrow(/role/);
  });

  test("that was removed does not make a standby active beside a live active side", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    watch(arbiter, holder);
    rmSync(file);
    expect(await arbiter.acquire("b")).toBeNull();
    expect(await holder.ask("name c")).toBe(false);
    expect(await holder.ask("name")).toBe(true);
  });

  test("that was removed still names the standby, which can take over", async () => {
    const holder = await holderWith("b");
    const arbiter = newArbiter();
    watch(arbiter, holder);
    rmSync(file);
    expect(await arbiter.takeOver("b", 1)).toEqual({ epoch: 2, active: "b", heirs: [] });
    await until(() => holder.process.signalCode === "SIGKILL", WAIT_MS, "the holder is dead");
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ epoch: 2, active: "b" });
  });

  test("that was replaced before this side joined gives the role to nobody else", async () => {
    const holder = await holderWith("b");
    renameSync(file, `${file}.old`);
    writeFileSync(file, readFileSync(`${file}.old`));
    const arbiter = newArbiter();
    watch(arbiter, holder);
    expect(await arbiter.acquire("b")).toBeNull();
    expect(await holder.ask("name b")).toBe(false);
    await holder.kill();
    expect(await arbiter.acquire("b")).toMatchObject({ active: "b" });
  });
});
