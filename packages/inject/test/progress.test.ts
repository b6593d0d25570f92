import { expect, test } from "vitest";
import type { InjectEvent } from "../src/events.ts";
import { jsonReport, resultText, textReport } from "../src/progress.ts";

const FIGURES = { messages: 2500, routes: 10_000, octets: 1_200_000, seconds: 2 };
const EVENTS: InjectEvent[] = [
  { kind: "reading", file: "table.bz2", done: 0.5 },
  { kind: "source", title: "synthetic table, seed 1", routes: 10_000 },
  { kind: "connecting", target: "192.0.2.1:179" },
  {
    kind: "established",
    target: "192.0.2.1:179",
    localAddress: "192.0.2.2",
    localAs: 65001,
    peerAs: 65000,
    peerIdentifier: "192.0.2.1",
    families: ["ipv4-unicast"],
  },
  { kind: "sending", done: 0.25, ...FIGURES },
  { kind: "sending", done: 0.5, ...FIGURES },
  { kind: "sent", what: "routes", ...FIGURES },
  { kind: "refresh", family: "ipv4-unicast" },
  { kind: "received", messages: 1, announced: 3, withdrawn: 0 },
  { kind: "flapping", messages: 100, seconds: 10 },
  { kind: "retrying", reason: "connection lost", seconds: 1 },
  { kind: "warning", text: "2 routes not sent" },
];

function shown(isTTY: boolean): string {
  let text = "";
  const stream = { isTTY, columns: 70, write: (piece: string) => (text += piece) };
  let nowMs = 0;
  const report = textReport(stream, () => (nowMs += isTTY ? 60 : 3000));
  for (const event of EVENTS) report(event);
  return text.replaceAll("\r\u001b[K", "<");
}

test("lines are shown where there is no terminal", () => {
  expect(shown(false)).toMatchInlineSnapshot(`
    "synthetic table, seed 1: 10,000 routes
    connecting to 192.0.2.1:179
    session with 192.0.2.1:179 (AS65000, 192.0.2.1) is up: own AS 65001, from 192.0.2.2, ipv4-unicast
     25% 2,500 messages 10,000 routes 1,250/s ETA 6s
    announced 10,000 routes in 2,500 messages, 1.2 MB, 2.00 s
    the peer asks for ipv4-unicast again
    received 1 message: 3 announced, 0 withdrawn
    connection lost; trying again in 1 second
    warning: 2 routes not sent
    "
  `);
});

test("a bar is drawn on a terminal, in one line that makes way for others", () => {
  expect(shown(true)).toMatchInlineSnapshot(`
    "<[==========          ] 50% reading table.bz2<synthetic table, seed 1: 10,000 routes
    connecting to 192.0.2.1:179
    session with 192.0.2.1:179 (AS65000, 192.0.2.1) is up: own AS 65001, from 192.0.2.2, ipv4-unicast
    <[==========          ] 50% 2,500 messages 10,000 routes 1,250/s ETA 2<announced 10,000 routes in 2,500 messages, 1.2 MB, 2.00 s
    the peer asks for ipv4-unicast again
    received 1 message: 3 announced, 0 withdrawn
    <flapping: 100 messages, 10/s<connection lost; trying again in 1 second
    warning: 2 routes not sent
    "
  `);
});

test("a program gets one JSON object a line", () => {
  let text = "";
  const report = jsonReport({ write: (piece) => (text += piece) });
  for (const event of EVENTS) report(event);
  const lines = text.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(EVENTS);
});

test("the last words are an error, what was done, or both", () => {
  const received = { messages: 1, announced: 2, withdrawn: 3 };
  const done = { exitCode: 0, error: null, messagesSent: 1000, routesSent: 1, received } as const;
  expect(resultText(done)).toBe(
    "sent 1,000 messages with 1 route, " + "received 1 message with 2 announced and 3 withdrawn\n",
  );
  const failed = { ...done, exitCode: 1, error: "a: refused", messagesSent: 0 } as const;
  expect(resultText(failed)).toBe("tsbgp inject: a: refused\n");
});
