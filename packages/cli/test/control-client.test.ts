/** Which control socket is asked when none is named. */
import {
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { socketOf } from "../src/control-client.ts";

const SYSTEM = "/run/ts-bgp/ts-bgp.sock";
const USER = 12_345;
const STRANGER = 12_346;
const NOTHING = { words: [], options: {} };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tsbgp-client-"));
  vi.stubEnv("XDG_RUNTIME_DIR", folder);
  vi.stubEnv("TSBGP_SOCKET", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** @param make - leaves a folder `ts-bgp`; its owner and that of the one above follow it */
function askedBy(user: number, owner: number, make: (own: string) => void): string {
  const own = path.join(folder, "ts-bgp");
  make(own);
  chownSync(folder, USER, USER);
  lchownSync(own, owner, owner);
  process.seteuid!(user);
  try {
    return socketOf(NOTHING);
  } finally {
    process.seteuid!(0);
  }
}

function withSocket(own: string): void {
  mkdirSync(own);
  writeFileSync(path.join(own, "ts-bgp.sock"), "");
}

test("the one that is named", () => {
  vi.stubEnv("TSBGP_SOCKET", "/x/y.sock");
  expect(socketOf(NOTHING)).toBe("/x/y.sock");
  expect(socketOf({ words: [], options: { socket: "/z.sock" } })).toBe("/z.sock");
});

describe.skipIf(process.geteuid?.() !== 0 || existsSync(SYSTEM))(
  "where the system has none",
  () => {
    test("that of this user", () => {
      expect(askedBy(USER, USER, withSocket)).toBe(path.join(folder, "ts-bgp", "ts-bgp.sock"));
    });

    test("never one that a stranger has put there", () => {
      expect(askedBy(USER, STRANGER, withSocket)).toBe(SYSTEM);
    });

    test("nor one to which a link leads", () => {
      const make = (own: string) => {
        withSocket(`${own}.other`);
        symlinkSync("ts-bgp.other", own);
      };
      expect(askedBy(USER, USER, make)).toBe(SYSTEM);
    });

    test("as root no other one than the system's", () => {
      expect(askedBy(0, 0, withSocket)).toBe(SYSTEM);
    });
  },
);
