// Makes the files of the page, `dist`, of what is in `page`. Plain JavaScript for whatever Node.js is at
// hand when packages are installed. Nothing to do where `dist` is newer than all that it is made of, and
// nothing that can be done where there is no esbuild, as in an installation without development tools.
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = path.join(root, "dist");
const time = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** @returns whether there is a page, made of the sources as they are */
export function bundle() {
  if (isFresh()) return true;
  const esbuild = tool();
  if (esbuild === null) return false;
  // Several may do this at the same time; whoever reads finds all of it, or none.
  const made = mkdtempSync(path.join(root, ".dist-"));
  esbuild.buildSync({
    entryPoints: { page: path.join(root, "page/main.tsx") },
    outdir: made,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "linked",
    // All that it says about the form of the result stands above.
    tsconfigRaw: {},
    logLevel: "warning",
  });
  for (const name of ["index.html", "icon.svg"]) {
    writeFileSync(path.join(made, name), readFileSync(path.join(root, "page", name)));
  }
  // The speaker may be another user.
  chmodSync(made, 0o755);
  replace(made);
  return true;
}

function tool() {
  try {
    return createRequire(import.meta.url)("esbuild");
  } catch {
    return null;
  }
}

function isFresh() {
  const sources = ["page", "bin"].flatMap((name) =>
    readdirSync(path.join(root, name)).map((file) => path.join(name, file)),
  );
  const made = time(path.join(dist, "index.html"));
  return sources.every((name) => time(path.join(root, name)) < made);
}

function replace(made) {
  const old = `${made}-old`;
  try {
    renameSync(dist, old);
  } catch {
    // There was none.
  }
  try {
    renameSync(made, dist);
  } catch {
    // Another one was faster with the same.
    rmSync(made, { recursive: true, force: true });
  }
  rmSync(old, { recursive: true, force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !bundle()) {
  console.error("no page in the browser: esbuild is not installed");
}
