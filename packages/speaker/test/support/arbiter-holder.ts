/**
 * A process with an arbiter of its own: reads `acquire`, `name SIDE`, `name` from its standard input,
 * and answers each with a line of JSON.
 */
import { createInterface } from "node:readline";
import { LocalArbiter } from "../../src/local-arbiter.ts";

const [file = "", side = ""] = process.argv.slice(2);
const arbiter = new LocalArbiter(file);
for await (const line of createInterface({ input: process.stdin })) {
  const [order, standby] = line.split(" ");
  const answer =
    order === "acquire" ? await arbiter.acquire(side) : await arbiter.nameStandby(standby ?? null);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
