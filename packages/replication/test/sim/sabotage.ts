/** Mistakes that the checks must find: each breaks one thing that the argument stands on. */

import type { ConnectionId } from "@ts-bgp/router";
import {
  type ActiveHooks,
  type Call,
  FrameReader,
  frameOf,
  type Machine,
  type Receipts,
  type RecordOf,
  type Standby,
} from "../../src/index.ts";
import { Answer, type Arbiter } from "./arbiter.ts";
import type { Process } from "./process.ts";
import type { Shell } from "./shell.ts";

export interface Sabotage {
  readonly title: string;
  /** One side runs another program. */
  readonly hasOther?: boolean;
  /** Runs before this one do not show it: their time is saved. */
  readonly firstSeed?: number;
  /** Done to every active as it begins. */
  shell?(shell: Shell, hooks: ActiveHooks): void;
  /** Done to every process as it starts. */
  process?(process: Process): void;
  /** Done to the arbiter. */
  arbiter?(arbiter: Arbiter): void;
  /** Done to every standby as it begins. */
  standby?(standby: Standby, process: Process): void;
  /** A side writes when its lease is over. */
  readonly ignoresLease?: boolean;
  /** A takeover takes all for sent that was written. */
  readonly resumesAtEnd?: boolean;
}

/** What is private to a standby. */
interface Inside {
  hooks: { send(frame: Uint8Array): void };
  readonly receipts: Receipts;
  backlog: RecordOf<"bracket">[];
  machine: Machine | null;
  run(bracket: RecordOf<"bracket">): void;
  begin(record: RecordOf<"imageEnd">): void;
  store(bracket: RecordOf<"bracket">): void;
}

const inside = (standby: Standby) => standby as unknown as Inside;

interface Queue {
  octets: number;
  clear(): void;
}

export const SABOTAGES: readonly Sabotage[] = [
  {
    title: "the active takes a bracket for stored when it is sent",
    shell(shell, hooks) {
      const { send } = hooks;
      const { active } = shell;
      hooks.send = (to, frame) => {
        send(to, frame);
        const { number, applied } = active;
        const window = 1 << 20;
        if (active.state === "declared") {
          shell.process.after(0, () =>
            active.record(to, { record: "ack", number, applied, window }, shell.nowMs),
          );
        }
      };
    },
  },
  {
    title: "the active takes for stored what it sends again over another link",
    shell(shell) {
      const { active } = shell;
      const resume = active.resume.bind(active);
      active.resume = (side, next, nowMs) => {
        const frames = resume(side, next, nowMs);
        const { number, applied } = active;
        const ack = { record: "ack", number, applied, window: 1 << 20 } as const;
        if (frames !== null) active.record(side, ack, shell.nowMs);
        return frames;
      };
    },
  },
  {
    title: "outputs leave when their bracket ends",
    shell({ active }) {
      const commit = active.commit.bind(active);
      active.commit = (nowMs) => {
        commit(nowMs);
        active["release"](active.number);
      };
    },
  },
  {
    title: "the peer's TCP is told at once that octets have come",
    shell(shell) {
      const { journal } = shell;
      const run = journal.run.bind(journal);
      journal.run = (call) => {
        const result = run(call);
        const ran: Call = call;
        if (ran.record === "received") {
          const { received } = journal.machine.ledger.connections.get(ran.connection)!;
          shell.open.get(ran.connection)?.tcp.release(received);
        }
        return result;
      };
    },
  },
  {
    title: "what the kernel had acknowledged before the gate was closed is forgotten",
    shell(_shell, hooks) {
      const { closeGate } = hooks;
      hooks.closeGate = () => {
        closeGate();
        return new Map<ConnectionId, number>();
      };
    },
  },
  {
    title: "the gate stays open",
    shell({ process }, hooks) {
      const { closeGate } = hooks;
      hooks.closeGate = () => {
        const acked = closeGate();
        process.kernel.gateIsClosed = false;
        return acked;
      };
    },
  },
  {
    title: "acknowledgements that wait are never let out",
    shell(_shell, hooks) {
      hooks.acknowledge = () => {};
    },
  },
  {
    title: "the standby's right is not taken back",
    shell(_shell, hooks) {
      hooks.undeclare = () => {
        const answer = new Answer<boolean>();
        answer.give(true);
        return answer.promise;
      };
    },
  },
  {
    title: "a message that has come in part is not in the image",
    standby(standby) {
      const self = inside(standby);
      const begin = self.begin.bind(standby);
      self.begin = (record) => {
        begin(record);
        const { connections } = self.machine!.router as unknown as {
          connections: Map<number, { input: Queue }>;
        };
        for (const { input } of connections.values()) input.clear();
      };
    },
  },
  {
    title: "a bracket is run twice",
    standby(standby) {
      const self = inside(standby);
      const run = self.run.bind(standby);
      self.run = (bracket) => {
        run(bracket);
        if (bracket.number % 20 === 0) run(bracket);
      };
    },
  },
  {
    title: "a bracket is not run",
    standby(standby) {
      const self = inside(standby);
      const run = self.run.bind(standby);
      self.run = (bracket) => {
        if (bracket.number % 20 !== 0) run(bracket);
      };
    },
  },
  {
    title: "the last bracket that is stored is forgotten in a takeover",
    standby(standby) {
      const finish = standby.finish.bind(standby);
      standby.finish = () => {
        const { backlog } = inside(standby);
        if (backlog.length > 0) inside(standby).receipts.number = backlog.pop()!.number - 1;
        return finish();
      };
    },
  },
  {
    title: "what is stored and not run is forgotten in a takeover",
    standby(standby) {
      standby.finish = () => inside(standby).machine;
    },
  },
  {
    title: "a bracket that is missing is not missed",
    firstSeed: 890,
    standby(standby) {
      const self = inside(standby);
      const store = self.store.bind(standby);
      self.store = (bracket) => {
        self.receipts.number = bracket.number - 1;
        store(bracket);
      };
    },
  },
  {
    title: "what peers have not got is not sent again",
    resumesAtEnd: true,
  },
  {
    title: "a side that was stopped writes without a look at its lease",
    firstSeed: 470,
    ignoresLease: true,
  },
  {
    title: "octets that a connection has received are counted wrong in the image",
    standby(standby) {
      const self = inside(standby);
      const begin = self.begin.bind(standby);
      self.begin = (record) => {
        begin(record);
        for (const connection of self.machine!.ledger.connections.values()) connection.received++;
      };
    },
  },
  {
    title: "a lease is taken for longer than it is",
    firstSeed: 200,
    arbiter(arbiter) {
      const renew = arbiter.renew.bind(arbiter);
      arbiter.renew = (actor, holder) => {
        const answer = new Answer<number | null>();
        renew(actor, holder).then((endMs) => answer.give(endMs === null ? null : endMs + 400));
        return answer;
      };
    },
  },
  {
    title: "a side that has given its role away goes on writing",
    process(process) {
      Object.defineProperty(process.kernel, "isSilent", { get: () => false, set() {} });
    },
  },
  {
    title: "a standby goes on although the arbiter did not give it the role",
    firstSeed: 3700,
    process(process) {
      const tell = process.tell.bind(process);
      process.tell = (event) => {
        const isRefused = event.event === "role" && event.epoch === null;
        const { state, epoch } = process.machine;
        tell(isRefused && state === "claiming" ? { ...event, epoch: epoch + 1 } : event);
      };
    },
  },
  {
    title: "an active hears nothing of the loss of its role",
    process(process) {
      process.roleLost = () => {};
      Object.defineProperty(process, "leaseEndMs", {
        get: () => Number.POSITIVE_INFINITY,
        set() {},
      });
    },
  },
  {
    title: "a standby counts as declared before the arbiter has named it",
    firstSeed: 290,
    shell(_shell, hooks) {
      const { declare } = hooks;
      hooks.declare = (side) => {
        void declare(side);
        const answer = new Answer<boolean>();
        answer.give(true);
        return answer.promise;
      };
    },
  },
  {
    title: "a standby acknowledges one bracket more than it has stored",
    standby(standby) {
      const { hooks } = inside(standby);
      const { send } = hooks;
      const reader = new FrameReader(null);
      hooks.send = (frame) => {
        reader.push(frame);
        const record = reader.next()!;
        if (record.record !== "ack") send(frame);
        else send(frameOf("ack", { ...record, number: record.number + 1 }));
      };
    },
  },
  {
    title: "whoever comes has the role of an active that lives",
    arbiter(arbiter) {
      Object.defineProperty(arbiter, "isHeld", { get: () => false });
    },
  },
  {
    title: "the arbiter takes a standby's name for one that may take over for good",
    arbiter(arbiter) {
      const { nameStandby } = arbiter;
      arbiter.nameStandby = (actor, holder, standby) =>
        standby === null
          ? arbiter.renew(actor, holder).map((endMs) => endMs !== null)
          : nameStandby.call(arbiter, actor, holder, standby);
    },
  },
  {
    title: "a side that was handed the role forgets where the peers were",
    process(process) {
      const tell = process.tell.bind(process);
      process.tell = (event) => {
        if (event.event === "handover") process.positions = shifted(process.positions);
        tell(event);
      };
    },
  },
  {
    title: "a standby of another program counts what it would have written itself",
    hasOther: true,
    standby(standby) {
      const own = inside(standby);
      const begin = own.begin.bind(standby);
      own.begin = (record) => {
        begin(record);
        const { router, ledger } = own.machine!;
        const takeOutputs = router.takeOutputs.bind(router);
        const note = ledger.note.bind(ledger);
        let last = takeOutputs();
        router.takeOutputs = () => {
          last = takeOutputs();
          return last;
        };
        ledger.note = () => note(last);
      };
    },
  },
  {
    title: "an active that is alone keeps its gate closed",
    shell(_shell, hooks) {
      hooks.openGate = () => {};
    },
  },
];

/** Peers have acknowledged one octet less than they have. */
function shifted(positions: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(positions).map(([id, octets]) => [id, octets + 1]));
}
