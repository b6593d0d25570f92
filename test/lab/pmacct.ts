/** Debian's pmacct as a BMP station: what it logs of messages, and the tables that come of them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabNode, LabProcess } from "./netns.ts";

const PROGRAM = "/usr/sbin/pmbmpd";
export const BMP_PORT = 1790;

/** A line of its log. */
export interface BmpLine {
  readonly bmp_msg_type?: "init" | "term" | "peer_up" | "peer_down" | "stats" | "route_monitor";
  readonly log_type?: "update" | "withdraw" | "delete";
  readonly peer_ip?: string;
  readonly ip_prefix?: string;
  readonly [field: string]: unknown;
}

/** Names of tables as the configuration has them. */
export type BmpTableName =
  | "adj-in-pre"
  | "adj-in-post"
  | "loc-rib"
  | "adj-out-pre"
  | "adj-out-post";

export class Pmbmpd {
  readonly node: LabNode;
  private readonly file: string;
  private running: LabProcess | null = null;

  constructor(node: LabNode) {
    this.node = node;
    this.file = join(node.directory, "bmp.json");
  }

  start(): void {
    const config = join(this.node.directory, "pmbmpd.conf");
    const lines = [
      `bmp_daemon_ip: ${this.node.address4}`,
      `bmp_daemon_port: ${BMP_PORT}`,
      "bmp_daemon_max_peers: 10",
      `bmp_daemon_msglog_file: ${this.file}`,
      "bmp_daemon_msglog_output: json",
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
    this.running = this.node.spawn([PROGRAM, "-f", config]);
  }

  async stop(): Promise<void> {
    await this.running?.stop();
  }

  /** Has it read nothing, or go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.running?.signal(signal);
  }

  /** What it has logged, in order; a line that is not complete is left out. */
  lines(): BmpLine[] {
    if (!existsSync(this.file)) return [];
    const complete = readFileSync(this.file, "utf8").split("\n").slice(0, -1);
    return complete.map((line) => JSON.parse(line) as BmpLine);
  }

  /** Routes of a neighbor's table, or of the Loc-RIB, as texts in order; since the station began or was begun anew. */
  table(name: BmpTableName, peer: string): string[] {
    const routes = new Map<string, string>();
    for (const line of this.lines()) {
      if (line.bmp_msg_type === "init") routes.clear();
      if (line.bmp_msg_type === "peer_down" && line.peer_ip === peer) routes.clear();
      const isOther = name !== "loc-rib" && line.peer_ip !== peer;
      if (line.bmp_msg_type !== "route_monitor" || tableOf(line) !== name || isOther) continue;
      if (line.ip_prefix === undefined) continue;
      if (line.log_type === "update") routes.set(line.ip_prefix, routeText(line));
      else routes.delete(line.ip_prefix);
    }
    return [...routes.values()].sort();
  }
}

function tableOf(line: BmpLine): BmpTableName {
  if (line["is_loc"] === 1) return "loc-rib";
  const side = line["is_out"] === 1 ? "adj-out" : "adj-in";
  return line["is_post"] === 1 ? `${side}-post` : `${side}-pre`;
}

function routeText(line: BmpLine): string {
  const { ip_prefix, bgp_nexthop, as_path, comms = "", lcomms = "" } = line;
  return [ip_prefix, bgp_nexthop, as_path, comms, lcomms].join("|");
}
