/** Members of a cluster that find each other by etcd, as processes on this host's loopback, with certificates. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issuePair } from "../packages/cli/src/certificate.ts";
import type { ShownCluster, ShownMember } from "../packages/daemon/src/cluster/shown.ts";
import { until } from "../test/lab/until.ts";
import { freePort, type SpeakerProcess, WAIT_MS } from "./speaker.ts";

export const LIST = "/ts-bgp/cluster/test";
export const TTL_SECONDS = 3;

/** Papers of members, in a folder. */
export class Papers {
  private readonly directory: string = mkdtempSync(join(tmpdir(), "tsbgp-papers-"));

  constructor(names: readonly string[]) {
    const { authority, sides } = issuePair("cluster", names, Date.now(), 1);
    writeFileSync(join(this.directory, "ca.crt"), authority);
    for (const [k, { certificate, key }] of sides.entries()) {
      writeFileSync(join(this.directory, `${names[k]}.crt`), certificate);
      writeFileSync(join(this.directory, `${names[k]}.key`), key, { mode: 0o600 });
    }
  }

  of(name: string): object {
    const file = (kind: string) => join(this.directory, kind);
    return { cert: file(`${name}.crt`), key: file(`${name}.key`), ca: file("ca.crt") };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function newPlace(): Promise<{ address: string; port: number }> {
  return { address: "127.0.0.1", port: await freePort() };
}

export async function clusterOf(speaker: SpeakerProcess): Promise<ShownCluster> {
  return (await speaker.ask({ command: "show-cluster" })).items[0] as ShownCluster;
}

export async function memberOf(
  speaker: SpeakerProcess,
  name: string,
): Promise<ShownMember | undefined> {
  return (await clusterOf(speaker)).members.find((member) => member.name === name);
}

/** Waits until a speaker has all routes of another member. */
export function untilTold(speaker: SpeakerProcess, name: string, routes: number): Promise<unknown> {
  const isTold = async () => {
    const member = await memberOf(speaker, name);
    return member?.state === "up to date" && member.routes === routes;
  };
  return until(isTold, WAIT_MS, `${name} has told ${routes} routes`);
}
