/** The packet queue of a pair: both sides, and those who look for collisions, come to the same number. */

/** @returns a number of a packet queue that both sides compute alike */
export function queueOf(cluster: string): number {
  let hash = 0;
  for (const char of cluster) hash = (31 * hash + char.codePointAt(0)!) % 60_000;
  return 1000 + hash;
}
