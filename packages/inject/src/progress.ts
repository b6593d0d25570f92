/** Shows an injection: a bar on a terminal, lines elsewhere. */

import type { InjectEvent, InjectResult, Report } from "./events.ts";

/** Where to write: `process.stderr` will do. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const BAR_COLUMNS = 20;
const REDRAW_MS = 100;
/** Elsewhere than on a terminal a line now and then is enough. */
const LINE_MS = 5000;
const CLEAR_LINE = "\r\u001b[K";

/** @returns a report that writes one JSON object a line */
export function jsonReport(stream: ProgressStream): Report {
  return (event) => stream.write(`${JSON.stringify(event)}\n`);
}

/**
 * @param nowMs - a clock that does not run backwards
 * @returns a report for people
 */
export function textReport(stream: ProgressStream, nowMs: () => number): Report {
  const terminal = stream.isTTY === true;
  let drawn = false;
  // Without a terminal, what is over soon is not worth a line.
  const earliestMs = () => (terminal ? Number.NEGATIVE_INFINITY : nowMs());
  let lastMs = earliestMs();
  const line = (text: string) => {
    stream.write(`${drawn ? CLEAR_LINE : ""}${text}\n`);
    drawn = false;
  };
  const passing = (text: () => string) => {
    const now = nowMs();
    if (now - lastMs < (terminal ? REDRAW_MS : LINE_MS)) return;
    lastMs = now;
    if (!terminal) {
      line(text());
      return;
    }
    stream.write(`${CLEAR_LINE}${text().slice(0, (stream.columns ?? 80) - 1)}`);
    drawn = true;
  };
  return (event) => {
    switch (event.kind) {
      case "reading":
        passing(() => `${gauge(event.done, terminal)} reading ${event.file}`);
        return;
      case "sending":
        passing(() => sendingText(event, terminal));
        return;
      case "flapping": {
        const rate = count(event.messages / event.seconds);
        passing(() => `flapping: ${count(event.messages)} messages, ${rate}/s`);
        return;
      }
      case "sent":
        lastMs = earliestMs();
        line(lineOf(event));
        return;
      default:
        line(lineOf(event));
    }
  };
}

/** The last words on an injection, with a line feed. */
export function resultText({ error, messagesSent, routesSent, received }: InjectResult): string {
  const lines = error === null ? [] : [`tsbgp inject: ${error}`];
  if (messagesSent > 0) {
    lines.push(
      `sent ${plural(messagesSent, "message")} with ${plural(routesSent, "route")}, ` +
        `received ${plural(received.messages, "message")} with ${count(received.announced)} ` +
        `announced and ${count(received.withdrawn)} withdrawn`,
    );
  }
  return lines.map((text) => `${text}\n`).join("");
}

type Passing = "reading" | "sending" | "flapping";

function lineOf(event: Exclude<InjectEvent, { kind: Passing }>): string {
  switch (event.kind) {
    case "source":
      return event.routes === null
        ? event.title
        : `${event.title}: ${plural(event.routes, "route")}`;
    case "warning":
      return `warning: ${event.text}`;
    case "connecting":
      return `connecting to ${event.target}`;
    case "established":
      return (
        `session with ${event.target} (AS${event.peerAs}, ${event.peerIdentifier}) is up: ` +
        `own AS ${event.localAs}, from ${event.localAddress}, ${event.families.join(" ")}`
      );
    case "sent": {
      const verb = event.what === "routes" ? "announced" : "withdrew";
      const { routes, messages, octets, seconds } = event;
      return (
        `${verb} ${plural(routes, "route")} in ${plural(messages, "message")}, ` +
        `${(octets / 1e6).toFixed(1)} MB, ${seconds.toFixed(2)} s`
      );
    }
    case "refresh":
      return `the peer asks for ${event.family} again`;
    case "received":
      return (
        `received ${plural(event.messages, "message")}: ` +
        `${count(event.announced)} announced, ${count(event.withdrawn)} withdrawn`
      );
    case "retrying":
      return `${event.reason}; trying again in ${plural(event.seconds, "second")}`;
  }
}

function sendingText(event: Extract<InjectEvent, { kind: "sending" }>, terminal: boolean): string {
  const { done, messages, routes, seconds } = event;
  const rate = seconds > 0 ? messages / seconds : 0;
  const left = done > 0 && done < 1 ? ` ETA ${duration((seconds * (1 - done)) / done)}` : "";
  return (
    `${gauge(done, terminal)} ${count(messages)} messages ` +
    `${count(routes)} routes ${count(rate)}/s${left}`
  );
}

/** @returns for example "[=====>    ]  52%" */
function gauge(done: number, bar: boolean): string {
  const percent = `${Math.floor(100 * done)}%`.padStart(4);
  if (!bar) return percent;
  const filled = Math.round(done * BAR_COLUMNS);
  return `[${"=".repeat(filled)}${" ".repeat(BAR_COLUMNS - filled)}]${percent}`;
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  const rest = `${whole % 60}`.padStart(2, "0");
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${`${minutes % 60}`.padStart(2, "0")}:${rest}`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
