// Installs what package-lock.json names, when it is not installed yet, and makes the page that a speaker
// serves, when that is older than what it is made of. Plain JavaScript for whatever Node.js is at hand: the
// one that the project runs on comes with the packages.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundle } from "../packages/web/bin/bundle.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const time = (file) => statSync(`${root}${file}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Node.js of the project, once `install` has been called. */
export const NODE = `${root}node_modules/.bin/node`;

/** Installs if needed; ends the process when that fails. */
export function install() {
  const installed = time("node_modules/.package-lock.json");
  if (
    installed > 0 &&
    installed >= time("package-lock.json") &&
    time("node_modules/.bin/node") > 0
  ) {
    bundle();
    return;
  }
  console.error("installing packages, about 20 seconds ...");
  const { status } = spawnSync("npm", ["ci", "--loglevel=error", "--no-fund", "--no-audit"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) {
    console.error("npm ci failed");
    process.exit(2);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) install();
