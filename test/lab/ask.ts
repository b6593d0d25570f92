/** Questions to a speaker's control socket, without the cost of starting `tsbgp` for each. */
import { connect } from "node:net";

const ANSWER_MS = 2_000;

/**
 * Ask a speaker.
 *
 * @param path - of the socket; namespaces of the network make no difference to it
 * @returns the items of its answer; `null` when it refuses, or nobody answers in time
 */
export function askSpeaker(
  path: string,
  request: { command: string },
  withinMs: number = ANSWER_MS,
): Promise<unknown[] | null> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(path);
    const end = (items: unknown[] | null) => {
      socket.destroy();
      resolve(items);
    };
    socket.setTimeout(withinMs, () => end(null));
    socket.setEncoding("utf8");
    socket.on("error", () => end(null));
    socket.on("close", () => end(null));
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (chunk) => {
      text += chunk;
      const answers = text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      if (answers.some((one) => "error" in one)) end(null);
      else if (answers.some((one) => "end" in one)) {
        end(answers.filter((one) => "item" in one).map((one) => one.item));
      }
    });
  });
}

/** What is read of `tsbgp show nsr --json`. */
export interface NsrStatus {
  /** "active", "standby", "starting", or "simplex" for a speaker that runs alone. */
  readonly role: string;
  /** The standby could take over at once. */
  readonly ready: boolean;
  readonly reason: string;
  /** Of the active; absent of a version that does not say it. */
  readonly standbys?: readonly { readonly side: string; readonly ready: boolean }[];
  readonly sessions: number;
  /** Sessions that would survive. */
  readonly protected: number;
  readonly last_switchover: unknown;
  /** The last comparison of both sides by digests of their tables; the active counts differences. */
  readonly digest: { readonly at_ms: number; readonly differences: number };
}

/** @returns `null` when nobody answers, or the speaker knows nothing of nonstop routing */
export async function nsrStatus(path: string): Promise<NsrStatus | null> {
  const answer = await askSpeaker(path, { command: "show-nsr" });
  return (answer?.[0] ?? null) as NsrStatus | null;
}
