/**
 * The change log: which prefixes changed, in order, for any number of readers.
 *
 *     begin            cursor A        cursor B            end
 *       | r7 | r2 | r9 |  r2  | r4 | .. |  r7 | r1 | ..... |
 *         ^dead (r7 changed again later)
 *
 * It says that a prefix changed, not how: a reader looks at the tables. So a later change replaces
 * an unread one: an entry counts only while it is the last of its prefix, and a reader that lags
 * skips what was superseded. What no reader needs any more is dropped; when the ring is full, the
 * dead entries are squeezed out before it grows, so it never holds more than twice the prefixes.
 *
 * There are two lanes, each as in the picture: a reader is told what stands in the urgent one first.
 * A prefix that is changed again while it stands there stays there, whoever changed it.
 */

import { grown, resized } from "./columns.ts";
import type { PrefixRow } from "./prefix-table.ts";

/** All entries of a lane before `position` are read. */
interface Place {
  position: number;
}

/** A reader's places in the lanes. */
export interface Cursor {
  readonly urgent: Place;
  readonly bulk: Place;
}

/** Positions are stored in 31 bits; beyond this they are made to start over. */
const POSITION_MAX = 2 ** 30;
/** Entries of each lane that one `trim` drops. */
const TRIM_MAX = 1 << 14;
const RING_INITIAL = 1 << 12;
/** A ring that is longer is given back when nothing is in it. */
const RING_KEPT_MAX = 1 << 17;

/** Part of the log whose entries are read in order. */
export class Lane {
  readonly name: keyof Cursor;
  /** What `ChangeLog.last` has besides twice the position of an entry. */
  readonly mark: 2 | 3;
  ring: Uint32Array = new Uint32Array(RING_INITIAL);
  begin = 0;
  /** What positions lack, since they start over, to number entries by age; see `ChangeLog.mark`. */
  base = 0;
  /** Position of the next entry. */
  end = 0;
  /** Entries that are the last ones of their prefixes. */
  live = 0;

  constructor(name: keyof Cursor) {
    this.name = name;
    this.mark = name === "urgent" ? 3 : 2;
  }

  get length(): number {
    return this.end - this.begin;
  }
}

export class ChangeLog {
  private readonly urgent: Lane = new Lane("urgent");
  private readonly bulk: Lane = new Lane("bulk");
  /** Of each prefix's last entry: twice its position, plus 2, plus 1 in the urgent lane; else 0. */
  private last: Uint32Array = new Uint32Array(0);
  private readonly cursors: Cursor[] = [];
  private readonly positionMax: number;

  constructor(positionMax: number = POSITION_MAX) {
    this.positionMax = positionMax;
  }

  /** Memory in octets. */
  get octets(): number {
    return this.urgent.ring.byteLength + this.bulk.ring.byteLength + this.last.byteLength;
  }

  /** Entries that not all readers have read, or that were not dropped yet. */
  get length(): number {
    return this.urgent.length + this.bulk.length;
  }

  /** Starts a reader at the end of the log. */
  open(): Cursor {
    const cursor = { urgent: { position: this.urgent.end }, bulk: { position: this.bulk.end } };
    this.cursors.push(cursor);
    return cursor;
  }

  close(cursor: Cursor): void {
    const at = this.cursors.indexOf(cursor);
    if (at >= 0) this.cursors.splice(at, 1);
  }

  /** @returns a mark of what stands in the log now, for `isBehind` */
  mark(): number {
    return this.bulk.base + this.bulk.end;
  }

  /** @returns whether all readers have read what is not urgent and stood in the log at a mark */
  isBehind(mark: number): boolean {
    const { base, begin, length } = this.bulk;
    return length === 0 || base + begin >= mark;
  }

  /** @returns a mark of what stands in both lanes now, for `isRead` */
  ends(): readonly [urgent: number, bulk: number] {
    const { urgent, bulk } = this;
    return [urgent.base + urgent.end, bulk.base + bulk.end];
  }

  /** @returns whether all readers have read what stood in both lanes at a mark; time by their number */
  isRead([urgent, bulk]: readonly [urgent: number, bulk: number]): boolean {
    return this.isLaneRead(this.urgent, urgent) && this.isLaneRead(this.bulk, bulk);
  }

  private isLaneRead({ name, base, end }: Lane, mark: number): boolean {
    return this.cursors.every(({ [name]: { position } }) => {
      return position === end || base + position >= mark;
    });
  }

  /**
   * Notes a change of a prefix. Constant time but when the ring must grow.
   *
   * @param isUrgent - readers are to look at it before anything that is not
   */
  append(row: PrefixRow, capacity: number, isUrgent = false): void {
    if (row >= this.last.length) this.last = grown(this.last, capacity);
    const last = this.last[row]!;
    const lane = isUrgent || (last & 1) === 1 ? this.urgent : this.bulk;
    if (last !== 0) this.laneOf(last).live--;
    lane.live++;
    if (lane.length === lane.ring.length) this.makeRoom(lane);
    lane.ring[lane.end & (lane.ring.length - 1)] = row;
    this.last[row] = 2 * lane.end + lane.mark;
    lane.end++;
  }

  /**
   * Reads the next changed prefix.
   *
   * @returns its row, or 0 at the end of the log
   */
  next(cursor: Cursor): PrefixRow {
    return this.nextUrgent(cursor) || this.nextOf(this.bulk, cursor.bulk);
  }

  /** Reads the next prefix of the urgent lane. @returns its row, or 0 at the end of the lane */
  nextUrgent(cursor: Cursor): PrefixRow {
    const { urgent } = this;
    return cursor.urgent.position === urgent.end ? 0 : this.nextOf(urgent, cursor.urgent);
  }

  /** @returns how many entries a reader has not read, superseded ones included */
  lag(cursor: Cursor): number {
    return this.urgentLag(cursor) + this.bulk.end - cursor.bulk.position;
  }

  /** @returns how many of those are urgent */
  urgentLag(cursor: Cursor): number {
    return this.urgent.end - cursor.urgent.position;
  }

  /** @returns whether the log has an entry of this prefix, which a reader may not have read */
  has(row: PrefixRow): boolean {
    return row < this.last.length && this.last[row] !== 0;
  }

  /**
   * Drops what all readers have read, or the first 16,384 entries of it in each lane.
   *
   * @param dropped - called with every prefix that has no entry any more
   */
  trim(dropped: (row: PrefixRow) => void): void {
    this.trimLane(this.urgent, dropped);
    this.trimLane(this.bulk, dropped);
  }

  /** Has an entry of one prefix, if there is one, stand for another, of which there is none. */
  move(from: PrefixRow, to: PrefixRow): void {
    if (!this.has(from)) return;
    const last = this.last[from]!;
    const { ring } = this.laneOf(last);
    ring[((last >>> 1) - 1) & (ring.length - 1)] = to;
    this.last[to] = last;
    this.last[from] = 0;
  }

  /** Gives back what is held for prefixes from row `capacity` on, which have no entry. */
  fit(capacity: number): void {
    if (this.last.length > capacity) this.last = resized(this.last, capacity);
  }

  private trimLane(lane: Lane, dropped: (row: PrefixRow) => void): void {
    let to = Math.min(lane.end, lane.begin + TRIM_MAX);
    for (const cursor of this.cursors) to = Math.min(to, cursor[lane.name].position);
    const mask = lane.ring.length - 1;
    for (let position = lane.begin; position < to; position++) {
      const row = lane.ring[position & mask]!;
      if (this.last[row] !== 2 * position + lane.mark) continue;
      this.last[row] = 0;
      lane.live--;
      dropped(row);
    }
    lane.begin = to;
    if (lane.length === 0 && lane.ring.length > RING_KEPT_MAX) {
      lane.ring = new Uint32Array(RING_INITIAL);
    }
    if (lane.end > this.positionMax) this.makeRoom(lane);
  }

  private nextOf({ ring, end, mark }: Lane, place: Place): PrefixRow {
    const { last } = this;
    const mask = ring.length - 1;
    let { position } = place;
    while (position < end) {
      const row = ring[position & mask]!;
      const entry = 2 * position + mark;
      position++;
      if (last[row] === entry) {
        place.position = position;
        return row;
      }
    }
    place.position = position;
    return 0;
  }

  private laneOf(entry: number): Lane {
    return (entry & 1) === 1 ? this.urgent : this.bulk;
  }

  /** Squeezes the dead entries out, makes the ring longer if need be, and starts positions over. */
  private makeRoom(lane: Lane): void {
    const { name, ring } = lane;
    const { length } = ring;
    const room = new Uint32Array(lane.live > length >>> 1 ? 2 * length : length);
    const roomMask = room.length - 1;
    const places = this.cursors.map((cursor) => cursor[name]);
    const order = places.sort((a, b) => a.position - b.position);
    let next = 0;
    let to = 0;
    for (let position = lane.begin; position < lane.end; position++) {
      for (; next < order.length && order[next]!.position === position; next++) {
        order[next]!.position = to;
      }
      const row = ring[position & (length - 1)]!;
      if (this.last[row] !== 2 * position + lane.mark) continue;
      room[to & roomMask] = row;
      this.last[row] = 2 * to + lane.mark;
      to++;
    }
    for (; next < order.length; next++) order[next]!.position = to;
    lane.ring = room;
    // Entries that were squeezed out make those behind them younger, never older.
    lane.base += lane.begin;
    lane.begin = 0;
    lane.end = to;
  }
}
