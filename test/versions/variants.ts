/** Programs that behave otherwise than the present one, as another version might. */
import type { Patch } from "./tree.ts";

/** What a session cannot go on with. */
export interface Doom {
  /** The capability as octets, as its peer offers it. */
  readonly capability: readonly number[];
  /** A part of why it would end. */
  readonly cause: string;
}

export interface Variant {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** It comes to other outputs whenever routes change. */
  readonly deviates?: boolean;
  /** Peers are sent other routes. */
  readonly decides?: boolean;
  /**
   * A session that agreed on a capability that only the variant knows ends when the present program takes
   * over, and is named before.
   */
  readonly dooms?: Doom;
  /** It knows an option that the present program does not. */
  readonly option?: string;
}

const WIRE = "packages/wire-codec/src";
const RIB = "packages/rib/src";
const REPLICATION = "packages/replication/src";
const NUMBERS = `${REPLICATION}/image-numbers.ts`;

export const VARIANTS: readonly Variant[] = [
  {
    name: "another order of attributes",
    deviates: true,
    patches: [
      {
        file: `${WIRE}/attribute-rewriter.ts`,
        find: "    for (; addable < ADDABLE.length; addable++) this.add(ADDABLE[addable]!, at, end);\n",
        put: `    for (; addable < ADDABLE.length; addable++) this.add(ADDABLE[addable]!, at, end);
    const all = this.out.slice(0, this.octets);
    let end2 = this.octets;
    for (let i = 0; i < all.length; ) {
      const long = (all[i] & 0x10) !== 0;
      const octets = long ? 4 + all[i + 2] * 256 + all[i + 3] : 3 + all[i + 2];
      end2 -= octets;
      this.out.set(all.subarray(i, i + octets), end2);
      i += octets;
    }
`,
      },
    ],
  },
  {
    name: "a message for each route",
    deviates: true,
    patches: [
      {
        file: `${WIRE}/update-writer.ts`,
        find: "    if (this.start < 0) this.open(bits);\n",
        put: "    this.finish();\n    if (this.start < 0) this.open(bits);\n",
      },
    ],
  },
  {
    name: "another last step of the decision process",
    deviates: true,
    decides: true,
    patches: [
      {
        file: "packages/rib/src/decision.ts",
        find: `(attrs.originatorId[x] || peers.identifier[p]!) -
        (attrs.originatorId[y] || peers.identifier[q]!) ||`,
        put: `(attrs.originatorId[y] || peers.identifier[q]!) -
        (attrs.originatorId[x] || peers.identifier[p]!) ||`,
      },
    ],
  },
  {
    name: "another jitter of timers",
    patches: [
      {
        file: "packages/fsm/src/timers.ts",
        find: "ms * (0.75 + 0.25 * jitter)",
        put: "ms * (0.02 + 0.2 * jitter)",
      },
    ],
  },
  {
    name: "a policy condition that decides otherwise",
    deviates: true,
    decides: true,
    patches: [
      {
        file: "packages/policy/src/as-path-conditions.ts",
        find: "(route) => route.readPath().length)",
        put: "(route) => route.readPath().length + 1)",
      },
    ],
  },
  {
    name: "an option of its own",
    option: "novelty",
    patches: [
      {
        file: "packages/config/src/neighbors.ts",
        find: '    keepRejected: get("keep-rejected") ?? true,\n',
        put: '    keepRejected: get("keep-rejected") ?? true,\n    novelty: { count: 7 },\n',
      },
      {
        file: "packages/config/src/options.ts",
        find: '  keepRejected: "import",\n',
        put: '  keepRejected: "import",\n  novelty: "reset",\n',
      },
      {
        file: "packages/router/src/session.ts",
        find: "    this.negotiated = negotiated;\n",
        put: "    this.negotiated = negotiated;\n    if (config.novelty.count !== 7) throw new Error();\n",
      },
    ],
  },
  {
    name: "a capability of its own",
    dooms: { capability: [200, 0], cause: "capability 200" },
    patches: [
      {
        file: `${WIRE}/capability.ts`,
        find: "  75: SOFTWARE_VERSION,\n};",
        put: `  75: SOFTWARE_VERSION,
  200: { decode: () => ({ code: 200, name: "novelty" }), encode: () => [] },
};`,
      },
      {
        file: "packages/fsm/src/open.ts",
        find: '  capabilities.push({ code: 65, name: "four-octet-as"',
        put: `  capabilities.push({ code: 200, name: "novelty" });
  capabilities.push({ code: 65, name: "four-octet-as"`,
      },
    ],
  },
  {
    name: "a family of its own",
    dooms: { capability: [1, 4, 0, 25, 0, 70], cause: "family 25/70" },
    patches: [
      {
        file: "packages/fsm/src/open.ts",
        find: '  capabilities.push({ code: 65, name: "four-octet-as"',
        put: `  capabilities.push({ code: 1, name: "multiprotocol", afi: 25, safi: 70 });
  capabilities.push({ code: 65, name: "four-octet-as"`,
      },
    ],
  },
  {
    name: "an attribute of its own",
    patches: [
      {
        file: `${WIRE}/attribute-table.ts`,
        find: "  passed.PREFIX_SID,\n];",
        put: `  passed.PREFIX_SID,
  { ...passed.PREFIX_SID, type: 99, name: "NOVELTY", check: () => null },
];`,
      },
    ],
  },
  {
    name: "state of a class of its own",
    patches: [
      {
        file: "packages/router/src/tables.ts",
        find: 'import { OwnRestart } from "./own-restart.ts";\n',
        put: `import { OwnRestart } from "./own-restart.ts";
export class Novelty { count = 7; }
`,
      },
      {
        file: "packages/router/src/tables.ts",
        find: "    this.restart = new OwnRestart(",
        put: `    this.novelties = [new Novelty(), new Map([[1, new Novelty()]])];
    this.novelty = this.novelties[0];
    this.restart = new OwnRestart(`,
      },
      {
        file: "packages/router/src/state-classes.ts",
        find: 'import { Tables } from "./tables.ts";\n',
        put: 'import { Novelty, Tables } from "./tables.ts";\n',
      },
      {
        file: "packages/router/src/state-classes.ts",
        find: "  Tables,\n  Timers,\n",
        put: "  Novelty,\n  Tables,\n  Timers,\n",
      },
      { file: NUMBERS, find: "1 Machine:", put: "999 Novelty: count\n1 Machine:" },
      { file: NUMBERS, find: "\n34 ", put: " novelties novelty\n34 " },
    ],
  },
  {
    name: "other names in its state, and a column of its own",
    patches: [
      {
        file: `${RIB}/digest.ts`,
        find: "export class Digest {",
        put: "export { TableDigest as Digest };\nclass TableDigest {",
      },
      { file: `${RIB}/attr-store.ts`, find: '  "serial",\n', put: '  "turn",\n' },
      { file: `${RIB}/attr-store.ts`, find: "private serial:", put: "private turn:" },
      { file: `${RIB}/attr-store.ts`, find: "return this.serial[", put: "return this.turn[" },
      { file: `${RIB}/attr-store.ts`, find: "this.serial[id] = 0", put: "this.turn[id] = 0" },
      {
        file: `${RIB}/attr-store.ts`,
        find: "this.serial[id] = this.serials",
        put: "this.turn[id] = this.serials",
      },
      { file: `${RIB}/path-table.ts`, find: '  "round",\n', put: '  "round",\n  "novelty",\n' },
      {
        file: `${RIB}/path-table.ts`,
        find: "  round: Uint8Array = new Uint8Array(0);\n",
        put: "  round: Uint8Array = new Uint8Array(0);\n  novelty: Uint8Array = new Uint8Array(0);\n",
      },
      { file: NUMBERS, find: " Digest:", put: " TableDigest=Digest:" },
      { file: NUMBERS, find: "hash serial seed", put: "hash turn=serial seed" },
      { file: NUMBERS, find: "\n55 ", put: " novelty\n55 " },
    ],
  },
  {
    name: "records of its own",
    patches: [
      {
        file: `${REPLICATION}/journal.ts`,
        find: "    const pieces = this.out.take();\n",
        put: `    if (this.isOn) for (const part of [300, 1, 7]) this.out.varint(part);
    const pieces = this.out.take();
`,
      },
      {
        file: `${REPLICATION}/records.ts`,
        find: '      outputs: [21, "octets"],\n',
        put: '      outputs: [21, "octets"],\n      novelty: [99, "uint"],\n',
      },
      {
        file: `${REPLICATION}/active.ts`,
        find: 'frame = frameOf("bracket", { ...about,',
        put: 'frame = frameOf("bracket", { novelty: 1, ...about,',
      },
    ],
  },
];
