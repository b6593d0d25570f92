// Compiles all that `tsbgp` consists of, for an image: the first start reads it, as every later one does.
// What is compiled is kept by user, so this is to be run as the one that `tsbgp` will be.
import { globSync } from "node:fs";
import path from "node:path";
import { useCompileCache } from "./compile-cache.mjs";

useCompileCache();
process.argv = [...process.argv.slice(0, 2), "--version"];
await import("../src/main.ts");
await import("@ts-bgp/daemon");
// Entries of threads: without their orders they fail, after they were compiled.
const packages = path.join(import.meta.dirname, "../..");
for (const file of globSync("*/src/*-worker.ts", { cwd: packages })) {
  await import(path.join(packages, file)).catch(() => {});
}
