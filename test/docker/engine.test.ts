import { describe, expect, test } from "vitest";
import { parseContainer, parseImage, parseProcessStatus } from "./engine.ts";

describe("what the engine says", () => {
  const state = { Pid: 42, Running: true, Paused: false };
  const container = (more: object) =>
    JSON.stringify([
      { Image: "sha256:1", State: { ...state, ...more }, HostConfig: { ReadonlyRootfs: true } },
    ]);

  test("of a container is read", () => {
    expect(parseContainer(container({ Health: { Status: "healthy" } }))).toEqual({
      pid: 42,
      isRunning: true,
      isPaused: false,
      health: "healthy",
      isReadOnly: true,
      image: "sha256:1",
    });
  });

  test("of a container without a health check is read", () => {
    expect(parseContainer(container({ Paused: true }))).toMatchObject({
      isPaused: true,
      health: "none",
    });
  });

  test.each([
    [{}, { labels: {}, stopSignal: "", hasHealthCheck: false, env: [] }],
    [
      { Labels: null, StopSignal: "SIGTERM", Healthcheck: { Test: ["CMD", "x"] }, Env: ["A=b"] },
      { labels: {}, stopSignal: "SIGTERM", hasHealthCheck: true, env: ["A=b"] },
    ],
  ])("of an image is read, what is not set as well: %o", (Config, expected) => {
    const text = JSON.stringify([{ Id: "sha256:2", Size: 5, Config }]);
    expect(parseImage(text)).toEqual({ id: "sha256:2", octets: 5, ...expected });
  });
});

describe("what proc says of a process", () => {
  const status = (uid: number, effective: string) =>
    `Name:\tMainThread\nUmask:\t0022\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n` +
    `CapEff:\t${effective}\nNoNewPrivs:\t1\n`;

  test.each([
    ["0000000000000000", []],
    ["0000000000003000", [12, 13]],
    ["8000000000000001", [0, 63]],
  ])("is read, with capabilities %s", (effective, capabilities) => {
    expect(parseProcessStatus(status(1790, effective))).toEqual({
      name: "MainThread",
      userId: 1790,
      capabilities,
      noNewPrivileges: true,
    });
  });
});
