/**
 * A compose file as an operator has it: a copy of `docker/`, changed where a test needs it, and
 * under a project name of its own.
 *
 *     rs-a, rs-b    the pair                          10.89.0.1, fd89::1   where the active is
 *     bird, frr     clients                           .11 / ::11, .12 / ::12
 *     feeder        a namespace for scripted peers    .21 / ::21, .22
 */
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Pair, Side } from "../../chaos/sides.ts";
import { nsrStatus } from "../lab/ask.ts";
import { type EnteredNode, endOnSignals, enterNode, type NodeFields } from "../lab/netns.ts";
import {
  type CommandOptions,
  type ContainerState,
  docker,
  dockerNow,
  dockerOutput,
  type Output,
  parseContainer,
} from "./engine.ts";

export const SOURCE: string = fileURLToPath(new URL("../../docker", import.meta.url));
export const PROJECT = "ts-bgp-interop";
export const IMAGE = "ts-bgp:local";
export const NEXT_IMAGE = "ts-bgp:interop-next";

/** The copy has networks of its own, so that it can be up beside the project that it is a copy of. */
const OWN_NETWORKS = [
  ["10.79.0.", "10.89.0."],
  ["10.78.0.", "10.88.0."],
  ["fd79::", "fd89::"],
] as const;
export const SERVICE = { address4: "10.89.0.1", address6: "fd89::1" } as const;
export const RS_AS = 64500;
const FEEDER = `${PROJECT}-feeder`;
export const FEEDER_ADDRESSES = { address4: "10.89.0.21", address6: "fd89::21" } as const;
export const STREAM_ADDRESS = "10.89.0.22";

const SOCKET = "/run/ts-bgp/ts-bgp.sock";
const UP_MS = 120_000;
const BUILD_MS = 600_000;
const STEPS_MS = 600_000;

/** Networks of the pair, with what a side has there. */
export type NetworkName = "peering" | "link";
const ADDRESSES: Readonly<Record<string, Readonly<Record<NetworkName, readonly string[]>>>> = {
  "rs-a": { peering: ["--ip", "10.89.0.2", "--ip6", "fd89::2"], link: ["--ip", "10.88.0.2"] },
  "rs-b": { peering: ["--ip", "10.89.0.3", "--ip6", "fd89::3"], link: ["--ip", "10.88.0.3"] },
};

/** Configuration of the sides, in `docker/`. */
const CONFIGS: Readonly<Record<string, readonly string[]>> = {
  "compose.yml": ["config/rs-a/ts-bgp.yaml", "config/rs-b/ts-bgp.yaml"],
  "compose.shared-netns.yml": ["config/shared/ts-bgp.yaml"],
};

export class Deployment implements Pair {
  readonly address4 = SERVICE.address4;
  readonly address6 = SERVICE.address6;
  readonly sides: readonly Side[];
  /** Holds the copy and whatever is found out. */
  readonly directory: string;
  readonly file: string;
  /** When the process ends before its time. */
  private readonly removeNow = () => {
    this.remove();
    this.removeFiles();
  };

  /** @param file - name in `docker/` */
  constructor(file: string) {
    this.file = file;
    this.directory = mkdtempSync(join(tmpdir(), "tsbgp-docker-"));
    this.copy();
    this.sides = ["rs-a", "rs-b"].map((name) => this.createSide(name));
    endOnSignals();
    process.once("exit", this.removeNow);
  }

  /** Both sides are in one network namespace. */
  get isShared(): boolean {
    return this.file !== "compose.yml";
  }

  /** Path of a file of the copy. */
  path(name: string): string {
    return join(this.directory, "docker", name);
  }

  /** Change a file of the copy, in place, so that a mounted file stays the same one. */
  edit(name: string, change: (text: string) => string): void {
    const path = this.path(name);
    writeFileSync(path, change(readFileSync(path, "utf8")));
  }

  /** Make a file in the copy. */
  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** Add neighbors to the configuration of both sides. @returns takes them out again */
  addNeighbors(neighbors: readonly { address: string; as: number }[]): () => void {
    const lines = neighbors.map(
      ({ address, as }) =>
        `  - { address: "${address}", as: ${as}, passive: true, route-server-client: true, ` +
        "import: accept-all, export: accept-all }\n",
    );
    const names = CONFIGS[this.file] ?? [];
    const before = names.map((name) => readFileSync(this.path(name), "utf8"));
    for (const name of names) {
      this.edit(name, (text) => text.replace(/^neighbors:\n/m, (line) => line + lines.join("")));
    }
    return () => {
      for (const [i, name] of names.entries()) writeFileSync(this.path(name), before[i]!);
    };
  }

  /** Build every image that the file names, from the repository. */
  async build(): Promise<void> {
    const file = join(SOURCE, this.file);
    await docker(["compose", "-p", PROJECT, "-f", file, "build"], { timeoutMs: BUILD_MS });
  }

  compose(args: readonly string[], options?: CommandOptions): Promise<string> {
    return docker(["compose", "-p", PROJECT, "-f", this.path(this.file), ...args], options);
  }

  /** @param services - all unless given */
  async up(...services: string[]): Promise<void> {
    await this.compose(["up", "-d", "--wait", "--no-build", ...services], { timeoutMs: UP_MS });
  }

  /** Run commands of an operator's in the place of the repository. @throws Error with what they say */
  async shell(commands: string): Promise<string> {
    const file = join(this.directory, "steps.sh");
    writeFileSync(file, commands);
    const env = { ...process.env, COMPOSE_PROJECT_NAME: PROJECT };
    const options = { cwd: this.directory, env, timeout: STEPS_MS };
    const { stdout } = await promisify(execFile)("bash", ["-ex", file], options);
    return stdout;
  }

  /** Name of a service's container. */
  container(service: string): string {
    return service === "feeder" ? FEEDER : `${PROJECT}-${service}-1`;
  }

  async inspect(service: string): Promise<ContainerState> {
    return parseContainer(await docker(["inspect", this.container(service)]));
  }

  /** Everything that a container has written so far. */
  logs(service: string): Promise<Output> {
    return dockerOutput(["logs", this.container(service)]);
  }

  exec(service: string, ...argv: string[]): Promise<string> {
    return docker(["exec", this.container(service), ...argv]);
  }

  async disconnect(service: string, network: NetworkName): Promise<void> {
    await docker(["network", "disconnect", `${PROJECT}_${network}`, this.container(service)]);
  }

  async connect(service: string, network: NetworkName): Promise<void> {
    const words = ADDRESSES[service]?.[network] ?? [];
    await docker([
      "network",
      "connect",
      ...words,
      `${PROJECT}_${network}`,
      this.container(service),
    ]);
  }

  /** A node whose commands run in the network namespace of a container, with this machine's files. */
  async namespaceNode(service: string, addresses: Addresses): Promise<EnteredNode> {
    const { pid } = await this.inspect(service);
    const enter = ["nsenter", `--net=/proc/${pid}/ns/net`];
    return enterNode(this.fields(service, addresses), enter);
  }

  /** A node whose commands are those of a container. */
  containerNode(service: string, addresses: Addresses): EnteredNode {
    return enterNode(this.fields(service, addresses), [
      "docker",
      "exec",
      "-i",
      this.container(service),
    ]);
  }

  /** A namespace for scripted peers, on the clients' network. */
  async startFeederNamespace(): Promise<EnteredNode> {
    const { address4, address6 } = FEEDER_ADDRESSES;
    await docker([
      ...["run", "-d", "--init", "--name", FEEDER, "--network", `${PROJECT}_peering`],
      ...["--ip", address4, "--ip6", address6, "--entrypoint", "sleep", IMAGE, "infinity"],
    ]);
    return this.namespaceNode("feeder", FEEDER_ADDRESSES);
  }

  /** Keep the words and states of all containers beside what else was found out. */
  async keepLogs(): Promise<void> {
    const logs = await this.compose(["logs", "--no-color", "--timestamps"]).catch(String);
    writeFileSync(join(this.directory, "containers.log"), logs);
    const names = this.sides.map(({ name }) => this.container(name));
    const states = await docker(["inspect", ...names]).catch(String);
    writeFileSync(join(this.directory, "containers.json"), states);
  }

  /** Leave containers and files as they are. */
  leave(): void {
    process.off("exit", this.removeNow);
  }

  /** Containers, networks, volumes. Synchronous; harmless when repeated. */
  remove(): void {
    this.leave();
    removeProject(this.path(this.file));
  }

  removeFiles(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private copy(): void {
    cpSync(SOURCE, this.path(""), { recursive: true });
    const names = readdirSync(this.path(""), { recursive: true, encoding: "utf8" });
    for (const name of names.filter((one) => statSync(this.path(one)).isFile())) {
      this.edit(name, (text) =>
        OWN_NETWORKS.reduce((now, [theirs, ours]) => now.replaceAll(theirs, ours), text),
      );
    }
  }

  private fields(service: string, addresses: Addresses): NodeFields {
    const directory = join(this.directory, service);
    mkdirSync(directory, { recursive: true });
    return { name: service, directory, ...addresses };
  }

  private createSide(name: string): Side {
    const container = this.container(name);
    const isRunning = async () => (await this.inspect(name).catch(() => null))?.isRunning === true;
    return {
      name,
      isRunning,
      async start() {
        await docker(["start", container]).catch(async (error: Error) => {
          // Its restart policy may have been faster.
          if (!(await isRunning())) throw error;
        });
      },
      async kill() {
        await docker(["kill", "-s", "KILL", container]);
      },
      async pause() {
        await docker(["pause", container]);
      },
      async resume() {
        await docker(["unpause", container]);
      },
      // Its socket in the container's files; a command in the container takes half a second.
      status: async () => {
        const { pid, isPaused } = await this.inspect(name);
        return pid === 0 || isPaused ? null : nsrStatus(`/proc/${pid}/root${SOCKET}`);
      },
      tsbgp: (...args) => docker(["exec", container, "tsbgp", ...args]),
    };
  }
}

export type Addresses = Pick<NodeFields, "address4" | "address6">;

/** Remove what this run, or an earlier one, has left. */
export function removeProject(file: string): void {
  dockerNow(["rm", "-f", "-v", FEEDER]);
  // `down` leaves what belongs to a profile that it is not told of.
  const compose = ["compose", "-p", PROJECT, "-f", file, "--profile", "*"];
  dockerNow([...compose, "down", "-v", "--remove-orphans", "-t", "1"]);
  dockerNow(["rmi", NEXT_IMAGE]);
}
