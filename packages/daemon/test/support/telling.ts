/** One member of a cluster that tells another one of its neighbors. */

import { type Lab, yamlOf } from "../../../../testkit/router.ts";
import { Copy, NO_OCTETS, type Told, toldOf } from "../../src/cluster/telling.ts";

/**
 * @param neighbors - lines of the list
 * @param options - of all of them
 * @param sections - further ones
 * @returns the configuration of a member
 */
export function member(self: string, neighbors: string, options = "", sections = ""): string {
  return yamlOf(`
defaults: { passive: true, route-server-client: true, import: ok, export: ok, ${options} }
neighbors: ${neighbors}
policies: { ok: [ { then: accept } ] }
cluster: { self: ${self}, members: { a: /run/a.sock, b: /run/b.sock } }
${sections}`);
}

export class Telling {
  private readonly from: Lab;
  private readonly name: string;
  private readonly to: Lab;
  private told = 0;

  constructor(from: Lab, name: string, to: Lab) {
    this.from = from;
    this.name = name;
    this.to = to;
    this.copy();
  }

  /** All that there is, from the beginning to the end. */
  copy(): void {
    this.begin();
    const copy = new Copy(this.from.router);
    for (const each of copy.head) this.tell(each);
    for (let piece = copy.next(() => true); piece !== null; piece = copy.next(() => true)) {
      this.tell(piece);
    }
    this.tell({ news: { what: "complete" }, octets: NO_OCTETS });
    this.to.run();
  }

  /** A copy that gets no further than its beginning. */
  begin(): void {
    this.told = this.from.observed.length;
    this.tell({ news: { what: "begin" }, octets: NO_OCTETS });
  }

  /** What has happened since the last time. */
  pass(): void {
    this.from.run();
    for (const each of this.untold()) this.tell(each);
    this.to.run();
  }

  /** @returns what has happened since the last time, which is lost by that */
  untold(): Told[] {
    const events = this.from.observed.slice(this.told);
    this.told = this.from.observed.length;
    return events.flatMap((event) => toldOf(event) ?? []);
  }

  /** @returns what the member that is told has of a neighbor: IPv4 prefixes with their path identifiers */
  routesOf(address: string): string[] {
    const { prefixes, paths } = this.to.router.tables.rib(1);
    const found: string[] = [];
    const { row } = this.to.neighbor(address);
    for (let path = paths.peerHead[row]!; path !== 0; path = paths.peerNext[path]!) {
      const prefix = paths.prefix[path]!;
      const octets = [24, 16, 8, 0].map((shift) => (prefixes.w0[prefix]! >>> shift) & 255);
      found.push(`${octets.join(".")}/${prefixes.bits[prefix]} ${paths.pathId[path]}`);
    }
    return found.sort();
  }

  tell({ news, octets }: Told): void {
    this.to.router.member(this.name, news, octets, this.to.nowMs);
  }
}
