/**
 * A synthetic table: prefixes, clusters and attribute sets like those of the default-free zone, the
 * same octets for the same seed.
 */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { Announcer } from "./announcer.ts";
import type { Batch, RouteSource, SessionForm } from "./batch.ts";
import { Prng } from "./prng.ts";
import { SyntheticAttributes } from "./synthetic-attributes.ts";
import { SyntheticPrefixes } from "./synthetic-prefixes.ts";

/** Far above the tables of today, and few enough that short prefixes do not run out. */
export const SYNTHETIC_PREFIXES_MAX = 10_000_000;
/** First AS of the paths unless the session has another one. */
const FIRST_AS = 65001;
/** Share of IPv6 in a table of both families; in 2025 it was about that. */
const IPV6_SHARE = 0.2;

export interface SyntheticOptions {
  /** 1 to SYNTHETIC_PREFIXES_MAX. */
  readonly prefixes: number;
  /** The low 32 bits count. */
  readonly seed: number;
  /** Another table of attributes for the same prefixes; as `seed` when absent. */
  readonly attributeSeed?: number;
  /** FAMILY bits, at least one. */
  readonly families: number;
}

/** A synthetic table as a source of routes; for an external peer the paths begin with the own AS. */
export function syntheticSource(options: SyntheticOptions): RouteSource {
  return {
    title: `synthetic table, seed ${options.seed}`,
    routes: options.prefixes,
    firstAs: FIRST_AS,
    families: options.families,
    read: (form) => syntheticTable(options, form),
  };
}

/**
 * Writes the table for a session, IPv4 before IPv6.
 *
 * Takes about a microsecond per prefix. Each prefix stands in one message; how many messages there
 * are depends on the form.
 */
export function* syntheticTable(options: SyntheticOptions, form: SessionForm): Generator<Batch> {
  const announcer = new Announcer(form);
  let made = 0;
  for (const [family, prefixes] of shares(options)) {
    if ((form.families & family) === 0) continue;
    for (const batch of familyTable(options, form, family, prefixes, announcer)) {
      yield announcer.take((made + batch) / options.prefixes);
    }
    made += prefixes;
  }
  yield announcer.take(1);
}

/** Yields how many prefixes there are so far, each time that a batch is full. */
function* familyTable(
  { seed, attributeSeed = seed }: SyntheticOptions,
  form: SessionForm,
  family: Family,
  prefixes: number,
  announcer: Announcer,
): Generator<number> {
  const clusters = new SyntheticPrefixes(new Prng(seed, family), family, prefixes);
  const attributes = new SyntheticAttributes(new Prng(attributeSeed, -family));
  const { w0, w1, bits } = clusters;
  for (let made = 0; made < prefixes; ) {
    const count = clusters.cluster(prefixes - made);
    const path = attributes.makePath(form.localAs, attributes.pathLength());
    // Between peers of one AS its number is not in the path (RFC 4271 section 5.1.2).
    if (form.internal) path.shift();
    attributes.make(path, family);
    announcer.announce(family, attributes.octets, 0, attributes.length);
    for (let i = 0; i < count; i++) announcer.prefix(w0[i]!, w1[i]!, 0, 0, bits[i]!, 0);
    made += count;
    if (announcer.isFull) yield made;
  }
}

function shares({ prefixes, families }: SyntheticOptions): (readonly [Family, number])[] {
  const both = FAMILY.IPV4_UNICAST | FAMILY.IPV6_UNICAST;
  if (families === FAMILY.IPV4_UNICAST) return [[FAMILY.IPV4_UNICAST, prefixes]];
  if (families === FAMILY.IPV6_UNICAST) return [[FAMILY.IPV6_UNICAST, prefixes]];
  if (families !== both) throw new RangeError(`families ${families} are not FAMILY bits`);
  const ipv6 = Math.round(prefixes * IPV6_SHARE);
  return [
    [FAMILY.IPV4_UNICAST, prefixes - ipv6],
    [FAMILY.IPV6_UNICAST, ipv6],
  ];
}
