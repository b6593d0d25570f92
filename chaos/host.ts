/**
 * A node as a host that loses its power, and starts again with nothing of before.
 *
 * The end of a process leaves its kernel, which closes the connections and answers for the
 * addresses: the other side hears of it at once. Of a lost host nobody hears anything.
 */
import { control } from "../test/lab/daemon.ts";
import type { LabNode, LabProcess } from "../test/lab/netns.ts";

const TOOL_MS = 2_000;
const TOOL = ["ip", "-oneline", "-batch", "-"];
/** Answered with one line. */
const ECHO = "link show dev lo\n";

/** An interface that leads out of a host. */
export interface HostInterface {
  readonly name: string;
  /** What the host itself gives it, with prefix lengths. */
  readonly addresses: readonly string[];
}

export class Host {
  private readonly node: LabNode;
  private readonly interfaces: readonly HostInterface[];
  private isOff = false;
  private equipment: readonly string[] = [];

  /** @param interfaces - all but `lo` */
  constructor(node: LabNode, interfaces: readonly HostInterface[]) {
    this.node = node;
    this.interfaces = interfaces;
  }

  /** @param lines - for `ip -batch`; what they set is there now, and whenever the host starts again */
  async equip(lines: readonly string[]): Promise<void> {
    this.equipment = [...this.equipment, ...lines];
    await control(this.node, ["ip", "-batch", "-"], lines.map((line) => `${line}\n`).join(""));
  }

  /**
   * Cuts all ways of the host in one instant; to end its processes is left to the caller.
   *
   * @returns the instant, a few milliseconds ago, by the wall clock
   */
  async lose(): Promise<number> {
    this.isOff = true;
    // A tool that runs already does at once what it is told.
    const tool = new Tool(this.node);
    await tool.tell("");
    const atMs = Date.now();
    await tool.tell(this.lines(({ name }) => [`link set dev ${name} down`]));
    tool.end();
    return atMs;
  }

  /** Starts a host that was lost, and leaves one that was not alone. Its processes have ended. */
  async start(): Promise<void> {
    if (!this.isOff) return;
    // Whatever the kernel wants to say of its connections has no way out yet.
    await control(this.node, ["ss", "--kill", "--all", "--tcp"]);
    await control(this.node, ["nft", "flush", "ruleset"]);
    await control(
      this.node,
      ["ip", "-batch", "-"],
      this.lines(({ name, addresses }) => [
        `address flush dev ${name}`,
        `link set dev ${name} up`,
        ...addresses.map((address) => `address add ${address} dev ${name}`),
      ]) + this.equipment.map((line) => `${line}\n`).join(""),
    );
    this.isOff = false;
  }

  private lines(of: (one: HostInterface) => readonly string[]): string {
    return this.interfaces
      .flatMap(of)
      .map((line) => `${line}\n`)
      .join("");
  }
}

/** ip(8), which waits for its next line. */
class Tool {
  private readonly process: LabProcess;
  private answered: () => void = () => {};

  constructor(node: LabNode) {
    this.process = node.spawn(TOOL, {
      onOutput: (piece) => {
        if (piece?.endsWith("\n")) this.answered();
      },
    });
  }

  /** Returns when it has done that. */
  tell(lines: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = () => reject(new Error(`${TOOL.join(" ")}: ${this.process.output()}`));
      const timer = setTimeout(failed, TOOL_MS);
      this.answered = () => {
        clearTimeout(timer);
        resolve();
      };
      this.process.write(lines + ECHO);
    });
  }

  end(): void {
    this.process.signal("SIGTERM");
  }
}
