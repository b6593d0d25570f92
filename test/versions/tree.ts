/** Copies of the program that run beside the present one: changed on purpose, or of a release. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const RELEASES = join(ROOT, "releases.json");
const SCOPE = "@ts-bgp";

/** A text that stands in a file once, and what stands there in a variant. */
export interface Patch {
  /** From the root of the tree. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** A version that was given out. */
export interface Release {
  readonly version: string;
  readonly commit: string;
}

export interface Tree {
  /** What Node.js runs in the place of the present program. */
  readonly main: string;
  remove(): void;
}

/** @returns the releases that are to work in a pair with the present program, the last one first */
export function releases(): readonly Release[] {
  return JSON.parse(readFileSync(RELEASES, "utf8")) as Release[];
}

/** @returns the present program with changes; throws when one of them finds its text not there once */
export function variantTree(patches: readonly Patch[]): Tree {
  return treeOf((folder) => {
    const source = join(ROOT, "packages");
    const filter = (path: string) => !["test", "node_modules"].includes(basename(path));
    cpSync(source, join(folder, "packages"), { recursive: true, filter });
    cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
    for (const patch of patches) apply(folder, patch);
  });
}

/** Puts into a folder the files of the present program that are changed, and nothing else. */
export function writePatched(folder: string, patches: readonly Patch[]): void {
  for (const file of new Set(patches.map((patch) => patch.file))) {
    cpSync(join(ROOT, file), join(folder, file));
  }
  for (const patch of patches) apply(folder, patch);
}

/** @returns what gives the command another version */
export function versionPatch(version: string): Patch {
  const file = "packages/cli/package.json";
  const [find = ""] = /"version": ".*"/.exec(readFileSync(join(ROOT, file), "utf8")) ?? [];
  return { file, find, put: `"version": "${version}"` };
}

/** @returns why a release cannot be made here; null when it can */
export function releaseProblem({ version, commit }: Release): string | null {
  const { status } = spawnSync("git", ["-C", ROOT, "cat-file", "-e", `${commit}^{commit}`]);
  if (status === 0) return null;
  return `this copy of the repository does not have ${commit}, which is release ${version}`;
}

/** @returns the program as it was at a commit; throws when it cannot be had, see `releaseProblem` */
export function releaseTree(release: Release): Tree {
  const problem = releaseProblem(release);
  if (problem !== null) throw new Error(problem);
  const { commit } = release;
  return treeOf((folder) => {
    const what = ["archive", "--format=tar", commit, "packages", "package.json"];
    const input = execFileSync("git", ["-C", ROOT, ...what], { maxBuffer: 1 << 28 });
    execFileSync("tar", ["-x", "-C", folder], { input });
  });
}

function treeOf(fill: (folder: string) => void): Tree {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-tree-"));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    fill(folder);
    linkModules(folder);
  } catch (error) {
    remove();
    throw error;
  }
  return { main: join(folder, "packages/cli/src/main.ts"), remove };
}

function apply(folder: string, { file, find, put }: Patch): void {
  const path = join(folder, file);
  const parts = readFileSync(path, "utf8").split(find);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${find}`);
  writeFileSync(path, parts.join(put));
}

/** Libraries are those of the present tree, and packages those of this one. */
function linkModules(folder: string): void {
  const modules = join(ROOT, "node_modules");
  const own = join(folder, "node_modules");
  mkdirSync(join(own, SCOPE), { recursive: true });
  for (const name of readdirSync(modules)) {
    if (name !== SCOPE && !name.startsWith(".")) symlinkSync(join(modules, name), join(own, name));
  }
  for (const name of readdirSync(join(folder, "packages"))) {
    symlinkSync(join(folder, "packages", name), join(own, SCOPE, name));
  }
}
