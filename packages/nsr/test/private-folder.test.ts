/** Which folders are closed to other users. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { assertPrivateFolder, isMapped } from "../src/private-folder.ts";

const isRoot = process.geteuid?.() === 0;
const STRANGER = 65_534;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tsbgp-folder-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const within = (...names: string[]) => path.join(folder, ...names);

test.each([0o700, 0o750, 0o755, 0o1755])(
  "a folder that is this user's is, with mode %o",
  (mode) => {
    chmodSync(folder, mode);
    expect(() => assertPrivateFolder(within("x.sock"))).not.toThrow();
  },
);

test("a file that is there is no matter", () => {
  expect(() => assertPrivateFolder("/etc/passwd")).not.toThrow();
});

test.each([
  [0o777, "0777", "chmod go-w"],
  [0o770, "0770", "chmod go-w"],
  [0o702, "0702", "chmod go-w"],
  [0o1777, "1777", "use a folder of its own"],
])("one that others can write to is refused, mode %o", (mode, shown, advice) => {
  chmodSync(folder, mode);
  const owner = process.geteuid!();
  const text = `can write to the folder ${folder} (owner ${owner}, mode ${shown}): ${advice}`;
  expect(() => assertPrivateFolder(within("x.sock"))).toThrow(text);
  expect(() => assertPrivateFolder(within("x.sock"))).toThrow(`${within("x.sock")}: `);
});

test("/tmp itself is refused", () => {
  expect(() => assertPrivateFolder("/tmp/x.sock")).toThrow(/use a folder of its own/);
});

test("one that is not there is named", () => {
  const text = `there is no folder ${within("none")} (mkdir -m 700 ${within("none")})`;
  expect(() => assertPrivateFolder(within("none", "x.sock"))).toThrow(text);
});

test("a folder above that others can write to is refused, but for a sticky one", () => {
  mkdirSync(within("own"), { mode: 0o700 });
  chmodSync(folder, 0o777);
  expect(() => assertPrivateFolder(within("own", "x"))).toThrow(`write to the folder ${folder} (`);
  chmodSync(folder, 0o1777);
  expect(() => assertPrivateFolder(within("own", "x"))).not.toThrow();
});

test("what counts is where a link leads", () => {
  mkdirSync(within("open"));
  chmodSync(within("open"), 0o777);
  symlinkSync("open", within("link"));
  expect(() => assertPrivateFolder(within("link", "x"))).toThrow(within("open"));
});

test("links are followed as the kernel does", () => {
  mkdirSync(within("a", "b"), { recursive: true });
  symlinkSync("../../own", within("a", "b", "up"));
  mkdirSync(within("own"), { mode: 0o700 });
  symlinkSync(within("a", "b", "up"), within("link"));
  expect(() => assertPrivateFolder(within("link", "x"))).not.toThrow();
  chmodSync(within("own"), 0o777);
  expect(() => assertPrivateFolder(within("link", "x"))).toThrow(`the folder ${within("own")} (`);
});

test("what is above a link is above where it leads to", () => {
  mkdirSync(within("open", "own"), { recursive: true });
  chmodSync(within("open"), 0o777);
  symlinkSync("open/own", within("link"));
  const file = `${folder}/link/../x`;
  expect(() => assertPrivateFolder(file)).toThrow(`the folder ${within("open")} (`);
});

test("links without end, and one that leads nowhere, are told of", () => {
  symlinkSync("loop", within("loop"));
  expect(() => assertPrivateFolder(within("loop", "x"))).toThrow("too many links");
  symlinkSync("none", within("nowhere"));
  expect(() => assertPrivateFolder(within("nowhere", "x"))).toThrow("there is no folder");
});

test.each([
  ["0 0 4294967295", true],
  ["         0          0      65536\n", true],
  ["0 100000 65536", true],
  ["0 1000 1", false],
  ["0 1000 1\n1 100000 65533\n", false],
  ["0 1000 1\n1 100000 65534\n", true],
  ["", false],
])("whether the map %j has the user 65534: %s", (map, expected) => {
  expect(isMapped(map, 65_534)).toBe(expected);
});

describe.skipIf(!isRoot)("as root", () => {
  test("a link of another user is refused, on the way and behind another link", () => {
    mkdirSync(within("own"), { mode: 0o700 });
    symlinkSync("own", within("theirs"));
    lchownSync(within("theirs"), STRANGER, STRANGER);
    symlinkSync("theirs", within("mine"));
    const text = `the link ${within("theirs")} on the way is theirs (owner ${STRANGER})`;
    for (const name of ["theirs", "mine"]) {
      expect(() => assertPrivateFolder(within(name, "x"))).toThrow(text);
    }
  });

  test("a folder of another user is refused", () => {
    chownSync(folder, STRANGER, STRANGER);
    const text = `(owner ${STRANGER}, mode 0700): chown 0 ${folder}`;
    expect(() => assertPrivateFolder(within("x"))).toThrow(text);
  });

  test("where another process makes the file, its user is told, and the folder stays", () => {
    chownSync(folder, STRANGER, STRANGER);
    const text = `(owner ${STRANGER}, mode 0700): run this as user ${STRANGER}`;
    expect(() => assertPrivateFolder(within("x"), false)).toThrow(text);
  });

  test("root's folder is right for every user", () => {
    chmodSync(folder, 0o755);
    process.seteuid!(STRANGER);
    try {
      expect(() => assertPrivateFolder(within("x"))).not.toThrow();
    } finally {
      process.seteuid!(0);
    }
  });
});

/** As an ordinary user, who becomes the root of a namespace in which the host's root is nobody. */
const USER = 12_345;
const asUser = isRoot ? ["setpriv", "--reuid", String(USER), "--clear-groups"] : [];
const inNamespace = (...words: string[]) => {
  const [program = "", ...rest] = [...asUser, "unshare", "--user", "--map-root-user", ...words];
  return spawnSync(program, rest, { encoding: "utf8" });
};
const source = fileURLToPath(new URL("../src/private-folder.ts", import.meta.url));
const hasNamespaces = inNamespace("test", "-r", source).status === 0;

test.skipIf(!hasNamespaces)("in a user namespace the host's own folders above are right", () => {
  if (isRoot) chownSync(folder, USER, USER);
  const [module, file] = [source, within("x")].map((text) => JSON.stringify(text));
  const script = `import { assertPrivateFolder } from ${module}; assertPrivateFolder(${file})`;
  const words = [process.execPath, "--input-type=module", "-e", script];
  const { status, stderr } = inNamespace(...words);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
