/** The Docker engine, by its command line, and what is read of its answers. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { release } from "node:os";

const COMMAND_MS = 120_000;
const BUFFER_OCTETS = 1 << 28;

export interface CommandOptions {
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Run `docker`. @throws Error with its words when it fails */
export async function docker(args: readonly string[], options?: CommandOptions): Promise<string> {
  return (await dockerOutput(args, options)).stdout;
}

/** The same, with what went to standard error. */
export function dockerOutput(
  args: readonly string[],
  { env = {}, input = "", timeoutMs = COMMAND_MS }: CommandOptions = {},
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      "docker",
      args,
      { env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: BUFFER_OCTETS },
      (error, stdout, stderr) => {
        if (error === null) resolve({ stdout, stderr });
        else reject(new Error(`docker ${args.join(" ")}: ${lastLines(stderr) || error.message}`));
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

/** The same to its end while the process exits; a failure is nobody's business then. */
export function dockerNow(args: readonly string[]): void {
  spawnSync("docker", args, { stdio: "ignore", timeout: COMMAND_MS });
}

/** Build output is long, and what went wrong stands at its end. */
function lastLines(text: string): string {
  return text.trim().split("\n").slice(-12).join("\n  ");
}

/** Why containers cannot be tested here, or `null`. */
export function engineMissing(): string | null {
  if (process.getuid?.() !== 0) return "needs root, to capture in the containers' namespaces";
  for (const [words, what] of [
    [["version"], "no Docker engine answers"],
    [["compose", "version"], "docker has no compose"],
  ] as const) {
    const { status, error, stderr } = spawnSync("docker", words, { encoding: "utf8" });
    if (status !== 0) return `${what}: ${(error?.message ?? stderr).trim().split("\n").at(-1)}`;
  }
  const kernel = spawnSync("docker", ["info", "--format", "{{.KernelVersion}}"], {
    encoding: "utf8",
  });
  if (kernel.stdout.trim() !== release()) return "the Docker engine runs on another machine";
  for (const program of ["/usr/bin/nsenter", "/usr/bin/tcpdump"]) {
    if (!existsSync(program)) return `needs ${program}`;
  }
  return null;
}

/** What is read of `docker inspect` of a container. */
export interface ContainerState {
  /** Of its first process, as this machine counts; 0 when it does not run. */
  readonly pid: number;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
  /** "healthy", "starting", ...; "none" without a check. */
  readonly health: string;
  readonly isReadOnly: boolean;
  readonly image: string;
}

/** @param text - the answer for one container */
export function parseContainer(text: string): ContainerState {
  const [one] = JSON.parse(text) as [InspectedContainer];
  const { State, HostConfig, Image } = one;
  return {
    pid: State.Pid,
    isRunning: State.Running,
    isPaused: State.Paused,
    health: State.Health?.Status ?? "none",
    isReadOnly: HostConfig.ReadonlyRootfs,
    image: Image,
  };
}

interface InspectedContainer {
  readonly Image: string;
  readonly State: {
    readonly Pid: number;
    readonly Running: boolean;
    readonly Paused: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean };
}

export interface ImageState {
  readonly id: string;
  readonly octets: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string;
  readonly hasHealthCheck: boolean;
  /** NAME=VALUE */
  readonly env: readonly string[];
}

/** @param text - the answer for one image */
export function parseImage(text: string): ImageState {
  const [{ Id, Size, Config }] = JSON.parse(text) as [InspectedImage];
  return {
    id: Id,
    octets: Size,
    labels: Config.Labels ?? {},
    stopSignal: Config.StopSignal ?? "",
    hasHealthCheck: Config.Healthcheck !== undefined,
    env: Config.Env ?? [],
  };
}

interface InspectedImage {
  readonly Id: string;
  readonly Size: number;
  readonly Config: {
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly StopSignal?: string;
    readonly Healthcheck?: unknown;
    readonly Env?: readonly string[] | null;
  };
}

/** A process as proc(5) `status` shows it. */
export interface ProcessStatus {
  readonly name: string;
  readonly userId: number;
  /** Numbers of the effective capabilities, capabilities(7). */
  readonly capabilities: readonly number[];
  readonly noNewPrivileges: boolean;
}

export function parseProcessStatus(text: string): ProcessStatus {
  const value = (field: string) =>
    new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  const effective = BigInt(`0x${value("CapEff") || "0"}`);
  return {
    name: value("Name"),
    userId: Number(value("Uid").split(/\s+/)[0]),
    capabilities: Array.from({ length: 64 }, (_, bit) => bit).filter(
      (bit) => (effective >> BigInt(bit)) & 1n,
    ),
    noNewPrivileges: value("NoNewPrivs") === "1",
  };
}
