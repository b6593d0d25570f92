/** What a side that the spare runs says of itself. */

import net from "node:net";

/** @returns the first item of the answer; rejects when there is none within the time */
export function askSide(file: string, command: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path: file, signal: AbortSignal.timeout(timeoutMs) });
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", reject);
    socket.on("connect", () => socket.write(`${JSON.stringify({ command })}\n`));
    socket.on("close", () => reject(new Error(`no answer from ${file}`)));
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end < 0) return;
      const { item, error } = JSON.parse(text.slice(0, end));
      if (item === undefined) reject(new Error(error ?? "an empty answer"));
      else resolve(item);
      socket.destroy();
    });
  });
}
