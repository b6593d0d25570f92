/** The last brackets of an active, for a standby that comes again with what it had. */

export class RecentBrackets {
  private readonly octetsMax: number;
  private readonly frames: Uint8Array[] = [];
  /** Place of the first one that is still kept, and its number. */
  private at = 0;
  private first = 1;
  private octets = 0;

  /** @param octetsMax - 0: none are kept */
  constructor(octetsMax: number) {
    this.octetsMax = octetsMax;
  }

  /** Whether there are any: who had all before them could go on with these. */
  get isGoing(): boolean {
    return this.octets > 0;
  }

  /**
   * A bracket was made.
   *
   * @param frame - null when nobody gets it: then nobody could go on behind it
   * @param isWatched - somebody follows: the oldest may go. Else the first that whoever has left lacks is among
   *   them, and without it all others are of no use
   */
  add(number: number, frame: Uint8Array | null, isWatched: boolean): void {
    if (this.octetsMax === 0) return;
    if (frame === null) {
      this.clear();
      return;
    }
    if (!this.isGoing) this.first = number;
    this.frames.push(frame);
    this.octets += frame.length;
    if (this.octets <= this.octetsMax) return;
    if (isWatched) this.dropOldest();
    else this.clear();
  }

  /**
   * @param from - number of the first that is wanted @param last - number of the last bracket
   * @returns all from there on; null when one of them is not kept
   */
  from(from: number, last: number): Uint8Array[] | null {
    const kept = this.frames.length - this.at;
    if (!this.isGoing || this.first + kept !== last + 1) return null;
    if (from < this.first || from > last + 1) return null;
    return this.frames.slice(this.at + from - this.first);
  }

  clear(): void {
    this.frames.length = 0;
    this.at = 0;
    this.octets = 0;
  }

  private dropOldest(): void {
    while (this.octets > this.octetsMax) {
      this.octets -= this.frames[this.at]!.length;
      this.frames[this.at++] = NOTHING;
      this.first++;
    }
    if (2 * this.at < this.frames.length) return;
    this.frames.splice(0, this.at);
    this.at = 0;
  }
}

const NOTHING = new Uint8Array(0);
