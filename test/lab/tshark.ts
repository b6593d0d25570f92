/** Debian's tshark as a second opinion: what goes over a wire is captured, and dissected afterwards. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LabNode, LabProcess } from "./netns.ts";
import { until } from "./until.ts";

export const TSHARK = "/usr/bin/tshark";
const TCPDUMP = "/usr/bin/tcpdump";
const WAIT_MS = 30_000;

export class Capture {
  private readonly node: LabNode;
  private readonly file: string;
  private readonly port: number;
  private readonly running: LabProcess;

  /** Of a TCP port at a node. */
  constructor(node: LabNode, port: number) {
    this.node = node;
    this.port = port;
    this.file = join(node.directory, "capture.pcap");
    const words = ["-i", "any", "-U", "-Z", "root", "-w", this.file, `tcp port ${port}`];
    this.running = node.spawn([TCPDUMP, ...words]);
  }

  async started(): Promise<void> {
    await until(() => existsSync(this.file), WAIT_MS, "packets are captured");
  }

  /** Ends it. */
  async stop(): Promise<void> {
    await this.running.stop();
  }

  /**
   * @param protocol - as tshark calls it
   * @param filter - of packets
   * @returns those fields of each packet that the filter has, with "," between values of one
   */
  async dissected(
    protocol: string,
    filter: string,
    fields: readonly string[],
  ): Promise<string[][]> {
    const { stdout } = await this.node.run([
      ...[TSHARK, "-r", this.file, "-d", `tcp.port==${this.port},${protocol}`],
      ...["-Y", filter, "-T", "fields", ...fields.flatMap((field) => ["-e", field])],
    ]);
    const lines = stdout.split("\n").filter((line) => line !== "");
    return lines.map((line) => line.split("\t"));
  }
}
