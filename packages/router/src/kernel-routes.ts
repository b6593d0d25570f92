/**
 * Routes of the host's kernel. In the tables they are those of a peer without a session, as those of the
 * configuration are; its routes go through the import policies that the section has. Their next hop is unspecified,
 * which stands for this speaker: each neighbor is sent the own address towards it, unless policy says another one.
 *
 * Routes that are there stay until a copy is complete, so what is the same before and after is no change.
 */

import type { Config, KernelConfig } from "@ts-bgp/config";
import { runsOf } from "@ts-bgp/feeds-codec";
import { type Filter, type PeerFacts, REASON } from "@ts-bgp/policy";
import type { AttrId, Importer } from "@ts-bgp/rib";
import type { Family } from "@ts-bgp/wire-codec";
import { ownFacts } from "./facts.ts";
import { isRoutable } from "./importer.ts";
import { age, RemoveUnheard, roundOf } from "./members.ts";
import type { KernelPeer } from "./neighbor-directory.ts";
import { UNLIMITED } from "./static-routes.ts";
import { FAMILIES, type Tables } from "./tables.ts";

/** In place of the address of a neighbor. */
export const KERNEL_SOURCE = "kernel";

/** All is told from now on; routes that are there or are no more; all has been told. */
export type KernelNews = "begin" | "routes" | "complete";

export function heardOfKernel(tables: Tables, news: KernelNews, octets: Uint8Array): void {
  const { kernel } = tables.config;
  // It was asked for by a configuration that is in force no more.
  if (kernel === null) return;
  tables.kernelPeer ??= newPeer(tables);
  const peer = tables.kernelPeer;
  switch (news) {
    case "begin":
      nextRound(tables, peer);
      peer.wantsCopy = false;
      return;
    case "routes":
      takeAll(tables, peer, kernel, octets);
      return;
    case "complete":
      removeUnheard(tables, peer);
  }
}

/**
 * A configuration is in force.
 *
 * @param policies - names of those that are others than before
 */
export function changeKernel(tables: Tables, before: Config, policies: ReadonlySet<string>): void {
  const { config, kernelPeer: peer } = tables;
  if (peer === null) return;
  const isOtherAs = peer.facts.as !== config.router.as;
  if (isOtherAs) peer.facts = ownFacts(tables, "kernel", KERNEL_SOURCE);
  const { kernel } = config;
  if (kernel === null) {
    if (before.kernel === null) return;
    nextRound(tables, peer);
    removeUnheard(tables, peer);
  } else if (
    isOtherAs ||
    kernel.import.some((name) => policies.has(name)) ||
    JSON.stringify(kernel) !== JSON.stringify(before.kernel)
  ) {
    peer.wantsCopy = true;
  }
}

function newPeer(tables: Tables): KernelPeer {
  const { peers, directory } = tables;
  // No neighbor has this address, nor has the peer of routes of the configuration.
  const row = peers.add({ as: 0, external: true, address: [0, 0, 0xfffe, 0] });
  peers.kernel = row;
  for (const family of FAMILIES) tables.rib(family).paths.addPeer(row);
  const peer = {
    ...{
      row,
      as: 0,
      facts: ownFacts(tables, "kernel", KERNEL_SOURCE),
      isReflectorClient: false,
      session: null,
    },
    ...{ copies: 0, wantsCopy: false },
  };
  directory.add(peer);
  return peer;
}

function takeAll(
  tables: Tables,
  peer: KernelPeer,
  { import: names }: KernelConfig,
  octets: Uint8Array,
): void {
  const { attrs, nowSeconds } = tables;
  const filter = tables.policies.filter(names, tables.config.router.as);
  for (const { family, attributes, routes } of runsOf(octets)) {
    const { buf, at, end } = routes;
    const rib = tables.rib(family);
    if (attributes === null) {
      rib.withdraw(peer.row, buf, at, end, false);
      continue;
    }
    const attr = attrs.intern(attributes.buf, attributes.at, attributes.end);
    const importer = new ByPolicy(attr, filter, peer.facts, family);
    const rest = [attr, importer, UNLIMITED, roundOf(peer), nowSeconds] as const;
    rib.announce(peer.row, buf, at, end, false, ...rest);
    attrs.release(attr);
  }
  // No slice may come before an image is made.
  tables.endSlice();
}

/** Begins a round that no route has. */
function nextRound(tables: Tables, peer: KernelPeer): void {
  peer.copies++;
  if (roundOf(peer) !== 0) return;
  peer.copies++;
  for (const family of FAMILIES) age(tables.rib(family), peer.row);
}

function removeUnheard(tables: Tables, peer: KernelPeer): void {
  for (const family of FAMILIES) {
    const rib = tables.rib(family);
    if (rib.paths.peerHead[peer.row] === 0) continue;
    tables.jobs.add(new RemoveUnheard(peer, rib, peer.row));
  }
}

/** Decides about each route by a filter alone. */
class ByPolicy implements Importer {
  attr: AttrId = 0;
  reason: number;
  readonly perPrefix: boolean;
  readonly keepsRejected = true;
  private readonly base: AttrId;
  private readonly filter: Filter;
  private readonly facts: PeerFacts;
  private readonly family: Family;

  constructor(base: AttrId, filter: Filter, facts: PeerFacts, family: Family) {
    this.base = base;
    this.filter = filter;
    this.facts = facts;
    this.family = family;
    this.reason = filter.rejectsAll;
    this.perPrefix = filter.rejectsAll === 0;
  }

  judge(w0: number, w1: number, w2: number, w3: number, bits: number): void {
    const { base, filter, facts, family } = this;
    if (!isRoutable(family, w0, w1, w2, w3, bits)) {
      this.attr = 0;
      this.reason = REASON["prefix-invalid"];
      return;
    }
    const verdict = filter.decide(base, facts, facts, family, w0, w1, w2, w3, bits);
    this.attr = verdict.attr;
    this.reason = verdict.reason;
  }
}
