/** `tsbgp stop`: the end of the running speaker, waited for. */

import { setTimeout as delay } from "node:timers/promises";
import { type Command, noWords, print } from "./command.ts";
import { ask, CONTROL_OPTIONS, ControlError, exitCodeOf, socketOf } from "./control-client.ts";

/** What has not left by then stays behind. */
const STOP_MS = 60_000;
const LOOK_MS = 50;

export const stopCommand: Command = {
  name: "stop",
  usage: "[--graceful]",
  summary: "end the speaker as SIGTERM does: to a standby that is ready, or with its sessions",
  help: [
    "  --graceful    sessions of neighbors with `graceful-restart: full` end without a word, so that",
    "                these keep our routes for the time that they were asked for: start it again soon",
    "Returns once the process has ended, on the same host.",
  ],
  options: { ...CONTROL_OPTIONS, graceful: { type: "boolean" } },
  run: async (args) => {
    noWords(args);
    const graceful = args.options["graceful"] === true;
    return exitCodeOf(async () => {
      const request = { command: "stop", ...(graceful ? { graceful } : {}) };
      const answer = await ask(socketOf(args), request, () => {});
      const { pid } = answer as { pid: number };
      for (const endMs = Date.now() + STOP_MS; isRunning(pid); await delay(LOOK_MS)) {
        if (Date.now() > endMs) throw new ControlError(`process ${pid} has not ended`, true);
      }
      print(args.options["json"] === true ? JSON.stringify(answer) : "the speaker has stopped");
    });
  },
};

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // One of another user is there as well.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
