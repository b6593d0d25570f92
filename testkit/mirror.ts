/** A mirror as a process, and what a test wants of one. */

import type { ShownMirrors } from "@ts-bgp/daemon";
import type { ShownFollowing, ShownServing } from "@ts-bgp/nsr";
import { expect } from "vitest";
import { until } from "../test/lab/until.ts";
import { type ConfigFile, SpeakerProcess, WAIT_MS } from "./speaker.ts";

export const CLUSTER = "test-mirrors";

/** @param servers - where the sides of what is mirrored let mirrors follow */
export function mirrorOf(
  servers: string | readonly unknown[],
  follow: ConfigFile = {},
  more: ConfigFile = {},
): Promise<SpeakerProcess> {
  return SpeakerProcess.create({ follow: { cluster: CLUSTER, servers, ...follow }, ...more });
}

export async function mirrorsOf(speaker: SpeakerProcess): Promise<ShownMirrors> {
  const { items } = await speaker.ask({ command: "show-mirrors" });
  return items[0] as ShownMirrors;
}

/** Waits for something that a mirror shows of itself. */
export async function untilMirror(
  mirror: SpeakerProcess,
  what: string,
  matches: (shown: ShownFollowing) => boolean,
): Promise<ShownFollowing> {
  return until(
    async () => {
      const { following } = await mirrorsOf(mirror);
      return following !== null && matches(following) ? following : null;
    },
    WAIT_MS,
    what,
  );
}

/** The same of a server. */
export async function untilServing(
  server: SpeakerProcess,
  what: string,
  matches: (shown: ShownServing) => boolean,
): Promise<ShownServing> {
  return until(
    async () => {
      const { serving } = await mirrorsOf(server);
      return serving !== null && matches(serving) ? serving : null;
    },
    WAIT_MS,
    what,
  );
}

/** Waits until what a mirror shows is newer than this call. */
export async function untilNew(mirror: SpeakerProcess): Promise<void> {
  const askedMs = Date.now();
  await untilMirror(mirror, "what is shown is new", ({ state, age_ms }) => {
    return state === "following" && age_ms !== null && Date.now() - age_ms > askedMs;
  });
}

/** What is asked of both. */
const QUESTIONS: readonly object[] = [
  { command: "show-neighbors" },
  { command: "show-routes", view: "accepted" },
  { command: "show-routes", view: "rejected" },
  { command: "show-routes", view: "received" },
  { command: "show-groups" },
  { command: "show-rejections" },
  { command: "show-bfd" },
  { command: "show-quarantine" },
];

/** Expects that a mirror says what its server says, for as long as it takes the first to hear of it. */
export async function expectSame(
  mirror: SpeakerProcess,
  server: SpeakerProcess,
  more: readonly object[] = [],
): Promise<void> {
  const say = async (speaker: SpeakerProcess) => {
    const said: string[] = [];
    for (const question of [...QUESTIONS, ...more]) {
      const { items } = await speaker.ask(question);
      said.push(...items.map((item) => steady(JSON.stringify(item))));
    }
    return said;
  };
  const isSame = async () => {
    await untilNew(mirror);
    const before = await say(server);
    const copy = await say(mirror);
    // What has happened in between is no difference.
    if (JSON.stringify(before) !== JSON.stringify(await say(server))) return false;
    expect(copy).toEqual(before);
    return true;
  };
  await until(isSame, WAIT_MS, "nothing happens while both are asked");
}

/** Counters of messages go on with each KEEPALIVE. */
function steady(item: string): string {
  return item.replace(/"(keepalive|lag|octets|adj_rib_out_octets)":\d+/g, '"$1":0');
}
