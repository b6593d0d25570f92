/** The types of unbzip2-stream, which has none of its own. */

declare module "unbzip2-stream" {
  /** A stream in the old style: `write` and `end` give their output before they return. */
  interface Unbzip2Stream {
    on(event: "data", listener: (octets: Uint8Array) => void): this;
    on(event: "error", listener: (error: Error) => void): this;
    write(octets: Uint8Array): boolean;
    end(): void;
  }

  function unbzip2Stream(): Unbzip2Stream;

  // biome-ignore lint/style/noDefaultExport: the package has one
  export { unbzip2Stream as default };
}
