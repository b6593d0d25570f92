/** etcd on this host's loopback, without root. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./speaker.ts";

export class RealEtcd {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tsbgp-etcd-"));
  endpoint = "";
  private words: readonly string[] = [];
  private child: ChildProcess | null = null;
  private output = "";

  async start(scheme: "http" | "https", words: readonly string[] = []): Promise<void> {
    this.endpoint = `${scheme}://127.0.0.1:${await freePort()}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    this.words = [
      ...["--name", "one", "--data-dir", join(this.directory, "data"), "--log-level", "error"],
      ...["--listen-client-urls", this.endpoint, "--advertise-client-urls", this.endpoint],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", `one=${peer}`, ...words],
    ];
    this.restart();
  }

  /** Starts it as it was, with what it has stored. */
  restart(): void {
    this.child = spawn("/usr/bin/etcd", this.words);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  write(name: string, text: string): string {
    const file = join(this.directory, name);
    writeFileSync(file, text);
    return file;
  }

  /** Gives an order about users. @param token - of a login, once users count */
  async order(path: string, body: object, token = ""): Promise<Readonly<Record<string, unknown>>> {
    const url = `${this.endpoint}/v3/auth/${path}`;
    const headers = token === "" ? {} : { authorization: token };
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body), headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${text}${this.output}`);
    return JSON.parse(text);
  }

  /** Asks what needs no login. */
  async ask(path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const answer = await fetch(`${this.endpoint}/v3/${path}`, {
      ...{ method: "POST", body: JSON.stringify(body) },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text);
  }

  async put(key: string | Uint8Array, value: string): Promise<void> {
    await this.ask("kv/put", { key: base64(key), value: base64(value) });
  }

  async remove(key: string): Promise<void> {
    await this.ask("kv/deleterange", { key: base64(key) });
  }

  /** @returns the names of all keys, of which those that are no text are not themselves */
  async keys(): Promise<string[]> {
    const all = { key: "AA==", range_end: "AA==", keys_only: true };
    const { kvs = [] } = (await this.ask("kv/range", all)) as { kvs?: { key: string }[] };
    return kvs.map(({ key }) => Buffer.from(key, "base64").toString());
  }

  signal(name: NodeJS.Signals): void {
    this.child?.kill(name);
  }

  /** Ends the process. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  end(): void {
    this.child?.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString("base64");
}
