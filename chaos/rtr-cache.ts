/**
 * An RPKI cache that is in the middle of an update nearly all the time: as a program, in a node's namespace,
 * `node rtr-cache.ts '{ "address": ..., "port": ..., "routes": [[PREFIX, AS], ...] }'`.
 *
 * All routes are valid before an update and after it, by other payloads; by the half that comes first, all
 * of them would be invalid. It says `asked SERIAL` and `told SERIAL` on standard output.
 */
import { fileURLToPath } from "node:url";
import type { LabNode, LabProcess } from "../test/lab/netns.ts";
import { until } from "../test/lab/until.ts";
import { RtrCache, type RtrVrp } from "../testkit/rtr-cache.ts";

const PORT = 3323;
const SESSION = 7;
const START_MS = 30_000;
/** Between the halves of an update, and from its end to the next one. */
const HALF_MS = 900;
const REST_MS = 50;
/** Of whoever has none of the routes. */
const OTHER_AS = 64_496;
/** What the payloads of even serial numbers allow at most, and those of odd ones. */
const LENGTHS = [24, 25] as const;

interface Spec {
  readonly address: string;
  readonly port: number;
  readonly routes: readonly (readonly [prefix: string, as: number])[];
}

/** The program, from outside. */
export class Cache {
  readonly address: string;
  readonly port: number = PORT;
  private readonly process: LabProcess;

  private constructor(address: string, process: LabProcess) {
    this.address = address;
    this.process = process;
  }

  /** @param routes - of IPv4, /24 each, with the AS that announces them */
  static async start(node: LabNode, routes: Spec["routes"]): Promise<Cache> {
    const program = fileURLToPath(import.meta.url);
    const spec: Spec = { address: node.address4, port: PORT, routes };
    const started = node.spawn([process.execPath, program, JSON.stringify(spec)]);
    await until(() => started.output().includes("listens"), START_MS, "the cache listens");
    return new Cache(node.address4, started);
  }

  /** How many updates it has told to their ends. */
  get told(): number {
    return this.process.output().split("\ntold ").length - 1;
  }
}

async function run({ address, port, routes }: Spec): Promise<void> {
  const cache = await RtrCache.listen(port, SESSION, address);
  const vrpOf = ([prefix, as]: Spec["routes"][number], serial: number): RtrVrp => {
    const octets = prefix.split("/")[0]!.split(".").map(Number);
    return { prefix: octets, bits: 24, maxLength: LENGTHS[serial % 2]!, as };
  };
  const others = routes.map(([prefix]): RtrVrp => {
    return { ...vrpOf([prefix, OTHER_AS], 0), maxLength: 24, as: OTHER_AS };
  });
  const all = (serial: number) => routes.map((route) => vrpOf(route, serial));
  let serial = 0;
  const say = (text: string) => process.stdout.write(`\n${text}`);
  const told = (to: number) => {
    say(`told ${to}`);
    serial = Math.max(serial, to);
    setTimeout(() => cache.notify(serial + 1), REST_MS);
  };
  cache.answer = (query, later) => {
    if (query.kind === "reset") {
      const now = serial;
      setTimeout(() => cache.notify(now + 1), REST_MS);
      const vrps = [...others, ...all(now)].map((vrp) => cache.vrp(vrp));
      return [cache.response(), ...vrps, cache.end(now)];
    }
    const [from, to] = [query.serial, serial + 1];
    say(`asked ${from}`);
    const differs = from % 2 !== to % 2;
    setTimeout(() => {
      const comes = differs ? all(to).map((vrp) => cache.vrp(vrp)) : [];
      if (later([...comes, cache.end(to)])) told(to);
    }, HALF_MS);
    const goes = differs ? all(from).map((vrp) => cache.vrp(vrp, false)) : [];
    return [cache.response(), ...goes];
  };
  say("listens");
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? "{}"));
