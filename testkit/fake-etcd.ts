/** As much of etcd's HTTP gateway as an arbiter uses, in this process, with faults as a test wants them. */
import http from "node:http";
import type { AddressInfo } from "node:net";

/** `lose`: carried out, and not answered. `drop`: neither. A number delays both by milliseconds. */
export type Fault = "lose" | "drop" | number | null;

interface Compare {
  readonly key: string;
  readonly mod_revision: string;
}

interface Body {
  readonly key?: string;
  readonly range_end?: string;
  readonly compare?: readonly Compare[];
  readonly success?: readonly { request_put?: { key: string; value: string } }[];
}

export class FakeEtcd {
  /** Decides on each request: whether it is a transaction, and what stands before its path. */
  fault: (isChange: boolean, from: string) => Fault = () => null;
  readonly keys: Map<string, { value: string; revision: number }> = new Map();
  changes = 0;
  /** What is said in place of an answer. */
  forge: (text: string, isChange: boolean) => string = (text) => text;
  cluster = "14841639068965178418";
  private revision = 1;
  private readonly server: http.Server;

  private constructor() {
    this.server = http.createServer((request, response) => {
      const chunks: Uint8Array[] = [];
      request.on("data", (octets: Uint8Array) => chunks.push(octets));
      request.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as Body;
        const [from = "", call] = request.url!.split("/v3/kv/");
        const isChange = call === "txn";
        const fault = this.fault(isChange, from);
        const answer = () => {
          if (fault === "drop") return;
          const json = isChange ? this.change(body) : this.range();
          if (fault !== "lose") response.end(this.forge(JSON.stringify(json), isChange));
        };
        if (typeof fault === "number") setTimeout(answer, fault);
        else answer();
      });
    });
  }

  static async start(): Promise<FakeEtcd> {
    const fake = new FakeEtcd();
    await new Promise<void>((resolve) => fake.server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What a key holds, by the end of its name. */
  text(name: string): string {
    for (const [key, { value }] of this.keys) {
      if (decoded(key).endsWith(`/${name}`)) return decoded(value);
    }
    return "";
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private range() {
    const kvs = [...this.keys].map(([key, { value, revision }]) => ({
      key,
      value,
      create_revision: String(revision),
      mod_revision: String(revision),
      version: "1",
    }));
    const count = kvs.length === 0 ? {} : { kvs, count: String(kvs.length) };
    return { header: this.header(), ...count };
  }

  private header() {
    const member = { cluster_id: this.cluster, member_id: "10276657743932975437" };
    return { ...member, revision: String(this.revision), raft_term: "2" };
  }

  private change({ compare = [], success = [] }: Body) {
    const isDone = compare.every(
      ({ key, mod_revision }) => (this.keys.get(key)?.revision ?? 0) === Number(mod_revision),
    );
    if (!isDone) {
      return {
        header: this.header(),
        responses: [{ response_range: this.range() }],
      };
    }
    this.changes++;
    this.revision++;
    const { revision } = this;
    const responses = success.map(({ request_put: put }) => {
      if (put === undefined) return { response_range: this.range() };
      this.keys.set(put.key, { value: put.value, revision });
      return { response_put: { header: { revision: String(revision) } } };
    });
    return { header: this.header(), succeeded: true, responses };
  }
}

function decoded(base64: string): string {
  return Buffer.from(base64, "base64").toString();
}
