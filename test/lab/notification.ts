/**
 * NOTIFICATION messages that end no routes, and Hard Resets that do (RFC 8538), with real daemons.
 *
 * The scene is that of restarts; here a session with the daemon ends while both are alive, by a word of one of
 * them. A daemon that stands still is told by the speaker that its hold timer has expired, and reads it later.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { expect } from "vitest";
import { control, type DaemonKind } from "./daemon.ts";
import type { Lab } from "./netns.ts";
import {
  type End,
  expectFresh,
  held,
  loneSubject,
  type RestartScene,
  setRestartScene,
  Watch,
} from "./restart.ts";
import { addressOf, FAMILIES } from "./scene.ts";
import { until } from "./until.ts";

/** Routes are kept for longer than any session is down here. */
const RESTART = { seconds: 120, staleSeconds: 0, notification: true };
const HOLD_TIME_SECONDS = 6;
const WAIT_MS = 90_000;

/** Has FRR do something with its sessions. */
async function orderFrr(scene: RestartScene, of: (peer: string) => string[]): Promise<void> {
  const { node } = scene.daemon;
  const words = ["vtysh", "--vty_socket", node.directory, "-d", "bgpd"];
  for (const family of FAMILIES) {
    const commands = of(addressOf(scene.speaker, family));
    await control(node, [...words, ...commands.flatMap((command) => ["-c", command])]);
  }
}

function shutdown({ daemon }: RestartScene, isDown: boolean): (peer: string) => string[] {
  const verb = isDown ? "neighbor" : "no neighbor";
  const router = `router bgp ${daemon.daemon.spec.as}`;
  return (peer) => ["configure terminal", router, `${verb} ${peer} shutdown`];
}

interface ShownDaemon {
  readonly established_count: number;
  readonly last_down: { readonly reason: string } | null;
  readonly graceful_restart: { readonly notification: boolean | null };
}

/** What the speaker shows of its sessions with the daemon. */
function shown({ speaker, daemon }: RestartScene): Promise<ShownDaemon[]> {
  return Promise.all(
    FAMILIES.map(async (family) => {
      const answer = await speaker.askJson("show", "neighbor", addressOf(daemon.node, family));
      return answer as ShownDaemon;
    }),
  );
}

/** Waits until both sessions with the daemon have ended for that reason since `before`. */
function untilDown(scene: RestartScene, reason: RegExp): Promise<unknown> {
  const isSo = async () =>
    (await shown(scene)).every(({ last_down }) => reason.test(last_down?.reason ?? ""));
  return until(isSo, WAIT_MS, `the sessions have ended: ${reason}`);
}

async function untilGone(scene: RestartScene, at: End, of: End): Promise<void> {
  const isGone = async () => (await held(scene, at, of)).length === 0;
  await until(isGone, WAIT_MS, `${at.node.name} has nothing of ${of.node.name}`);
}

export async function setNotificationScene(lab: Lab, kind: DaemonKind): Promise<RestartScene> {
  const options = { "hold-time": HOLD_TIME_SECONDS };
  const scene = await setRestartScene(lab, kind, loneSubject(lab), RESTART, options);
  for (const { graceful_restart } of await shown(scene)) {
    expect(graceful_restart.notification).toBe(true);
  }
  return scene;
}

/** FRR resets its sessions: nobody sees it. */
export async function checkDaemonResets(scene: RestartScene): Promise<void> {
  const { daemon, witness } = scene;
  const watch = new Watch(scene, witness, daemon);
  await orderFrr(scene, (peer) => [`clear bgp ${peer}`]);
  await untilDown(scene, /received Cease\/Administrative Reset/);
  await expectFresh(scene);
  await watch.expectNone();
}

/** The process of a daemon, which was started in its node's folder. */
function pidOf({ node, daemon }: End): number {
  const isOne = (pid: string) => {
    try {
      const [program] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return program === daemon.kind.program && readlinkSync(`/proc/${pid}/cwd`) === node.directory;
    } catch {
      // It has ended meanwhile.
      return false;
    }
  };
  const found = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isOne(name));
  expect(found).toHaveLength(1);
  return Number(found[0]);
}

/** The daemon stands still, until the speaker says that it hears nothing of it: both keep what they have. */
export async function checkHoldTimer(scene: RestartScene): Promise<void> {
  const { daemon, witness } = scene;
  const watch = new Watch(scene, witness, daemon);
  const pid = pidOf(daemon);
  process.kill(pid, "SIGSTOP");
  try {
    await untilDown(scene, /^sent Hold Timer Expired/);
    await watch.expectNone();
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const later = new Watch(scene, daemon, witness);
  await expectFresh(scene);
  await later.expectNone();
}

/** FRR ends its sessions for good: nothing of it stays. */
export async function checkDaemonHardResets(scene: RestartScene): Promise<void> {
  const { daemon, witness, bystander } = scene;
  await orderFrr(scene, shutdown(scene, true));
  for (const at of [witness, bystander]) await untilGone(scene, at, daemon);
  await untilDown(scene, /received Cease\/Hard Reset/);
  await orderFrr(scene, shutdown(scene, false));
  await expectFresh(scene);
}

/** The speaker does: the daemon keeps nothing of it. */
export async function checkSpeakerHardResets(scene: RestartScene): Promise<void> {
  const { daemon, witness, speaker } = scene;
  const addresses = FAMILIES.map((family) => addressOf(daemon.node, family));
  for (const address of addresses) await speaker.order("disable", address);
  await untilGone(scene, daemon, witness);
  await untilGone(scene, witness, daemon);
  await untilDown(scene, /sent Cease\/Hard Reset \(Cease\/Administrative Shutdown\)/);
  for (const address of addresses) await speaker.order("enable", address);
  await expectFresh(scene);
}
