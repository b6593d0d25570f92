/** A control socket in the place of another process's; the protocol is that of the speaker's own. */

import { chmodSync, rmSync } from "node:fs";
import net from "node:net";
import type { ControlRequest } from "@ts-bgp/daemon";
import { ask, ControlError } from "./control-client.ts";

/** Gives items as they come, then the last value; rejects with the answer to give instead. */
export type RequestListener = (
  request: ControlRequest,
  item: (value: unknown) => void,
) => Promise<unknown>;

/** Listens, one request a connection. @returns what ends it; rejects when a speaker has the socket */
export async function listenForRequests(
  file: string,
  answer: RequestListener,
): Promise<() => void> {
  if (await isInUse(file)) throw new Error(inUse(file));
  rmSync(file, { force: true });
  const server = net.createServer((socket) => {
    let text = "";
    let isAsked = false;
    const write = (value: unknown) => socket.write(`${JSON.stringify(value)}\n`);
    socket.setEncoding("utf8");
    // A client that stays connected does not keep the process alive.
    socket.unref();
    socket.on("error", () => socket.destroy());
    socket.on("data", async (chunk: string) => {
      text += chunk;
      if (isAsked || !text.includes("\n")) return;
      isAsked = true;
      try {
        const request = JSON.parse(text.slice(0, text.indexOf("\n"))) as ControlRequest;
        const end = await answer(request, (item) => write({ item }));
        write({ end });
      } catch (error) {
        write({ error: (error as Error).message });
      }
      socket.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Error(`cannot make control socket ${file}: ${error.message}`));
    });
    server.listen(file, resolve);
  });
  chmodSync(file, 0o660);
  return () => server.close();
}

export function inUse(file: string): string {
  return `${file} is in use: another speaker runs with this control socket`;
}

/** @returns whether something answers on a control socket */
export async function isInUse(file: string): Promise<boolean> {
  try {
    await ask(file, { command: "show-status" }, () => {});
    return true;
  } catch (error) {
    return !(error instanceof ControlError && error.unreachable);
  }
}
