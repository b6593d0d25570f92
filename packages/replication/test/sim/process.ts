/** One process of a side: it looks for a role, follows, takes over, serves, and may be killed anywhere. */

import { frameOf, type LedgerConnection, Machine, Standby } from "../../src/index.ts";
import { type Actor, Killed, run } from "./clock.ts";
import type { LinkEnd } from "./link.ts";
import { Shell, type Tcp } from "./shell.ts";
import { HostTcp, type Kernel, type PeerTcp } from "./tcp.ts";
import type { World } from "./world.ts";

const SEEK_MS = 25;
/** An active that says nothing for so long may be gone. */
const SILENCE_MS = 60;
const PROBE_MS = 15;
const PROBES_MAX = 40;
/** Longest wait for the standby to have everything, and to take what it is given. */
const SETTLE_MS = 100;
const TAKEN_MS = 150;

/** By connection, how many octets the peer has acknowledged. */
type Positions = Readonly<Record<string, number>>;

/** The kernel of a process: its sockets, and the gate that is worked by the process. */
export class SideKernel implements Kernel {
  readonly actor: Process;
  readonly sockets: Map<PeerTcp, HostTcp> = new Map();
  gateIsClosed = false;
  /** The role is given away. */
  isSilent = false;
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

export class Process implements Actor {
  readonly world: World;
  readonly side: string;
  kernel: SideKernel = new SideKernel(this);
  readonly putOff: (() => void)[] = [];
  isDead = false;
  isPaused = false;
  epoch = 0;
  leaseEndMs = 0;
  shell: Shell | null = null;
  standby: Standby | null = null;
  link: LinkEnd | null = null;
  /** It is killed when it comes to this many points. */
  fuse = Number.POSITIVE_INFINITY;
  private heardMs = 0;
  private isAsking = false;
  private isDenied = false;
  private isWorking = false;
  /** Longest time until it goes on with what is stored. */
  private readonly lazinessMs: number;
  /** What this host's clock is ahead of true time, and behind that of the router. */
  private offsetMs: number;

  constructor(world: World, side: string, skewMs: number) {
    this.world = world;
    this.side = side;
    this.lazinessMs = world.chance.pick([2, 5, 200]);
    this.offsetMs = 1_700_000_000_000 + skewMs;
    this.after(world.chance.int(0, 20), () => this.seek());
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

  /** The active has taken the link. */
  follow(link: LinkEnd): void {
    this.standby = new Standby({
      send: (frame) => {
        this.point();
        this.link?.send(frame);
      },
      differs: (number, what) => this.world.checks.differs(number, what),
    });
    this.world.sabotage?.standby?.(this.standby, this);
    this.use(link);
  }

  /** Goes on over another link, if there is somebody to go on with; the one before may be good. */
  comeBack(): void {
    const active = this.world.activeOf(this);
    const next = this.shell === null ? (this.standby?.resume() ?? 0) : 0;
    if (active === null || next === 0 || this.isAsking) return;
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
        if (record.record === "handover") this.handedOver(record.frozen as Positions);
        standby.record(record);
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
      if (this.standby !== standby || this.shell !== null) return;
      let left = chance.int(0, 3);
      const more = standby.work(() => left-- > 0);
      this.point();
      standby.acknowledge();
      if (more) this.work(standby, chance.int(0, this.lazinessMs));
    });
  }

  /** Looks for a role until it is the active one. */
  private seek(): void {
    if (this.shell !== null) return;
    this.after(SEEK_MS, () => this.seek());
    const { arbiter, clock } = this.world;
    if (this.isAsking) return;
    const active = this.world.activeOf(this);
    const isSilent = active === null || active.isPaused || this.link === null;
    if (this.link !== null && !(isSilent && clock.nowMs > this.heardMs + SILENCE_MS)) return;
    const hasState = this.standby?.follows != null;
    if (hasState && !this.isDenied) {
      this.isAsking = true;
      arbiter.takeOver(this, this.side).then((roles) => {
        this.isAsking = false;
        this.isDenied = roles === null;
        if (roles !== null) this.takeOver(roles.epoch);
      });
      return;
    }
    this.isDenied = false;
    if (this.link !== null) return;
    if (active !== null && this.world.join(this, active)) return;
    this.isAsking = true;
    arbiter.acquire(this, this.side, hasState).then((roles) => {
      this.isAsking = false;
      if (roles !== null) this.begin(roles.epoch);
    });
  }

  private begin(epoch: number): void {
    const { world } = this;
    const machine = new Machine(world.config, world.chance.int(0, 1 << 30));
    this.standby = null;
    const shell = this.lead(machine, epoch);
    world.checks.begun(shell);
    world.serve(this);
    shell.run({ record: "start", nowMs: this.nowMs });
    shell.listen();
  }

  private lead(machine: Machine, epoch: number): Shell {
    const { world } = this;
    this.epoch = epoch;
    this.leaseEndMs = world.arbiter.fence === "kill" ? Infinity : world.clock.nowMs + 200;
    this.shell = new Shell(this, machine, epoch);
    this.renew();
    return this.shell;
  }

  private renew(): void {
    const { arbiter } = this.world;
    if (arbiter.fence === "kill") return;
    arbiter.renew(this, this.side, this.epoch).then((endMs) => {
      if (endMs === null) {
        this.shell?.active.fence();
        this.end();
      }
      this.leaseEndMs = endMs;
      this.kernel.flush();
      this.after(60, () => this.renew());
    });
  }

  /** Gives the role to the standby, when that has everything. */
  switchOver(): void {
    const { shell } = this;
    if (shell === null || !shell.isServing || shell.active.state !== "declared") return;
    shell.holdUp(true);
    shell.slice();
    const giveUpMs = this.world.clock.nowMs + SETTLE_MS;
    const attempt = () => {
      if (shell.isSettled) this.handOver(shell);
      else if (shell.active.state !== "declared" || this.world.clock.nowMs > giveUpMs) {
        shell.holdUp(false);
      } else this.after(1, attempt);
    };
    attempt();
  }

  private handOver(shell: Shell): void {
    const { world, side, epoch } = this;
    const positions = shell.freeze();
    // The rules stay, and nobody answers the queue any more.
    this.kernel.isSilent = true;
    this.point();
    world.trace(() => `${side} hands over`);
    world.arbiter.handOver(this, side, epoch).then((isOurs) => {
      if (!isOurs) this.end();
      this.point();
      const { number } = shell.active;
      world.handingOver(shell.link);
      shell.link?.send(frameOf("handover", { number, epoch, frozen: positions }));
      this.after(TAKEN_MS, () => {
        world.arbiter.takeBack(this, side, epoch).then((roles) => {
          shell.link?.close();
          if (roles === null) this.end();
          world.trace(() => `${side} takes its role back`);
          this.kernel = new SideKernel(this);
          this.shell = null;
          this.goOn(shell.journal.machine, roles!.epoch, positions);
        });
      });
    });
  }

  /** Another side is active: this process is of no use any more. */
  private end(): never {
    this.world.kill(this);
    throw new Killed();
  }

  private handedOver(positions: Positions): void {
    if (this.isAsking) return;
    this.isAsking = true;
    this.world.arbiter.takeOver(this, this.side).then((roles) => {
      this.isAsking = false;
      if (roles !== null) this.takeOver(roles.epoch, positions);
    });
  }

  private takeOver(epoch: number, positions: Positions = {}): void {
    const { world } = this;
    const standby = this.standby!;
    const machine = standby.finish();
    this.link?.close();
    this.link = null;
    if (machine === null) {
      this.begin(epoch);
      return;
    }
    this.point();
    // The router's time goes on from where it was, whatever the clock of this host says.
    this.offsetMs = machine.router.tables.nowMs - world.clock.nowMs;
    world.checks.takingOver(standby, machine);
    this.goOn(machine, epoch, positions);
  }

  /** Gives all connections of a machine sockets here. */
  private goOn(machine: Machine, epoch: number, positions: Positions): void {
    const { world } = this;
    const shell = this.lead(machine, epoch);
    this.kernel.isTakingOver = true;
    world.serve(this);
    const { connections, attempts } = machine.ledger;
    let left = connections.size;
    const done = () => {
      if (--left > 0) return;
      this.kernel.isTakingOver = false;
      shell.listen();
      for (const [id, { neighbor }] of attempts) shell.connect(id, neighbor);
      shell.schedule();
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
        socket.write(send.from(socket.una));
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
