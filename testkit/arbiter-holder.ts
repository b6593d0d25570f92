/**
 * A process with an arbiter of its own: reads `acquire`, `name SIDE`, `name` from its standard input,
 * and answers each with a line of JSON. With `fork` it leaves its lock to a child for a while, as a
 * process does that is about to start another program.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { LocalArbiter } from "../packages/nsr/src/local-arbiter.ts";

const [file = "", side = ""] = process.argv.slice(2);
const arbiter = new LocalArbiter(file);
for await (const line of createInterface({ input: process.stdin })) {
  const [order, standby] = line.split(" ");
  if (order === "fork") {
    const { lock } = arbiter as unknown as { lock: number };
    spawn("sleep", ["0.3"], { stdio: ["ignore", "ignore", "ignore", lock], detached: true });
  }
  const answer =
    order === "acquire"
      ? await arbiter.acquire(side)
      : order === "name" &&
        (await arbiter.nameStandbys({
          standbys: standby === undefined ? [] : [standby],
          heirs: [],
        }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
