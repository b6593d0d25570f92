/** The way to a real etcd: what is asked over it is seen, and some of it has no answer. */
import http from "node:http";
import type { AddressInfo } from "node:net";

/** As much of a request as ranges of keys have. */
export interface AskedRange {
  readonly key: string;
  readonly limit?: string;
  readonly [option: string]: unknown;
}

export class EtcdWay {
  endpoint = "";
  /** Ranges that were asked for, and how many keys were answered; null while none are. */
  readonly ranges: { asked: AskedRange; keys: number | null }[] = [];
  /** Whether a range whose first key this is has no answer. */
  isLost: (key: string) => boolean = () => false;
  private readonly server: http.Server;

  /** @param to - the endpoint behind it */
  constructor(to: string) {
    this.server = http.createServer((request, response) => {
      const chunks: Uint8Array[] = [];
      request.on("data", (octets: Uint8Array) => chunks.push(octets));
      request.on("end", async () => {
        const body = Buffer.concat(chunks).toString();
        const range = request.url === "/v3/kv/range" ? this.note(body) : null;
        if (range !== null && this.isLost(range.asked.key)) return;
        const answer = await fetch(to + request.url, { method: "POST", body });
        const text = await answer.text();
        if (range !== null) range.keys = JSON.parse(text).kvs?.length ?? 0;
        response.writeHead(answer.status).end(text);
      });
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.endpoint = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private note(body: string): EtcdWay["ranges"][number] {
    const asked = JSON.parse(body);
    const key = Buffer.from(asked.key, "base64").toString();
    const range = { asked: { ...asked, key }, keys: null };
    this.ranges.push(range);
    return range;
  }
}
