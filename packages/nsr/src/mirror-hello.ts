/** What a mirror and the side that it follows say of themselves, and whether they belong together. */

import { STREAM_VERSION } from "@ts-bgp/replication";
import type { Hello } from "./hello.ts";

/** Mirrors between an active side and the last one, each of which follows the one before. */
const PATH_MAX = 64;

/** When a mirror that is sent away may come again, in the record `bye`. */
export const AGAIN = { never: 0, here: 1, elsewhere: 2 } as const;

/** Who says hello. */
export interface Self {
  readonly cluster: string;
  readonly name: string;
  readonly software: string;
  /** See `programDigest`. */
  readonly build: string;
}

/** @param more - of a mirror what it has; of the side that is followed where it goes on */
export function mirrorHello(
  { cluster, name, software, build }: Self,
  role: "active" | "mirror",
  more: Partial<Pick<Hello, "epoch" | "stream" | "lacks" | "goesOn" | "path">>,
) {
  return {
    ...{ version: STREAM_VERSION, cluster, side: name, role, software, build },
    ...{ epoch: 0, echo: 0, next: 0, problem: "", ways: 0, outputs: 0, ends: 0, ended: "" },
    ...{ numbers: 1, stream: 0, lacks: 0, goesOn: 0, path: "", process: process.pid },
    ...more,
  };
}

/** @returns why who says hello is no mirror, or nobody to follow; null when it is */
export function strangeness(own: Self, role: "active" | "mirror", hello: Hello): string | null {
  if (hello.role !== role) {
    return role === "mirror" ? "this is for mirrors, and it is none" : "mirrors cannot follow it";
  }
  if (hello.cluster !== own.cluster) {
    return `this is cluster "${own.cluster}", not "${hello.cluster}"`;
  }
  return null;
}

/** @returns why a mirror would not show what the side that it follows does; null when it would */
export function versionProblem(own: Self, { version, build, software }: Hello): string | null {
  if (version === STREAM_VERSION && build === own.build) return null;
  const versions = `the one here is ${own.software}, the other ${software}`;
  return `a mirror runs the very program of its server, and these are two: ${versions}`;
}

/** @returns names from the active side to whoever says hello, that one last */
export function pathOf({ path, side }: Hello): readonly string[] {
  return path === "" ? [side] : path.split(" ");
}

/** @param self - of a mirror; empty without a name @returns why it may not follow along a path; null when it may */
export function pathProblem(self: string, path: readonly string[]): string | null {
  const text = path.join(" > ");
  if (path.length >= PATH_MAX) return `${path.length} names are on the way already: ${text}`;
  if (self === "" || !path.includes(self)) return null;
  return `it follows a mirror of this one's name, ${self}, itself: ${text}`;
}
