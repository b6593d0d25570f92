/**
 * One process of a side: it does what the machine of `@ts-bgp/pair` says, as `Pair` of the speaker does, and
 * may be killed anywhere.
 */

import {
  InTurn,
  newSide,
  type Side,
  type SideAction,
  type SideEvent,
  stepSide,
} from "@ts-bgp/pair";
import {
  frameOf,
  type LedgerConnection,
  Machine,
  Standby,
  type StandbyHooks,
} from "../../src/index.ts";
import type { Asker } from "./arbiter.ts";
import { Killed, run } from "./clock.ts";
import type { LinkEnd } from "./link.ts";
import { runOtherStandby } from "./other-version.ts";
import { Shell, type Tcp } from "./shell.ts";
import { HostTcp, type Kernel, type PeerTcp } from "./tcp.ts";
import type { World } from "./world.ts";

/** Time goes faster than outside. */
const WAITS_SHORTER = 8;
const LOOK_MS = 25;
/** Tries to have a role that was handed over. */
const HANDED_TRIES = 50;
/** An active that says nothing for so long may be gone. */
const SILENCE_MS = 60;
const PROBE_MS = 15;
const PROBES_MAX = 40;
/** Longest wait for the standby to have everything, and to take what it is given. */
const SETTLE_MS = 100;
const TAKEN_MS = 150;
/** What an active that runs has to say that it goes on alone. */
const UNDECLARE_MS = 1000;

/** By connection, how many octets the peer has acknowledged. */
type Positions = Readonly<Record<string, number>>;

/** The kernel of a process: its sockets, and the gate that is worked by the process. */
export class SideKernel implements Kernel {
  readonly actor: Process;
  readonly sockets: Map<PeerTcp, HostTcp> = new Map();
  gateIsClosed = false;
  /** This side has no role, or has given it away: nothing leaves it. */
  isSilent = true;
  /** Knows all connections that are about to be taken over: nothing leaves for them. */
  isTakingOver = false;

  constructor(actor: Process) {
    this.actor = actor;
  }

  get letsOut(): boolean {
    const { isDead, isPaused, leaseEndMs, world } = this.actor;
    if (this.isSilent) return false;
    const isOurs = world.arbiter.fence === "kill" || world.clock.nowMs < leaseEndMs;
    return !isDead && !isPaused && (isOurs || world.sabotage?.ignoresLease === true);
  }

  flush(): void {
    for (const socket of this.sockets.values()) socket.flush();
  }
}

export class Process implements Asker {
  readonly world: World;
  readonly side: string;
  /** Of this process among all. */
  readonly name: string;
  readonly machine: Side = newSide();
  kernel: SideKernel = new SideKernel(this);
  readonly putOff: (() => void)[] = [];
  isDead = false;
  isPaused = false;
  leaseEndMs = 0;
  /** Claims of this process, and which of them was answered last. */
  holder = "";
  shell: Shell | null = null;
  standby: Standby | null = null;
  link: LinkEnd | null = null;
  /** It is killed when it comes to this many points. */
  fuse = Number.POSITIVE_INFINITY;
  private heardMs = 0;
  private isWorking = false;
  /** How each connection was left, after a switchover. */
  positions: Positions = {};
  /** What was frozen here. */
  private frozen: Machine | null = null;
  private taken: ((isTaken: boolean) => void) | null = null;
  private readonly events: InTurn<SideEvent> = new InTurn((event) => {
    for (const action of stepSide(this.machine, event)) this.perform(action);
  });
  /** Longest time until it goes on with what is stored. */
  private readonly lazinessMs: number;
  /** What this host's clock is ahead of true time, and behind that of the router. */
  private offsetMs: number;

  constructor(world: World, side: string, number: number, skewMs: number) {
    this.world = world;
    this.side = side;
    this.name = `${side}${number}`;
    this.lazinessMs = world.chance.pick([2, 5, 200]);
    this.offsetMs = 1_700_000_000_000 + skewMs;
    world.sabotage?.process?.(this);
    this.after(world.chance.int(0, 20), () => this.tell({ event: "start" }));
  }

  get epoch(): number {
    return this.machine.epoch;
  }

  tell(event: SideEvent): void {
    if (!this.isDead) this.events.tell(event);
  }

  /** The time that the router is told. */
  get nowMs(): number {
    return this.world.clock.nowMs + this.offsetMs;
  }

  after(ms: number, act: () => void): void {
    this.world.clock.after(ms, this, act);
  }

  /** An instruction at which the process may be killed. */
  point(): void {
    if (--this.fuse >= 0) return;
    this.world.kill(this);
    throw new Killed();
  }

  die(): void {
    this.isDead = true;
    // Nobody answers the queue that all segments go through: not even a FIN leaves.
    for (const socket of this.kernel.sockets.values()) socket.isGone = true;
    this.link?.cut();
    this.shell?.link?.cut();
  }

  resume(): void {
    this.isPaused = false;
    this.kernel.flush();
    for (const act of this.putOff.splice(0)) this.world.clock.after(0, this, act);
  }

  /** The active has taken the link. @param standby - that goes on with what it has; null for a new one */
  follow(link: LinkEnd, standby: Standby | null): void {
    const hooks: StandbyHooks = {
      send: (frame) => {
        this.point();
        this.link?.send(frame);
      },
      differs: (number, what) => this.world.checks.differs(number, what),
      deviates: () => this.world.deviations++,
    };
    this.standby = standby ?? new Standby(hooks);
    standby?.follow(hooks);
    if (this.world.hasOther) runOtherStandby(this.standby, this);
    this.world.sabotage?.standby?.(this.standby, this);
    this.use(link);
  }

  /** Goes on over another link, if there is somebody to go on with; the one before may be good. */
  comeBack(): void {
    const active = this.world.activeOf(this);
    const next = this.machine.state === "following" ? (this.standby?.resume() ?? 0) : 0;
    if (active === null || next === 0) return;
    if (this.link !== null) {
      this.link.app = null;
      this.link.close();
    }
    this.use(this.world.comeBack(this, active, next));
  }

  private use(link: LinkEnd): void {
    const { chance } = this.world;
    const standby = this.standby!;
    this.link = link;
    this.heardMs = this.world.clock.nowMs;
    link.app = {
      record: (record) => {
        this.point();
        if (record.record === "handover") {
          this.positions = record.frozen as Positions;
          this.tell({ event: "handover", cause: "switchover" });
          return;
        }
        standby.record(record);
        const { shell } = this.world.activeOf(this) ?? {};
        if (shell != null) this.world.logs?.note(this.side, shell, record);
        this.world.checks.stored(standby);
        this.heardMs = this.world.clock.nowMs;
      },
      idle: () => {
        standby.acknowledge();
        this.work(standby, chance.int(0, this.lazinessMs));
      },
      closed: () => {
        this.link = null;
        if (!this.world.hasWays || chance.oneIn(4)) return;
        this.after(chance.int(0, 20), () => {
          if (this.link === null && this.standby === standby) this.comeBack();
        });
      },
    };
  }

  /** Runs stored brackets, now and then. */
  private work(standby: Standby, ms: number): void {
    if (this.isWorking) return;
    this.isWorking = true;
    const { chance } = this.world;
    this.after(this.world.isQuiet ? 1 : ms, () => {
      this.isWorking = false;
      if (this.standby !== standby || this.machine.state !== "following") return;
      let left = chance.int(0, 3);
      const more = standby.work(() => left-- > 0);
      this.point();
      standby.acknowledge();
      if (more) this.work(standby, chance.int(0, this.lazinessMs));
    });
  }

  private perform(action: SideAction): void {
    const { shell } = this;
    switch (action.do) {
      case "wait":
        this.after(action.ms / WAITS_SHORTER, () => this.tell({ event: "waited" }));
        break;
      case "claim":
        this.claim(action.how, 0);
        break;
      case "connect":
        this.after(1, () => this.connect());
        break;
      case "follow":
        this.follows();
        break;
      case "forget":
        this.frozen = null;
        // Whoever follows no more says so by the end of its link.
        this.link?.close();
        this.link = null;
        break;
      case "open":
        this.begin();
        break;
      case "resume":
        this.resumes();
        break;
      case "settle-in":
        if (action.tellTaken) this.tellTaken();
        break;
      case "lose-standbys":
        shell?.active.loseAll(action.reason, action.isSlow);
        break;
      case "stop-reading":
      case "go-on-reading":
        shell!.holdUp(action.do === "stop-reading");
        break;
      case "settle":
        this.settle(shell!);
        break;
      case "give":
        this.give(shell!);
        break;
      case "hand-over":
        this.handOver(shell!);
        break;
      case "fence":
        shell?.active.fence();
        this.lay();
        break;
      case "put-down":
        this.putDown(action.isFree);
        break;
      default:
        // Whoever joins, service addresses and orders are not in this world.
        break;
    }
  }

  private claim(how: "begin" | "take-over" | "handed" | "take-back", tries: number): void {
    const { arbiter } = this.world;
    const again = () => this.after(LOOK_MS / 5, () => this.claim(how, tries + 1));
    arbiter.claim(this, how).then((word) => {
      if (word !== null) {
        this.holder = word.holder;
        this.tell({ event: "role", epoch: word.epoch, reason: null });
      } else if (how === "take-over" && arbiter.isNamed(this.side)) again();
      else if (how === "handed" && tries < HANDED_TRIES) again();
      else if (how === "handed") this.tell({ event: "failed", reason: "not free" });
      else this.tell({ event: "role", epoch: null, reason: null });
    });
  }

  private connect(): void {
    const active = this.world.activeOf(this);
    if (active !== null && this.world.mayJoin(active)) this.tell({ event: "connected" });
    else this.tell({ event: "unreachable", reason: "no way" });
  }

  private follows(): void {
    const { world } = this;
    this.positions = {};
    const active = world.activeOf(this);
    if (active === null || !world.mayJoin(active)) {
      this.after(1, () => this.tell({ event: "lost", cause: "no way", isUsable: false }));
      return;
    }
    world.join(this, active);
    this.look(this.standby!);
  }

  /** Finds out that the active is gone, or of no use. */
  private look(standby: Standby): void {
    const { arbiter, clock } = this.world;
    if (this.standby !== standby || this.machine.state !== "following") return;
    const active = this.world.activeOf(this);
    const isSilent = active === null || active.isPaused || this.link === null;
    const silentMs = clock.nowMs - this.heardMs;
    const mayEnd = this.link === null || (isSilent && silentMs > SILENCE_MS);
    const isUsable = standby.follows !== null;
    const isOver =
      isSilent && mayEnd && (silentMs > UNDECLARE_MS || arbiter.isSilentOrAlone(this.side));
    const isLost = this.link === null && !this.world.hasWays && !arbiter.isNamed(this.side);
    if (isOver || isLost || (isSilent && mayEnd && !isUsable)) {
      const mayTakeOver = isUsable && arbiter.isNamed(this.side);
      this.tell({ event: "lost", cause: "silent", isUsable: mayTakeOver });
    } else this.after(LOOK_MS, () => this.look(standby));
  }

  private begin(): void {
    const { world } = this;
    const machine = new Machine(world.config, world.chance.int(0, 1 << 30));
    this.standby = null;
    this.link?.close();
    this.link = null;
    const shell = this.lead(machine);
    world.checks.begun(shell);
    world.serve(this);
    shell.run({ record: "start", nowMs: this.nowMs });
    shell.listen();
    this.tell({ event: "running" });
  }

  private lead(machine: Machine): Shell {
    const { world } = this;
    this.kernel.isSilent = false;
    this.leaseEndMs = world.arbiter.fence === "kill" ? Infinity : world.clock.nowMs + 200;
    this.shell = new Shell(this, machine, this.epoch);
    this.renew(this.shell);
    return this.shell;
  }

  private renew(shell: Shell): void {
    const { arbiter } = this.world;
    if (arbiter.fence === "kill" || shell !== this.shell) return;
    arbiter.renew(this, this.holder).then((endMs) => {
      if (shell !== this.shell) return;
      if (endMs === null) {
        this.roleLost();
        return;
      }
      this.leaseEndMs = endMs;
      this.kernel.flush();
      this.after(60, () => this.renew(shell));
    });
  }

  /** The arbiter has said so. */
  roleLost(): void {
    this.tell({ event: "hold", hold: "lost", reason: "another side has the role" });
  }

  /** Gives the role to the standby, when that has everything. */
  switchOver(): void {
    const { shell } = this;
    if (shell === null || !shell.isServing || this.machine.state !== "leading") return;
    const { state, reason } = shell.active;
    this.tell({ event: "switchover", refusal: state === "declared" ? null : (reason ?? "") });
  }

  private settle(shell: Shell): void {
    shell.slice();
    const giveUpMs = this.world.clock.nowMs + SETTLE_MS;
    const attempt = () => {
      if (shell !== this.shell) return;
      if (shell.isSettled) this.tell({ event: "settled", isSettled: true });
      else if (shell.active.state !== "declared" || this.world.clock.nowMs > giveUpMs) {
        this.tell({ event: "settled", isSettled: false });
      } else this.after(1, attempt);
    };
    this.after(0, attempt);
  }

  private give(shell: Shell): void {
    const { world, side } = this;
    this.positions = shell.freeze();
    this.frozen = shell.journal.machine;
    // The rules stay, and nobody answers the queue any more.
    this.kernel.isSilent = true;
    this.point();
    world.trace(() => `${side} hands over`);
    world.arbiter.give(this, this.holder).then((isOurs) => {
      this.point();
      this.tell({ event: "gave", isOurs, reason: null });
    });
  }

  private handOver(shell: Shell): void {
    const { world, epoch } = this;
    const { number } = shell.active;
    world.handingOver(shell.link);
    shell.link?.send(frameOf("handover", { number, epoch, frozen: this.positions }));
    this.taken = (isTaken) => {
      this.taken = null;
      if (isTaken) this.frozen = null;
      shell.link?.close();
      this.lay();
      this.tell({ event: "taken", isTaken });
    };
    this.after(TAKEN_MS, () => this.taken?.(false));
  }

  /** The standby acts. */
  heardTaken(): void {
    this.taken?.(true);
  }

  private tellTaken(): void {
    const { number } = this.standby ?? { number: 0 };
    this.link?.send(frameOf("handoverTaken", { number, resumed: 0, lost: [] }));
    const { link } = this;
    this.link = null;
    this.after(TAKEN_MS, () => link?.close());
  }

  /** What this side had as the active one is over: nothing leaves it, and nothing comes of it. */
  private lay(): void {
    this.shell?.freeze();
    for (const socket of this.kernel.sockets.values()) socket.isGone = true;
    this.shell?.link?.close();
    this.shell = null;
    this.kernel = new SideKernel(this);
  }

  private putDown(isFree: boolean): void {
    this.lay();
    this.link?.close();
    this.link = null;
    const down = () => this.after(5, () => this.tell({ event: "down" }));
    if (isFree && this.holder !== "") this.world.arbiter.release(this, this.holder).then(down);
    else down();
  }

  private resumes(): void {
    const { world, standby, frozen, positions } = this;
    this.frozen = null;
    this.positions = {};
    if (frozen !== null) {
      this.goOn(frozen, positions);
      return;
    }
    const machine = standby!.finish();
    if (!this.machine.isPlanned) {
      this.link?.close();
      this.link = null;
    }
    if (machine === null) {
      this.tell({ event: "differs", reason: "the state differs" });
      return;
    }
    this.point();
    // The router's time goes on from where it was, whatever the clock of this host says.
    this.offsetMs = machine.router.tables.nowMs - world.clock.nowMs;
    world.checks.takingOver(standby!, machine);
    this.goOn(machine, positions);
  }

  /** Gives all connections of a machine sockets here. */
  private goOn(machine: Machine, positions: Positions): void {
    const { world } = this;
    const shell = this.lead(machine);
    this.kernel.isTakingOver = true;
    world.serve(this);
    const { connections, attempts } = machine.ledger;
    let left = connections.size;
    const done = () => {
      if (--left > 0 || shell !== this.shell) return;
      this.kernel.isTakingOver = false;
      shell.listen();
      for (const [id, { neighbor }] of attempts) shell.connect(id, neighbor);
      shell.schedule();
      this.tell({ event: "running" });
    };
    left++;
    for (const connection of connections.values()) {
      this.restore(shell, connection, positions[connection.id] ?? null, done);
    }
    done();
  }

  /** Gives a connection a socket again: asks the peer where it is, and goes on from there. */
  private restore(
    shell: Shell,
    connection: LedgerConnection,
    position: number | null,
    done: () => void,
  ): void {
    const { world, kernel } = this;
    const { send, received, id } = connection;
    const tcp = connection.tcp as Tcp;
    const peer = shell.endpointOf(tcp);
    const lost = () => {
      shell.run({ record: "closed", connection: id, nowMs: this.nowMs });
      done();
    };
    this.point();
    if (received < tcp.acked) {
      // The peer will not send again what it was told to have arrived.
      lost();
      return;
    }
    const asking = new HostTcp(world.net, kernel, peer, received, send.appended);
    kernel.sockets.set(peer, asking);
    let isOver = false;
    const once = (act: () => void) => {
      if (isOver) return;
      isOver = true;
      run(this, act);
    };
    asking.app = { readable() {}, writable() {}, ended: () => once(lost) };
    const answer = (ack: number) =>
      once(() => {
        this.point();
        world.checks.resuming(connection, ack);
        asking.isGone = true;
        const socket = asking.continueAt(
          world.sabotage?.resumesAtEnd === true ? send.appended : ack,
        );
        kernel.sockets.set(peer, socket);
        shell.resumed(connection, socket);
        for (const piece of send.from(socket.una)) socket.write(piece);
        done();
      });
    asking.onAnswer = answer;
    if (position !== null) {
      asking.onAnswer = null;
      answer(position);
      return;
    }
    let probes = 0;
    const probe = () => {
      if (isOver) return;
      if (probes++ < PROBES_MAX) {
        asking.probe();
        this.after(PROBE_MS, probe);
      } else once(lost);
    };
    probe();
  }
}
