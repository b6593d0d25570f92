/** What is checked of a deployment beside disturbances. Each check leaves it as it found it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownSpare, ShownSpared } from "@ts-bgp/daemon";
import type { Side } from "../../chaos/sides.ts";
import {
  type Family,
  familyOf,
  negotiated,
  type Route,
  type RouteView,
  sortRoutes,
  viewOf,
} from "../lab/daemon.ts";
import { addressOf, FAMILIES } from "../lab/scene.ts";
import { until } from "../lab/until.ts";
import { IMAGE, PROJECT, SERVICE } from "./deployment.ts";
import { docker, dockerOutput, parseImage, parseProcessStatus } from "./engine.ts";
import type { ClientEnd, Stage } from "./stage.ts";

export interface Check {
  readonly name: string;
  /** @returns what is worth to be said of it @throws Error with what is wrong */
  run(stage: Stage): Promise<string | undefined>;
}

const WAIT_MS = 20_000;
const MANIFEST = new URL("../../packages/cli/package.json", import.meta.url);
/** NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_NICE. */
const CAPABILITIES = new Set([10, 12, 13, 23]);
/** Of BGP, beside that of the family. */
const CAPABILITY_NAMES = ["4-octet-as", "enhanced-route-refresh", "route-refresh"];
const SPARE_SOCKET = "/run/ts-bgp/spare.sock";
const SECRETS = /password|secret|token|key=/i;
const PROBE_NEIGHBOR = { address: "10.89.0.99", as: 64599 } as const;

export const START: Check = { name: "both sides are up, and healthy", run: checkStart };
export const IMAGE_CHECKS: readonly Check[] = [
  { name: "the image says what it is", run: checkImage },
  { name: "without NET_ADMIN it runs alone, and says so in one line", run: checkWithoutNetAdmin },
  {
    name: "without NET_ADMIN it moves no addresses, and says so in one line",
    run: checkAddressesWithoutNetAdmin,
  },
];
export const PRIVILEGES: Check = { name: "no root, a read-only root", run: checkPrivileges };
export const SESSIONS: Check = { name: "sessions and capabilities", run: checkSessions };
export const ROUTES: Check = { name: "routes, attribute by attribute", run: checkRoutes };
export const CHANGES: Check = { name: "updates and withdrawals", run: checkChanges };
export const RELOADS: readonly Check[] = [
  { name: "reload by SIGHUP", run: (stage) => checkReload(stage, "signal") },
  { name: "reload by docker exec", run: (stage) => checkReload(stage, "command") },
  { name: "a file with a mistake changes nothing", run: checkMistake },
];
export const SPARE: Check = { name: "as a spare, there and back", run: checkSpare };
export const PROTECTION: Check = { name: "MD5 and GTSM in every packet", run: checkProtection };
export const LOGS: Check = { name: "logs are JSON", run: checkLogs };

async function checkStart(stage: Stage): Promise<string> {
  await stage.ready();
  const { deployment } = stage;
  for (const { name } of deployment.sides) {
    assert.equal((await deployment.inspect(name)).health, "healthy", `health of ${name}`);
  }
  return `${(await stage.active()).name} is active`;
}

async function checkImage({ deployment }: Stage): Promise<string> {
  const { labels, stopSignal, hasHealthCheck, env, octets } = parseImage(
    await docker(["image", "inspect", IMAGE]),
  );
  const { version } = JSON.parse(readFileSync(MANIFEST, "utf8")) as { version: string };
  assert.equal(labels["org.opencontainers.image.version"], version, "label of the version");
  const [side] = deployment.sides;
  const shown = (await side!.tsbgp("--version")).trim();
  assert.ok(shown.split(" ").includes(version), `tsbgp --version says ${shown}, not ${version}`);
  assert.equal(stopSignal, "SIGTERM", "STOPSIGNAL");
  assert.ok(hasHealthCheck, "there is a HEALTHCHECK");
  const secrets = [...env, ...Object.keys(labels)].filter((text) => SECRETS.test(text));
  assert.deepEqual(secrets, [], "secrets in the image");
  const tools = ["gcc", "cc", "make", "npm", "python3", "git", "curl"];
  const found = await docker([
    ...["run", "--rm", "--entrypoint", "sh", IMAGE, "-c"],
    `for tool in ${tools.join(" ")}; do command -v $tool; done; true`,
  ]);
  assert.equal(found, "", "build tools in the image");
  const words = await docker([
    ...["run", "--rm", "--read-only", "--entrypoint", "sh", IMAGE, "-c"],
    "NODE_DEBUG_NATIVE=COMPILE_CACHE tsbgp --version 2>&1",
  ]);
  assert.match(words, /cli\/src\/main\.ts.*accepted/, "its sources are compiled");
  return `${shown}, ${Math.round(octets / 1e6)} MB`;
}

async function checkPrivileges({ deployment }: Stage): Promise<string> {
  const seen = new Set<string>();
  for (const { name } of deployment.sides) {
    const { pid, isReadOnly } = await deployment.inspect(name);
    const status = parseProcessStatus(readFileSync(`/proc/${pid}/status`, "utf8"));
    assert.notEqual(status.userId, 0, `${name} runs as root`);
    const others = status.capabilities.filter((bit) => !CAPABILITIES.has(bit));
    assert.deepEqual(others, [], `capabilities of ${name} beyond those of nonstop routing`);
    assert.ok(status.noNewPrivileges, `no_new_privs of ${name}`);
    assert.ok(isReadOnly, `root of ${name} is read-only`);
    const touch = deployment.exec(name, "touch", "/opt/ts-bgp/probe");
    await assert.rejects(touch, `a file in the root of ${name}`);
    seen.add(`user ${status.userId}, capabilities ${status.capabilities.join(" ")}`);
  }
  return [...seen].join("; ");
}

/** What `docker run` is told, so that the container has all but NET_ADMIN. */
function withoutNetAdmin({ deployment }: Stage, config: string, volume: string): string[] {
  return [
    ...["--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "-v", volume],
    ...["--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID"],
    ...["--security-opt", "no-new-privileges:true"],
    ...["-v", `${deployment.path("config/md5-64511.txt")}:/run/secrets/md5-64511:ro`],
    ...["-v", `${deployment.path(config)}:/etc/ts-bgp:ro`, IMAGE],
    ...["run", "-c", "/etc/ts-bgp/ts-bgp.yaml", "--nsr-self", "a"],
  ];
}

/** Addresses that cannot move are of no use to anybody. */
async function checkAddressesWithoutNetAdmin(stage: Stage): Promise<string> {
  const name = `${PROJECT}-plain`;
  const keys = `${PROJECT}_keys-a:/keys:ro`;
  const { deployment } = stage;
  const config = readFileSync(deployment.path("config/rs-a/ts-bgp.yaml"), "utf8");
  // The network that others come over is not that of this container.
  const alone = config.replace(/^(?:mirrors|followers):\n(?: .*\n)+/gm, "");
  const plain = alone.replace(/^http:.*$/m, "http: { port: 9790 }");
  deployment.write("plain/ts-bgp.yaml", plain);
  const words = withoutNetAdmin(stage, "plain", keys);
  const error = await docker(["run", "--rm", "--name", name, ...words]).then(
    () => null,
    (reason: Error) => reason,
  );
  assert.ok(error !== null, "it started");
  return soleLine(error.message.replace(/^docker run .*?: /, ""), "NET_ADMIN");
}

async function checkWithoutNetAdmin(stage: Stage): Promise<string> {
  const { deployment } = stage;
  const name = `${PROJECT}-plain`;
  const config = readFileSync(deployment.path("config/shared/ts-bgp.yaml"), "utf8");
  deployment.write("plain/ts-bgp.yaml", config.replace(/^listen:.*$/m, "listen: [ 127.0.0.1 ]"));
  try {
    const words = withoutNetAdmin(stage, "plain", "/var/lib/ts-bgp");
    await docker(["run", "-d", "--name", name, ...words]);
    await until(
      () => docker(["exec", name, "tsbgp", "show", "status"]),
      WAIT_MS,
      "a speaker without NET_ADMIN answers",
    );
    const { stdout, stderr } = await dockerOutput(["logs", name]);
    const told = messageOf(soleLine(`${stdout}${stderr}`, "NET_ADMIN"));
    const shown = await docker(["exec", name, "tsbgp", "show", "nsr", "--json"]);
    const { ready } = JSON.parse(shown) as { ready: boolean };
    assert.equal(ready, false, "a standby could take over");
    return told;
  } finally {
    await docker(["rm", "-f", "-v", name]);
  }
}

/** The only line of `text` that has `word`. */
function soleLine(text: string, word: string): string {
  const found = text.split("\n").filter((line) => line.includes(word));
  assert.equal(found.length, 1, `lines that name ${word} in:\n${text}`);
  return found[0]!.trim();
}

function messageOf(line: string): string {
  try {
    return (JSON.parse(line) as { msg: string }).msg;
  } catch {
    return line;
  }
}

async function checkSessions(stage: Stage): Promise<undefined> {
  for (const { client, daemon } of stage.clients) {
    for (const family of FAMILIES) {
      await until(
        async () => {
          const session = await daemon.session(addressOf(SERVICE, family));
          assert.equal(session.state, "established");
          const agreed = negotiated(session);
          const missing = [...CAPABILITY_NAMES, `mp-${family}`].filter(
            (capability) => !agreed.includes(capability),
          );
          assert.deepEqual(missing, [], "capabilities that were not agreed upon");
          return true;
        },
        WAIT_MS,
        `${client.name} has its ${family} session`,
      );
    }
  }
  return undefined;
}

async function checkRoutes(stage: Stage): Promise<string> {
  let count = 0;
  for (const [sender, receiver] of directions(stage)) {
    count += await expectRoutes(receiver, sender, sender.client.shipped);
  }
  return `${count} routes`;
}

async function checkChanges(stage: Stage): Promise<undefined> {
  for (const [sender, receiver] of directions(stage)) {
    const { shipped, added } = sender.client;
    await sender.daemon.announce(added);
    await expectRoutes(receiver, sender, [...shipped, ...added]);
    const changed = added.slice(0, 4).map((route) => ({
      ...route,
      communities: ["65001:7", "65535:65284"],
      largeCommunities: ["4200000001:4294967295:0"],
      extCommunities: ["rt:65001:8"],
    }));
    await sender.daemon.announce(changed);
    const gone = added.slice(4, 8).map(({ prefix }) => prefix);
    await sender.daemon.withdraw(gone);
    const left = [...changed, ...added.slice(8)];
    await expectRoutes(receiver, sender, [...shipped, ...left]);
    await sender.daemon.withdraw(left.map(({ prefix }) => prefix));
    await expectRoutes(receiver, sender, shipped);
  }
  return undefined;
}

function directions({ clients }: Stage): (readonly [ClientEnd, ClientEnd])[] {
  const [one, other] = clients;
  return [
    [one!, other!],
    [other!, one!],
  ];
}

/** Wait until `receiver` holds these routes of `sender`, and no others. @returns how many */
async function expectRoutes(
  receiver: ClientEnd,
  sender: ClientEnd,
  routes: readonly Route[],
): Promise<number> {
  let count = 0;
  for (const family of FAMILIES) {
    const expected = expectedViews(sender, routes, family);
    await until(
      async () => {
        assert.deepEqual(await receiver.daemon.routes(family), expected);
        return true;
      },
      WAIT_MS,
      `${receiver.client.name} has the ${family} routes of ${sender.client.name}`,
    );
    count += expected.length;
  }
  return count;
}

function expectedViews(
  { client }: ClientEnd,
  routes: readonly Route[],
  family: Family,
): RouteView[] {
  const from = addressOf(SERVICE, family);
  const nextHop = addressOf(client, family);
  return sortRoutes(
    routes
      .filter(({ prefix }) => familyOf(prefix) === family)
      .map((route) => {
        const asPath = [client.as, ...(route.asPath ?? [])].join(" ");
        return viewOf(route, { from, nextHop, asPath });
      }),
  );
}

/** The file is edited where it is; the active reads it when it is told to. */
async function checkReload(stage: Stage, how: "signal" | "command"): Promise<undefined> {
  const { deployment } = stage;
  const active = await stage.active();
  const ups = await upCounts(stage);
  const reload = async () => {
    if (how === "command") await active.tsbgp("reload");
    else await docker(["kill", "-s", "HUP", deployment.container(active.name)]);
  };
  const knows = async () => {
    const shown = await active.tsbgp("show", "neighbors", "--json");
    return shown.includes(PROBE_NEIGHBOR.address);
  };
  assert.equal(await knows(), false, "the neighbor before the reload");
  const restore = deployment.addNeighbors([PROBE_NEIGHBOR]);
  await reload();
  await until(knows, WAIT_MS, "the new neighbor is there");
  restore();
  await reload();
  await until(async () => !(await knows()), WAIT_MS, "the neighbor is gone");
  assert.deepEqual(await upCounts(stage), ups, "the sessions' own counts");
  await stage.ready();
  return undefined;
}

async function checkMistake(stage: Stage): Promise<string> {
  const active = await stage.active();
  const ups = await upCounts(stage);
  const restore = stage.deployment.addNeighbors([{ address: "10.89.0.300", as: 1 }]);
  let words = "";
  try {
    await active.tsbgp("reload");
  } catch (error) {
    words = (error as Error).message.replace(/^docker .*? reload: /, "").replace(/\s*\n\s*/g, "; ");
  } finally {
    restore();
  }
  assert.notEqual(words, "", "the file was taken");
  assert.deepEqual(await upCounts(stage), ups, "the sessions' own counts");
  return words;
}

/** rs-b gives way to a spare that is the other side of rs-a, takes the role over, and gives it back. */
async function checkSpare(stage: Stage): Promise<string> {
  const { deployment } = stage;
  const [a, b] = deployment.sides;
  const ups = await upCounts(stage);
  const up = (file: string) =>
    deployment.shell(`docker compose -f docker/compose.yml ${file} up -d --wait --no-deps rs-b`);
  if ((await stage.active()) === b) await b!.tsbgp("switchover");
  await stage.ready();
  await up("-f docker/compose.spare.yml");
  await stage.ready();
  const [shown] = await spared(b!);
  await a!.tsbgp("switchover");
  await stage.ready();
  assert.equal((await spared(b!))[0]?.role, "active", "role of the spare's side");
  await b!.tsbgp("switchover", "rs1", "-s", SPARE_SOCKET, "--wait");
  await stage.ready();
  await up("");
  await stage.ready();
  assert.deepEqual(await upCounts(stage), ups, "the sessions' own counts");
  return `${shown?.cluster}, ${Math.round((shown?.memory_octets ?? 0) / 1e6)} MB`;
}

async function spared({ tsbgp }: Side): Promise<readonly ShownSpared[]> {
  const shown = await tsbgp("show", "nsr", "--json", "-s", SPARE_SOCKET);
  return (JSON.parse(shown) as ShownSpare).pairs;
}

/** How often each session came up, by the clients' own count. */
export async function upCounts({ clients }: Stage): Promise<number[]> {
  const sessions = clients.flatMap(({ daemon }) =>
    FAMILIES.map((family) => daemon.session(addressOf(SERVICE, family))),
  );
  return (await Promise.all(sessions)).map(({ upCount }) => upCount);
}

/** Packets with octets of BGP, in both directions, since the beginning. */
async function checkProtection(stage: Stage): Promise<string> {
  const told: string[] = [];
  for (const { client, node } of stage.clients) {
    const file = join(node.directory, "wire.pcap");
    const packets = async (filter: string) => {
      const { stdout } = await node.run(["tcpdump", "-n", "-r", file, filter]);
      return stdout.split("\n").filter((line) => /length [1-9]/.test(line));
    };
    for (const family of FAMILIES) {
      const version = family === "ipv4-unicast" ? "ip" : "ip6";
      const all = await packets(`${version} and tcp port 179`);
      assert.ok(all.length > 0, `${client.name} has no ${family} packets`);
      if (client.protection === "md5") {
        const unsigned = all.filter((line) => !line.includes("md5"));
        assert.deepEqual(unsigned.slice(0, 3), [], `${client.name}: packets without MD5`);
      }
      if (client.protection === "gtsm") {
        const ttl = version === "ip" ? "ip[8]" : "ip6[7]";
        const far = await packets(`${version} and tcp port 179 and ${ttl} != 255`);
        assert.deepEqual(far.slice(0, 3), [], `${client.name}: packets with another TTL`);
      }
      told.push(`${client.name} ${family} ${all.length}`);
    }
  }
  return `packets: ${told.join(", ")}`;
}

async function checkLogs({ deployment }: Stage): Promise<string> {
  let count = 0;
  for (const { name } of deployment.sides) {
    const { stdout, stderr } = await deployment.logs(name);
    assert.equal(stderr, "", `${name} on standard error`);
    for (const line of stdout.split("\n").slice(0, -1)) {
      const entry = JSON.parse(line) as { level?: unknown; msg?: unknown };
      assert.ok(entry.level !== undefined && entry.msg !== undefined, `${name}: ${line}`);
      count++;
    }
  }
  assert.ok(count > 0, "nothing was logged");
  return `${count} lines`;
}
