/** tcpdump at a peer, and what it has seen so far. */
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { control } from "../test/lab/daemon.ts";
import type { LabNode } from "../test/lab/netns.ts";
import { until } from "../test/lab/until.ts";
import { PcapReader } from "./pcap.ts";
import type { WireWatch } from "./wire-watch.ts";

const START_MS = 10_000;
const CHUNK_OCTETS = 1 << 20;

export interface Capture {
  /** Judge what was captured since the last call. */
  read(): void;
  close(): void;
}

/**
 * Returns when packets are being captured; they are written to `wire.pcap` of the node.
 *
 * @param delivery - "immediate": a packet is in the file at once, but there is little room for those that
 *   wait; "blocks": some hundred milliseconds later, and none is lost of a burst to many peers
 */
export async function startCapture(
  node: LabNode,
  watch: WireWatch,
  delivery: "immediate" | "blocks" = "immediate",
): Promise<Capture> {
  const file = join(node.directory, "wire.pcap");
  const [link] = JSON.parse(await control(node, ["ip", "-json", "link", "show", "dev", "eth0"]));
  const tcpdump = node.spawn([
    ...["/usr/bin/tcpdump", "-i", "eth0", "-w", file, "-s", "0", "-B", "32768"],
    ...["-n", "-U", "-Z", "root"],
    // It makes room for each packet as if it were the longest that there can be.
    ...(delivery === "immediate" ? ["--immediate-mode"] : []),
    // A switch sends everybody what is for an address that it does not know yet.
    `tcp port 179 and ether host ${link.address}`,
  ]);
  await until(() => tcpdump.output().includes("listening on"), START_MS, "tcpdump listens");
  const descriptor = openSync(file, "r");
  const reader = new PcapReader();
  const chunk = Buffer.alloc(CHUNK_OCTETS);
  return {
    read() {
      for (;;) {
        const count = readSync(descriptor, chunk, 0, CHUNK_OCTETS, null);
        if (count === 0) return;
        for (const segment of reader.read(chunk.subarray(0, count))) watch.take(segment);
      }
    },
    close: () => closeSync(descriptor),
  };
}
