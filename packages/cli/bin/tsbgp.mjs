#!/usr/bin/env node
// Plain JavaScript, so that an old Node.js can say that it is too old, or hand over to the one that
// is installed with the development tools.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { useCompileCache } from "./compile-cache.mjs";

const here = path.dirname(realpathSync(fileURLToPath(import.meta.url)));
const main = path.join(here, "../src/main.ts");
const [major, minor] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  // It begins anew with another environment: before all the rest is loaded.
  if (process.argv[2] === "run") (await import("../src/huge-pages.ts")).useHugePages();
  useCompileCache();
  await import(main);
} else {
  const node = path.join(here, "../../../node_modules/.bin/node");
  if (existsSync(node)) {
    const child = spawn(node, [path.join(here, "tsbgp.mjs"), ...process.argv.slice(2)], {
      stdio: "inherit",
    });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      process.on(signal, () => child.kill(signal));
    }
    child.on("exit", (code, signal) => process.exit(signal === null ? code : 2));
  } else {
    console.error(`tsbgp needs Node.js 22.18 or newer; this is ${process.versions.node}`);
    process.exit(2);
  }
}
