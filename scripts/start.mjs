// `npm start`: the route server of configs/ with two sample clients.
import { spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { install, NODE } from "./install.mjs";

install();
const main = fileURLToPath(new URL("../packages/cli/bin/tsbgp.mjs", import.meta.url));
const config = path.relative(
  process.cwd(),
  fileURLToPath(new URL("../configs/route-server.yaml", import.meta.url)),
);
const child = spawn(NODE, [main, "demo", "-c", config, ...process.argv.slice(2)], {
  stdio: "inherit",
});
// The terminal tells the child of Ctrl-C itself; other signals are passed on.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal === null ? code : 0));
