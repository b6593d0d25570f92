/** The part of buffer-layout 1.2 that is used here; the package has no types of its own. */
declare module "buffer-layout" {
  export interface Layout<T> {
    readonly span: number;
    decode(octets: Uint8Array, offset?: number): T;
    /** `octets` must be a Buffer when the layout has numbers. */
    encode(value: T, octets: Uint8Array, offset?: number): number;
  }
  export interface Structure<T> extends Layout<T> {
    /** @returns where a member is, in octets; undefined when there is none */
    offsetOf(property: string): number | undefined;
  }
  export function u8(property: string): Layout<number>;
  export function u16(property: string): Layout<number>;
  export function u16be(property: string): Layout<number>;
  export function u32(property: string): Layout<number>;
  export function u32be(property: string): Layout<number>;
  /** Without a property the octets are skipped. */
  export function blob(length: number, property?: string): Layout<Uint8Array>;
  export function struct<T>(fields: readonly Layout<unknown>[]): Structure<T>;
}
