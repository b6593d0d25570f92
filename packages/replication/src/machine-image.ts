/** The image of a machine: every class that it is made of, and what stands for compiled policies. */

import { complete, completeNeighbor } from "@ts-bgp/config";
import {
  AcceptAll,
  type AttributeSets,
  ChainFilter,
  type Filter,
  type Origins,
  Policies,
  type PolicyValues,
  ReasonTable,
  type Vars,
} from "@ts-bgp/policy";
import {
  type HeardCounts,
  InputQueue,
  LATER_STATE_CLASSES,
  nothingHeard,
  OriginValidation,
  OwnRestart,
  type Router,
  STATE_CLASSES,
} from "@ts-bgp/router";
import { UpdateReader, UpdateWriter, type WireForm } from "@ts-bgp/wire-codec";
import type { CaptureRoom } from "./capture-room.ts";
import { concealed } from "./conceal.ts";
import { type ConfigHistory, newHistory } from "./config-history.ts";
import { FIRST_LISTS } from "./config-octets.ts";
import { captureOf, fromImage } from "./image.ts";
import { Classes, type StandIn } from "./image-classes.ts";
import { NUMBERS } from "./image-numbers.ts";
import { Ledger, LedgerConnection, SendBuffer } from "./ledger.ts";
import { Machine } from "./machine.ts";
import { FormatError } from "./octet-reader.ts";
import type { Skipped } from "./record-kinds.ts";

interface SavedPolicies {
  values: PolicyValues;
  sets: AttributeSets;
  reasons: ReasonTable;
  /** That of an older version has none. */
  origins?: Origins | null;
}

interface SavedFilter {
  policies: Policies;
  names: readonly string[];
  localAs: number;
  /** That of an older version has none. */
  constants?: Vars;
}

const POLICIES: StandIn<Policies, SavedPolicies> = {
  type: Policies,
  save: ({ values, sets, reasons, origins }) => ({ values, sets, reasons, origins }),
  load: ({ values, sets, reasons, origins }) => new Policies(values, sets, reasons, origins),
};

/** What a filter remembers of earlier verdicts is left behind: it changes no verdict. */
function filterStandIn<F extends Filter & SavedFilter>(
  type: StandIn<F, SavedFilter>["type"],
): StandIn<F, SavedFilter> {
  return {
    type,
    save: ({ policies, names, localAs, constants = {} }) => ({
      ...{ policies, names, localAs },
      ...(Object.keys(constants).length === 0 ? {} : { constants }),
    }),
    load: ({ policies, names, localAs, constants }) => {
      return policies.filter(names, localAs, constants) as F;
    },
  };
}

/** Holds nothing from one message to the next. */
const READER: StandIn<UpdateReader, null> = {
  type: UpdateReader,
  save: () => null,
  load: () => new UpdateReader(),
};

/** Holds nothing from one batch to the next but the form that it writes. */
const WRITER: StandIn<UpdateWriter, WireForm> = {
  type: UpdateWriter,
  save: ({ form }) => form,
  load: (form) => new UpdateWriter(form),
};

/** What it has cut into messages is done with; the message found last may lie in what all queues share. */
const INPUT: StandIn<InputQueue, Uint8Array> = {
  type: InputQueue,
  save: (queue) => queue.unread(),
  load: (unread) => {
    const queue = new InputQueue();
    queue.push(unread);
    return queue;
  },
};

const CLASSES = Classes.of(
  [...STATE_CLASSES, ReasonTable, Machine, Ledger, LedgerConnection, SendBuffer],
  [
    READER,
    WRITER,
    INPUT,
    POLICIES,
    filterStandIn(AcceptAll),
    filterStandIn(ChainFilter),
  ] as unknown as StandIn[],
  NUMBERS,
);

/**
 * They would carry these on unchanged whatever happens: the history, and with it each list of all configurations as a
 * text, and rows that wait for room, which are others when it comes back.
 */
const LATER_FIELDS = ["history", "beyond", "beyondFrom"];

/** For readers that know no numbers, and give an image up for a class that they do not know. */
const FIRST_CLASSES = CLASSES.withNames(LATER_STATE_CLASSES, FIRST_LISTS, LATER_FIELDS);

/** For mirrors, which have nothing to take over. */
const MIRROR_CLASSES = CLASSES.showing(concealed);

/** Makes ready for a capture of the machine, which may go on between two steps; see `CaptureRoom`. */
export function prepareCapture(machine: Machine, room: CaptureRoom): Generator<void> {
  return room.prepare(machine, CLASSES);
}

/**
 * @param machine - between two brackets; it may go on afterwards
 * @param hasNumbers - false where one of the first releases reads it
 * @returns all that it is now, as octets; see `captureOf`
 */
export function machineCapture(
  machine: Machine,
  hasNumbers = true,
  room?: CaptureRoom,
): Generator<Uint8Array> {
  return captureOf(machine, hasNumbers ? CLASSES : FIRST_CLASSES, room);
}

/** @returns the same, without what a mirror need not know; see `concealed` */
export function mirrorCapture(machine: Machine, room?: CaptureRoom): Generator<Uint8Array> {
  return captureOf(machine, MIRROR_CLASSES, room);
}

/** @returns the same, at once */
export function machineImage(machine: Machine, hasNumbers = true): Uint8Array[] {
  return [...machineCapture(machine, hasNumbers)];
}

/** Of the router's tables, what those of an older version have not. */
interface OlderTables {
  origins?: OriginValidation;
  restart?: OwnRestart;
  bfd?: Router["tables"]["bfd"];
  staticPeer?: Router["tables"]["staticPeer"];
  kernelPeer?: Router["tables"]["kernelPeer"];
}

/**
 * @param skipped - counts what is not known, and left out
 * @returns a machine that gives the same outputs for the same calls; may throw a FormatError
 */
export function machineFromImage(pieces: readonly Uint8Array[], skipped?: Skipped): Machine {
  const machine = fromImage(pieces, CLASSES, skipped);
  if (!(machine instanceof Machine)) throw new FormatError("an image of something else");
  // That of an older version does not have these.
  const { tables } = machine.router as unknown as { tables: OlderTables };
  const { outputs, groups, attrs } = machine.router.tables;
  const imports = [...machine.router.neighbors.values()].flatMap((each) => each.import ?? []);
  machine.router.tables.complete(imports.map(({ importer }) => importer.filter));
  tables.origins ??= new OriginValidation(outputs);
  tables.origins.validation.completeState();
  tables.restart ??= new OwnRestart(outputs, tables.origins, groups);
  tables.bfd ??= new Map();
  tables.staticPeer ??= null;
  machine.router.tables.peers.local ??= tables.staticPeer?.row ?? 0;
  tables.kernelPeer ??= null;
  machine.router.tables.peers.kernel ??= tables.kernelPeer?.row ?? 0;
  groups.held ??= [];
  groups.isShuttingDown ??= false;
  for (const { exporter, group } of groups.entries) {
    exporter.isShuttingDown ??= false;
    group.adjRibOut.complete();
  }
  if (!(attrs.flags instanceof Uint16Array)) attrs.deriveFlags();
  groups.over ??= [];
  complete(machine.router.tables.config);
  for (const neighbor of machine.router.neighbors.values()) {
    neighbor.quarantine ??= null;
    if (neighbor.config.dynamic != null) completeNeighbor(neighbor.config);
    neighbor.madeMs ??= 0;
    (neighbor as { heard?: HeardCounts }).heard ??= nothingHeard();
    neighbor.session?.import.complete();
    neighbor.stale.complete();
  }
  machine.router.tables.opens ??= new Map();
  const known = machine as { history?: ConfigHistory };
  // One that has been with a version that keeps none ends before what is in force.
  const inForce = known.history?.past.at(-1)?.config;
  if (inForce !== machine.router.tables.config) {
    known.history = newHistory(machine.router.tables.config);
  }
  for (const { config } of machine.history.past) complete(config);
  if (machine.history.trial?.whole !== undefined) complete(machine.history.trial.whole);
  machine.router.tables.observe(machine.router.tables.config);
  return machine;
}
