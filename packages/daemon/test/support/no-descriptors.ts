/** Asks a record while there are no descriptors left, and again when there are: see record-desk.test.ts. */
import { closeSync, openSync } from "node:fs";
import type { ControlError } from "../../src/control.ts";
import { RecordDesk } from "../../src/past/ask-record.ts";

const desk = new RecordDesk(() => {}, 0);

async function refusal(): Promise<string> {
  const times = [0, null] as const;
  const question = { ask: "history", prefix: "192.0.2.0/24", times } as const;
  try {
    for await (const _ of desk.ask({ directory: "/nonexistent", question, itemsMax: 1 }));
    return "";
  } catch (error) {
    return (error as ControlError).kind;
  }
}

// A question keeps no process alive.
const alive = setInterval(() => {}, 1000);
const open: number[] = [];
try {
  for (;;) open.push(openSync("/dev/null", "r"));
} catch {
  // That is all.
}
const refusals = [await refusal(), await refusal()];
for (const fd of open) closeSync(fd);
refusals.push(await refusal());
desk.close();
clearInterval(alive);
process.stdout.write(JSON.stringify(refusals));
