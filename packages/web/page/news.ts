/** What happens, as the speaker says it: `/api/v1/events`, read as it comes. */

import { useEffect, useState } from "preact/hooks";
import { open } from "./api.ts";

export interface ShownNews {
  /** Of this page alone. */
  readonly key: number;
  readonly at_ms: number;
  readonly level: string;
  readonly id: string;
  readonly neighbor: string | null;
  readonly message: string;
}

const NEWS_MAX = 100;
/** Until it is asked again after the stream has ended. */
const AGAIN_MS = 5000;

/** @param isAllowed - a member is not told what goes on with others */
export function useNews(isAllowed: boolean): { items: readonly ShownNews[]; isLive: boolean } {
  const [items, setItems] = useState<readonly ShownNews[]>([]);
  const [isLive, setLive] = useState(false);
  useEffect(() => {
    if (!isAllowed) return;
    const stop = new AbortController();
    let key = 0;
    const hear = (data: string) => {
      const news = JSON.parse(data) as Omit<ShownNews, "key">;
      if (typeof news.at_ms !== "number") return;
      setItems((old) => [{ ...news, key: key++ }, ...old].slice(0, NEWS_MAX));
    };
    const listen = async () => {
      try {
        const response = await open("events", stop.signal);
        if (response.ok && response.body !== null) {
          setLive(true);
          for await (const data of dataOf(response.body)) hear(data);
        }
      } catch {
        // It is asked again below; what was missed is in the speaker's log.
      }
      setLive(false);
      if (!stop.signal.aborted) timer = setTimeout(listen, AGAIN_MS);
    };
    let timer = setTimeout(listen, 0);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [isAllowed]);
  return { items, isLive };
}

/** The data of server-sent events (each is one line here). */
async function* dataOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as never).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (text + String(value)).split("\n");
    text = lines.pop()!;
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5);
  }
}
