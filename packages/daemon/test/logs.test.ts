/** Logs that cannot be written, and neighbors that give too much to log. */
import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import {
  MAIN,
  neighborAddress,
  SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";
import { routeOctets, updateMessage } from "../../../testkit/updates.ts";

const NEIGHBOR = neighborAddress(1);
const CONFIG = {
  neighbors: [
    { address: NEIGHBOR, as: 65001, passive: true, import: "accept-all", export: "accept-all" },
  ],
};

/** UPDATEs with an ORIGIN that there is not: each is treated as withdraw, and worth a line. */
function malformedUpdates(count: number): Buffer {
  const attributes = [
    ...attribute(0x40, 1, [9]),
    ...attribute(0x40, 2, [2, 1, ...four(65001)]),
    ...attribute(0x40, 3, [192, 0, 2, 99]),
  ];
  const messages: Buffer[] = [];
  for (let n = 0; n < count; n++) {
    messages.push(Buffer.from(updateMessage([], attributes, routeOctets(n))));
  }
  return Buffer.concat(messages);
}

test("on a full disk log lines are lost and counted, and nothing else happens", () =>
  withSpeaker({ ...CONFIG, log: { file: "/dev/full" } }, async (speaker) => {
    const lost = async () => (await speaker.metrics()).get("tsbgp_log_lines_lost") ?? 0;
    await until(async () => (await lost()) >= 1, WAIT_MS, "the first line is lost");
    const before = await lost();
    const peer = await Peer.establish({ port: speaker.port, localAddress: NEIGHBOR, as: 65001 });
    await until(async () => (await lost()) > before, WAIT_MS, "more lines are lost");
    await peer.sendAll(malformedUpdates(1000));
    const faults = async () => (await speaker.neighbor(NEIGHBOR)).update_faults === 1000;
    await until(faults, WAIT_MS, "the speaker has read everything");
    expect(peer.closed).toBe(false);
    speaker.signal("SIGTERM");
    expect(await peer.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
    expect(await speaker.exited()).toBe("exit 0");
    expect(speaker.text()).toBe("");
  }));

test("a reader of the log that stops reading stops nothing else", async () => {
  const speaker = await SpeakerProcess.create(CONFIG);
  const child = spawn(process.execPath, [MAIN, "run", "-c", speaker.file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = new Promise((resolve) => child.on("exit", resolve));
  try {
    const answers = () => speaker.ask({ command: "show-status" });
    await until(answers, WAIT_MS, "the speaker answers");
    for (let n = 0; n < 3000; n++) {
      await speaker.ask({ command: "disable", neighbor: NEIGHBOR, text: "x".repeat(100) });
    }
    const peer = await until(
      async () => {
        await speaker.ask({ command: "enable", neighbor: NEIGHBOR });
        return Peer.establish({ port: speaker.port, localAddress: NEIGHBOR, as: 65001 });
      },
      WAIT_MS,
      "a session comes up",
    );
    child.kill("SIGTERM");
    expect(await peer.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
    expect(await exit).toBe(0);
  } finally {
    child.kill("SIGKILL");
    speaker.remove();
  }
});

test("a log whose reader is gone stops nothing else", async () => {
  const speaker = await SpeakerProcess.create(CONFIG);
  const child = spawn(process.execPath, [MAIN, "run", "-c", speaker.file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = new Promise((resolve) => child.on("exit", resolve));
  try {
    child.stdout.destroy();
    await until(() => speaker.ask({ command: "show-status" }), WAIT_MS, "the speaker answers");
    const peer = await Peer.establish({ port: speaker.port, localAddress: NEIGHBOR, as: 65001 });
    const lost = async () => (await speaker.metrics()).get("tsbgp_log_lines_lost") ?? 0;
    await until(async () => (await lost()) > 0, WAIT_MS, "lines are lost and counted");
    child.kill("SIGTERM");
    expect(await peer.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
    expect(await exit).toBe(0);
  } finally {
    child.kill("SIGKILL");
    speaker.remove();
  }
});

test("of a hundred thousand malformed updates all are counted and few are logged", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await Peer.establish({ port: speaker.port, localAddress: NEIGHBOR, as: 65001 });
    const count = 100_000;
    await peer.sendAll(malformedUpdates(count));
    const read = async () => (await speaker.neighbor(NEIGHBOR)).update_faults === count;
    await until(read, WAIT_MS, "the speaker has read everything");
    const labels = `neighbor="${NEIGHBOR}",as="65001",action="treat-as-withdraw"`;
    const metric = `tsbgp_neighbor_update_faults_total{${labels}}`;
    expect((await speaker.metrics()).get(metric)).toBe(count);
    await speaker.untilLogged("a fault", ({ id }) => id === "update-fault");
    const lines = speaker.log().filter(({ id }) => id === "update-fault");
    // A few each second, and it may take minutes.
    expect(lines.length).toBeLessThan(count / 100);
    expect(peer.closed).toBe(false);
    peer.end();
  }));
