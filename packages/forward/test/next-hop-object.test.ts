/** Messages of next hops that are objects: as rtnetlink has them, octet by octet, and what is read out of others'. */
import { describe, expect, test } from "vitest";
import {
  deleteNextHop,
  type NextHopObject,
  newNextHop,
  readNextHop,
  setGroup,
} from "../src/next-hop-object.ts";

const HEADER_OCTETS = 16;
const HOP4 = { gateway: Uint8Array.of(192, 0, 2, 9), interface: 5 };
const HOP6 = { gateway: Uint8Array.of(0xfe, 0x80, ...Array<number>(13).fill(0), 9), interface: 6 };
const hex = (octets: Buffer) => octets.toString("hex").replace(/.{8}/g, "$& ").trimEnd();

describe("a message", () => {
  test.each<[string, Buffer, string]>([
    [
      "that makes an IPv4 next hop",
      newNextHop(3, 0x40000001, HOP4),
      // Header, nhmsg, NHA_ID, NHA_OIF, NHA_GATEWAY.
      "30000000 68000106 03000000 00000000 0200ba00 00000000 08000100 01000040 08000500 05000000 08000600 c0000209",
    ],
    [
      "that makes an IPv6 one",
      newNextHop(0, 0x40000001, HOP6),
      "3c000000 68000106 00000000 00000000 0a00ba00 00000000 08000100 01000040 08000500 06000000 14000600 fe800000 00000000 00000000 00000009",
    ],
    [
      "that makes a group",
      setGroup(1, 9, [7, 8], true),
      "34000000 68000106 01000000 00000000 0000ba00 00000000 08000100 09000000 14000200 07000000 00000000 08000000 00000000",
    ],
    [
      "that gives a group another member",
      setGroup(1, 9, [7], false),
      "2c000000 68000101 01000000 00000000 0000ba00 00000000 08000100 09000000 0c000200 07000000 00000000",
    ],
    [
      "that deletes one",
      deleteNextHop(2, 9),
      "20000000 69000100 02000000 00000000 00000000 00000000 08000100 09000000",
    ],
  ])("%s", (_, octets, expected) => {
    expect(hex(octets)).toBe(expected);
  });

  test.each<[Buffer, Partial<NextHopObject>]>([
    [newNextHop(0, 1, HOP4), { id: 1, hop: HOP4, members: [] }],
    [newNextHop(0, 2, HOP6), { id: 2, hop: HOP6, members: [] }],
    [setGroup(0, 3, [2, 1], true), { id: 3, hop: null, members: [2, 1] }],
  ])("is read as it was written", (octets, expected) => {
    const found = readNextHop(octets.subarray(HEADER_OCTETS));
    expect(found).toEqual({ protocol: 186, isOther: false, ...expected });
  });
});

describe("what others have made", () => {
  const head = (family: number, flags = 0) => [family, 0, 11, 0, flags, 0, 0, 0, 8, 0, 1, 0];
  const ID = [7, 0, 0, 0];
  const OIF = [8, 0, 5, 0, 5, 0, 0, 0];
  const GATEWAY = [8, 0, 6, 0, 192, 0, 2, 9];
  const own = { id: 7, protocol: 11, hop: HOP4, members: [] };

  test.each<[string, number[], object | null]>([
    ["with all that is written here", [...head(2), ...ID, ...OIF, ...GATEWAY], own],
    ["whose link is down", [...head(2, 16), ...ID, ...OIF, ...GATEWAY], own],
    ["onlink", [...head(2, 4), ...ID, ...OIF, ...GATEWAY], { ...own, isOther: true }],
    [
      "without a gateway",
      [...head(2), ...ID, ...OIF],
      { ...own, hop: { gateway: null, interface: 5 }, isOther: true },
    ],
    [
      "a blackhole",
      [...head(2), ...ID, 4, 0, 4, 0],
      { ...own, hop: { gateway: null, interface: 0 }, isOther: true },
    ],
    [
      "with something that later kernels say",
      [...head(2), ...ID, ...OIF, ...GATEWAY, 8, 0, 77, 0, 0, 0, 0, 0],
      own,
    ],
    [
      "a group with weights",
      [...head(0), ...ID, 12, 0, 2, 0, 5, 0, 0, 0, 1, 0, 0, 0],
      { id: 7, protocol: 11, hop: null, members: [5], isOther: true },
    ],
    [
      "a group of another type",
      [...head(0), ...ID, 6, 0, 3, 0, 1, 0, 0, 0, 12, 0, 2, 0, 5, 0, 0, 0, 0, 0, 0, 0],
      { id: 7, protocol: 11, hop: null, members: [5], isOther: true },
    ],
    ["without a number", [2, 0, 11, 0, 0, 0, 0, 0, ...OIF], null],
    ["that is cut off", [2, 0, 11], null],
    ["with an attribute that is cut off", [...head(2), 7, 0], null],
  ])("%s", (_, octets, expected) => {
    const found = readNextHop(Buffer.from(octets));
    expect(found).toEqual(expected === null ? null : { isOther: false, ...expected });
  });
});
