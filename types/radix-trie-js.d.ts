/** The part of radix-trie-js 1.1 that is used here; the package has no types of its own. */
declare module "radix-trie-js" {
  class RadixTrie<T = true> {
    add(key: string, value?: T): this;
    delete(key: string): this;
    get(key: string): T | null;
    has(key: string): boolean;
    /** Keys that begin with `prefix`, whatever their case, with their values. */
    fuzzyGet(prefix: string): Generator<[key: string, value: T], void>;
    entries(): Generator<[key: string, value: T], void>;
  }
  export default RadixTrie;
}
