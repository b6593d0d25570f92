/**
 * The process of `tsbgp demo` inside of the namespace: the pair, for orders from outside.
 *
 *     order   "kill" | "switchover" | "end"          report   InsideReport
 *
 * It ends with the process that gives the orders, and takes the pair and its files with it.
 */

import { rmSync } from "node:fs";
import { readConfigFile } from "@ts-bgp/daemon";
import { makePrivateFolder } from "@ts-bgp/nsr/private-folder";
import { type Blow, DemoPair } from "./demo-pair.ts";

export type InsideOrder = Blow | "end";

export type InsideReport =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "ready" }
  /** There is no pair, and why. */
  | { readonly kind: "impossible"; readonly reason: string }
  /** An order was carried out. */
  | { readonly kind: "done"; readonly undisturbed: boolean };

const [file, folder, control] = process.argv.slice(2) as [string, string, string];
const { listen } = readConfigFile(file).config;
const pair = new DemoPair({
  ...{ file, folder, control, port: listen[0]!.port },
  print: (text) => report({ kind: "line", text }),
});
let isEnding = false;
let isBusy = false;

process.on("disconnect", end);
process.on("message", (order: InsideOrder) => {
  if (order === "end") void end();
  else void strike(order);
});

try {
  makePrivateFolder(control);
  await pair.start();
  for (const text of await pair.lines()) report({ kind: "line", text });
  report({ kind: "ready" });
} catch (error) {
  // Of a pair that is told to end before it is there nothing else is expected.
  if (!isEnding) report({ kind: "impossible", reason: (error as Error).message });
  await end();
}

async function strike(blow: Blow): Promise<void> {
  // One thing after the other; a key that is held down is one.
  if (isBusy) return;
  isBusy = true;
  try {
    report({ kind: "done", undisturbed: await pair.strike(blow) });
  } catch (error) {
    report({ kind: "line", text: (error as Error).message });
    report({ kind: "done", undisturbed: false });
  }
  isBusy = false;
}

async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await pair.end();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

function report(value: InsideReport): void {
  // Nobody may be left to be told.
  if (process.connected) process.send!(value, undefined, {}, () => {});
}
