/** The image of a machine: every class that it is made of, and what stands for compiled policies. */

import {
  AcceptAll,
  type AttributeSets,
  ChainFilter,
  type Filter,
  Policies,
  type PolicyValues,
  ReasonTable,
} from "@ts-bgp/policy";
import { InputQueue, STATE_CLASSES } from "@ts-bgp/router";
import { UpdateReader, UpdateWriter, type WireForm } from "@ts-bgp/wire-codec";
import { Classes, fromImage, imageOf, type StandIn } from "./image.ts";
import { Ledger, LedgerConnection, SendBuffer } from "./ledger.ts";
import { Machine } from "./machine.ts";
import { FormatError } from "./octet-reader.ts";

interface SavedPolicies {
  values: PolicyValues;
  sets: AttributeSets;
  reasons: ReasonTable;
}

interface SavedFilter {
  policies: Policies;
  names: readonly string[];
  localAs: number;
}

const POLICIES: StandIn<Policies, SavedPolicies> = {
  type: Policies,
  save: ({ values, sets, reasons }) => ({ values, sets, reasons }),
  load: ({ values, sets, reasons }) => new Policies(values, sets, reasons),
};

/** What a filter remembers of earlier verdicts is left behind: it changes no verdict. */
function filterStandIn<F extends Filter & SavedFilter>(
  type: StandIn<F, SavedFilter>["type"],
): StandIn<F, SavedFilter> {
  return {
    type,
    save: ({ policies, names, localAs }) => ({ policies, names, localAs }),
    load: ({ policies, names, localAs }) => policies.filter(names, localAs) as F,
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

const CLASSES = new Classes(
  [...STATE_CLASSES, ReasonTable, Machine, Ledger, LedgerConnection, SendBuffer],
  [
    READER,
    WRITER,
    INPUT,
    POLICIES,
    filterStandIn(AcceptAll),
    filterStandIn(ChainFilter),
  ] as unknown as StandIn[],
);

/**
 * @param machine - between two brackets
 * @returns all that it is, as octets; see `imageOf`
 */
export function machineImage(machine: Machine): Uint8Array[] {
  return imageOf(machine, CLASSES);
}

/** @returns a machine that gives the same outputs for the same calls; may throw a FormatError */
export function machineFromImage(pieces: readonly Uint8Array[]): Machine {
  const machine = fromImage(pieces, CLASSES);
  if (!(machine instanceof Machine)) throw new FormatError("an image of something else");
  return machine;
}
