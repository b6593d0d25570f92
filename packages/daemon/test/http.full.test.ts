/** Whatever is asked for over HTTP, the thread that routes has its time, and those who ask fairly are answered. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { getPriority } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { freePort, neighborAddress, WAIT_MS, withSpeaker } from "../../../testkit/speaker.ts";
import { HttpService, type HttpSources } from "../src/http.ts";
import { HTTP_LIMITS, type HttpLimits } from "../src/http-server.ts";
import { gauge, type MetricPart } from "../src/metric-parts.ts";

const LOOPBACK = "127.0.0.1";
/** Of a session beside a flood: little, and more than a busy machine keeps a process waiting for. */
const HOLD_TIME_SECONDS = 9;
const REQUEST = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

const services: HttpService[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const service of services.splice(0)) service.close();
});

class Harness {
  readonly fault = vi.fn();
  readonly said: { level: string; message: string }[] = [];
  /** How often all metrics were asked for, and how often they were taken. */
  asked = 0;
  taken = 0;
  /** Octets of text beside the number of the taking. */
  ballast = 0;
  error: Error | null = null;
  /** Settled when metrics may be told. */
  free: Promise<void> = Promise.resolve();
  service!: HttpService;

  static async create(limits: Partial<HttpLimits> = {}, port = 0): Promise<Harness> {
    const harness = new Harness();
    const sources: HttpSources = {
      parts: () => harness.parts(),
      health: () => ({ ok: true, role: "simplex" }),
      api: null,
    };
    const hooks = {
      fault: harness.fault,
      say: (level: string, message: string) => harness.said.push({ level, message }),
    };
    const address = { address: "0.0.0.0", port };
    const all = { ...HTTP_LIMITS, ...limits };
    harness.service = await HttpService.listen(address, sources, hooks, all);
    services.push(harness.service);
    return harness;
  }

  private async *parts(): AsyncGenerator<MetricPart> {
    this.asked++;
    await delay(1);
    await this.free;
    if (this.error !== null) throw this.error;
    const help = "x".repeat(this.ballast);
    yield { records: [gauge("taken", help, ++this.taken)] };
  }

  get port(): number {
    return this.service.port;
  }

  get(path: string): Promise<Response> {
    return fetch(`http://${LOOPBACK}:${this.port}${path}`);
  }

  /** @returns the number of the taking that is told */
  async number(): Promise<number> {
    return Number(/^taken (\d+)$/m.exec(await (await this.get("/metrics")).text())?.[1]);
  }

  /** @returns how many connections were closed for a reason */
  async cuts(reason: string): Promise<number> {
    const text = await (await this.get("/metrics")).text();
    const line = new RegExp(
      `^tsbgp_http_connections_cut_total\\{reason="${reason}"\\} (\\d+)$`,
      "m",
    );
    return Number(line.exec(text)?.[1]);
  }

  client(localAddress: string = LOOPBACK): Client {
    return new Client(this.port, localAddress);
  }
}

class Client {
  readonly socket: Socket;
  text = "";
  closed = false;

  constructor(port: number, localAddress: string) {
    this.socket = connect({ port, host: LOOPBACK, localAddress });
    sockets.push(this.socket);
    this.socket.setEncoding("latin1");
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  connected(): Promise<unknown> {
    return once(this.socket, "connect");
  }

  say(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** Reads from now on. */
  listen(): this {
    this.socket.on("data", (chunk) => {
      this.text += chunk;
    });
    return this;
  }

  untilClosed(): Promise<unknown> {
    return until(() => this.closed, WAIT_MS, "the server closes the connection");
  }

  async status(): Promise<number> {
    await until(() => this.text.includes("\r\n"), WAIT_MS, "there is an answer");
    return Number(this.text.split(" ")[1]);
  }
}

describe("a request", () => {
  test.each([
    ["GET /metrics", 200],
    ["GET /metrics?name=up", 200],
    ["HEAD /metrics", 200],
    ["HEAD /healthz", 200],
    ["GET /", 404],
    ["GET //", 404],
    ["GET //[", 404],
    ["GET *", 404],
    ["GET http://", 404],
    ["GET /%zz", 404],
    ["POST /metrics", 405],
    ["GARBAGE", 400],
  ])("%s is answered with %d", async (line, status) => {
    const harness = await Harness.create();
    const client = harness.client().listen();
    client.say(`${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(await client.status()).toBe(status);
    await client.untilClosed();
  });

  test("for metrics has text of Prometheus as its answer, with the thread's own numbers", async () => {
    const response = await (await Harness.create()).get("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    expect(text).toMatch(/^# HELP taken \n# TYPE taken gauge\ntaken 1\n# HELP tsbgp_http/);
    expect(text).toMatch(/^tsbgp_http_connections 1$/m);
  });

  test("for health says what the main thread says, and that it is not old", async () => {
    const harness = await Harness.create();
    const health = { ok: true, role: "simplex", age_ms: 0, silent_ms: 0 };
    const isNew = async () => {
      const response = await harness.get("/healthz");
      return expect([response.status, await response.json()]).toEqual([200, health]) ?? true;
    };
    // A busy main thread may not have answered in time.
    await until(isNew, WAIT_MS, "the main thread says it");
  });

  test("that meets a fault is answered, the fault is told, and the next one is answered", async () => {
    const harness = await Harness.create();
    harness.error = new Error("out of order");
    expect((await harness.get("/metrics")).status).toBe(500);
    expect(harness.fault).toHaveBeenCalledWith("metrics", harness.error);
    expect((await harness.get("/healthz")).status).toBe(200);
    harness.error = null;
    expect((await harness.get("/metrics")).status).toBe(200);
  });
});

test("metrics that came too late for who asked are not told with the next ones", async () => {
  const harness = await Harness.create();
  const { promise, resolve } = Promise.withResolvers<void>();
  harness.free = promise;
  expect((await harness.get("/metrics")).status).toBe(503);
  resolve();
  await until(() => harness.taken === 1, WAIT_MS, "they come");
  // Health is answered after them.
  await harness.get("/healthz");
  const text = await (await harness.get("/metrics")).text();
  expect(text.match(/^taken \d+$/gm)).toEqual(["taken 2"]);
});

test("many who ask share what is taken, and nobody is told what was before the question", async () => {
  const harness = await Harness.create();
  for (let round = 0; round < 3; round++) {
    const before = harness.taken;
    const numbers = await Promise.all(Array.from({ length: 6 }, () => harness.number()));
    for (const number of numbers) expect(number).toBeGreaterThan(before);
    // Two where nothing keeps one of them from asking for half a second.
    expect(harness.taken).toBeLessThan(before + numbers.length);
  }
});

test("a port that is taken is refused with its name", async () => {
  const other = createServer().listen(0, "0.0.0.0");
  onTestFinished(() => void other.close());
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  await expect(Harness.create({}, port)).rejects.toThrow(
    new RegExp(`^http on 0\\.0\\.0\\.0 port ${port}: .*EADDRINUSE`),
  );
});

describe("a client", () => {
  test("with thousands of requests at once is closed, and costs no more than one answer", async () => {
    const harness = await Harness.create();
    const client = harness.client().say(REQUEST.repeat(2000));
    await client.untilClosed();
    expect(await harness.cuts("pipelined")).toBe(1);
    expect(harness.taken).toBeLessThanOrEqual(2);
  });

  test("with a few requests at once is answered in order", async () => {
    const harness = await Harness.create();
    const client = harness.client().listen();
    const other = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    client.say(other + REQUEST + other);
    const statuses = () => [...client.text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, n]) => n);
    await until(() => statuses().length === 3, WAIT_MS, "all are answered");
    expect(statuses()).toEqual(["404", "200", "404"]);
  });

  test("that does not read its answer is closed", async () => {
    const harness = await Harness.create({ answerMs: 1000 });
    harness.ballast = 32 << 20;
    const client = harness.client().say(REQUEST);
    client.socket.pause();
    await until(() => harness.taken > 0, WAIT_MS, "the answer is made");
    harness.ballast = 0;
    await until(async () => (await harness.cuts("unread")) === 1, WAIT_MS, "it is closed");
  });

  test("that says nothing, or its request drop by drop, is closed", async () => {
    const harness = await Harness.create({ requestMs: 1000 });
    const silent = harness.client().listen();
    const slow = harness.client().listen();
    const drip = setInterval(() => slow.socket.write("x"), 50);
    onTestFinished(() => clearInterval(drip));
    slow.say("GET /metrics HTTP/1.1\r\nX: ");
    await Promise.all([silent.untilClosed(), slow.untilClosed()]);
    expect(harness.taken).toBe(0);
  });

  test("that asks no more after its answer is closed", async () => {
    const harness = await Harness.create({ idleMs: 500 });
    const client = harness.client().listen().say(REQUEST);
    expect(await client.status()).toBe(200);
    await client.untilClosed();
  });

  test("with a header of a megabyte is refused", async () => {
    const harness = await Harness.create();
    const client = harness.client().listen();
    client.say(`GET /metrics HTTP/1.1\r\nX: ${"x".repeat(1 << 20)}`);
    expect(await client.status()).toBe(431);
    await client.untilClosed();
  });

  test("with a body without end is answered, and closed", async () => {
    const harness = await Harness.create({ requestMs: 1000 });
    const client = harness.client().listen();
    client.say("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    const flood = setInterval(() => client.socket.write("x".repeat(1000)), 10);
    onTestFinished(() => clearInterval(flood));
    expect(await client.status()).toBe(413);
    await client.untilClosed();
  });

  test("that has gone is forgotten", async () => {
    const harness = await Harness.create();
    for (let n = 0; n < 12; n++) {
      const client = harness.client().say(REQUEST);
      await client.connected();
      client.socket.resetAndDestroy();
    }
    const alone = async () =>
      /^tsbgp_http_connections 1$/m.test(await (await harness.get("/metrics")).text());
    await until(alone, WAIT_MS, "no other connection is there");
  });
});

describe("with more connections than there may be", () => {
  test("the oldest of an address gives way, and the newest is answered", async () => {
    const harness = await Harness.create({ connectionsPerAddress: 4 });
    const clients: Client[] = [];
    for (let n = 0; n < 20; n++) {
      const client = harness.client().listen();
      await client.connected();
      clients.push(client);
    }
    await until(() => clients.slice(0, 16).every(({ closed }) => closed), WAIT_MS, "16 are closed");
    expect(clients.slice(16).some(({ closed }) => closed)).toBe(false);
    expect(await clients[19]!.say(REQUEST).status()).toBe(200);
    expect(await harness.cuts("displaced")).toBe(17);
  });

  test("one that waits for no answer gives way before one that does", async () => {
    const harness = await Harness.create({ connectionsPerAddress: 2 });
    await harness.number();
    const { promise, resolve } = Promise.withResolvers<void>();
    harness.free = promise;
    const first = harness.client().listen().say(REQUEST);
    await until(() => harness.asked === 2, WAIT_MS, "the first one waits for its answer");
    const idle = harness.client().listen();
    await idle.connected();
    await harness.client().connected();
    await idle.untilClosed();
    resolve();
    // Or 503 on a busy machine.
    expect([200, 503]).toContain(await first.status());
  });

  test("in all, one gives way of the address that has the most", async () => {
    const harness = await Harness.create({ connections: 6, connectionsPerAddress: 5 });
    const fair = harness.client("127.0.0.2").listen();
    await fair.connected();
    const greedy: Client[] = [];
    for (let n = 0; n < 5; n++) {
      greedy.push(harness.client("127.0.0.3").listen());
      await greedy[n]!.connected();
    }
    const late = harness.client("127.0.0.4").listen();
    await greedy[0]!.untilClosed();
    expect(await fair.say(REQUEST).status()).toBe(200);
    expect(await late.say(REQUEST).status()).toBe(200);
    expect(greedy.slice(1).some(({ closed }) => closed)).toBe(false);
  });
});

describe("the thread", () => {
  const workerOf = ({ service }: Harness) => (service as unknown as { worker: Worker }).worker;

  test("is told of and started again when it has ended", async () => {
    const harness = await Harness.create();
    expect(await harness.number()).toBe(1);
    await workerOf(harness).terminate();
    await until(() => harness.said.length === 2, WAIT_MS, "it is there again");
    expect(harness.said).toEqual([
      {
        level: "error",
        message: expect.stringMatching(
          /^http on 0\.0\.0\.0 port 0: it has ended; nothing is served/,
        ),
      },
      { level: "info", message: expect.stringMatching(/is served again$/) },
    ]);
    expect(await harness.number()).toBe(2);
  });

  test("is started again and again, ever more rarely, while its port is taken", async () => {
    const port = await freePort();
    const harness = await Harness.create({}, port);
    await workerOf(harness).terminate();
    const other = createServer().listen(port, "0.0.0.0");
    onTestFinished(() => void other.close());
    await until(() => harness.said.length >= 2, WAIT_MS, "it could not begin again");
    expect(harness.said[1]!.message).toMatch(/EADDRINUSE.*begins again in 2 s$/);
    other.close();
    await until(() => harness.said.at(-1)!.level === "info", WAIT_MS, "it is there again");
    expect(await harness.number()).toBe(1);
  });

  /** Runs the service in a process that is nice and has no right to be less so. */
  test.skipIf(process.getuid?.() !== 0)("serves in a process that is nicer than it", async () => {
    const program = `
      import { readdirSync, readFileSync } from "node:fs";
      import { setTimeout as sleep } from "node:timers/promises";
      import { HttpService } from ${JSON.stringify(fileURLToPath(new URL("../src/http.ts", import.meta.url)))};
      const said = [];
      const sources = { parts: async function* () {}, health: () => ({ ok: true }) };
      const hooks = { fault: (...words) => said.push(words), say: (...words) => said.push(words) };
      const address = { address: "127.0.0.1", port: 0 };
      const service = await HttpService.listen(address, sources, hooks);
      const { status } = await fetch("http://127.0.0.1:" + service.port + "/metrics");
      await sleep(200);
      const again = await fetch("http://127.0.0.1:" + service.port + "/healthz");
      const nices = readdirSync("/proc/self/task").map((task) => {
        const text = readFileSync("/proc/self/task/" + task + "/stat", "utf8");
        return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[16]);
      });
      console.log(JSON.stringify({ status, again: again.status, said, nice: Math.min(...nices) }));
      process.exit();`;
    const { stdout, stderr } = spawnSync(
      "setpriv",
      [
        ...["--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "nice", "-n", "10"],
        ...[process.execPath, "-e", program],
      ],
      { encoding: "utf8" },
    );
    expect(stdout, stderr).not.toBe("");
    const nice = Math.min(getPriority() + 10, 19);
    expect(JSON.parse(stdout)).toEqual({ status: 200, again: 200, said: [], nice });
  });

  test("is no more when the service is closed, and its port is free", async () => {
    const harness = await Harness.create();
    const client = harness.client();
    await client.connected();
    const ended = once(workerOf(harness), "exit");
    harness.service.close();
    await ended;
    await client.untilClosed();
    await expect(harness.get("/healthz")).rejects.toThrow();
    expect(harness.said).toEqual([]);
  });

  test("says that the main thread hangs while it does, and no longer", async () => {
    const harness = await Harness.create();
    const asker = `
      const ask = (path) => fetch("http://${LOOPBACK}:${harness.port}" + path);
      void ask("/metrics").then(({ status }) => console.log(JSON.stringify({ metrics: status })));
      setInterval(async () => {
        const response = await ask("/healthz").catch(() => process.exit());
        console.log(JSON.stringify({ status: response.status, ...(await response.json()) }));
      }, 200)`;
    const child = spawn(process.execPath, ["-e", asker]);
    onTestFinished(() => void child.kill());
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    const answers = () =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    const isWell = ({ ok, status }: { ok?: boolean; status?: number }) =>
      ok === true && status === 200;
    await until(() => answers().some(isWell), WAIT_MS, "the main thread is well");
    // All that this thread does comes to a stop.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15_000);
    const before = answers().length;
    await until(
      () =>
        answers()
          .slice(before)
          .some(({ status }) => status === 503),
      WAIT_MS,
      "it hung",
    );
    const hung = answers().filter(({ status }) => status === 503);
    for (const { ok, role, reason, age_ms, silent_ms } of hung) {
      expect([ok, role]).toEqual([false, "simplex"]);
      expect(silent_ms).toBeGreaterThanOrEqual(3000);
      expect(age_ms).toBeGreaterThan(0);
      expect(reason).toMatch(/^the thread that routes has had no turn for \d+\.\d s$/);
    }
    await until(() => isWell(answers().at(-1)), WAIT_MS, "it is well again");
  });
});

test("a flood of requests keeps no KEEPALIVE waiting, takes little memory, and ends", () => {
  const address = neighborAddress(1);
  const defaults = { passive: true, import: "accept-all", export: "accept-all" };
  const neighbors = [
    { address, as: 65001, "hold-time": HOLD_TIME_SECONDS },
    ...Array.from({ length: 50 }, (_, n) => ({ address: neighborAddress(10 + n), as: 65010 + n })),
  ];
  return withSpeaker({ defaults, neighbors }, async (speaker) => {
    const peer = await Peer.establish({
      ...{ port: speaker.port, localAddress: address, as: 65001 },
      holdTimeSeconds: HOLD_TIME_SECONDS,
    });
    await speaker.metrics();
    const before = speaker.residentMb();
    for (let n = 0; n < 50; n++) {
      new Client(speaker.httpPort, LOOPBACK).say(REQUEST.repeat(n === 0 ? 2000 : 100));
      await delay(20);
    }
    expect(speaker.residentMb() - before).toBeLessThan(200);
    const up = `tsbgp_neighbor_up{neighbor="${address}",as="65001"}`;
    const isTold = async () => (await speaker.metrics()).get(up) === 1;
    await until(isTold, 3 * WAIT_MS, "one who asks fairly is answered");
    expect(peer.closed).toBe(false);
    peer.end();
  });
});
