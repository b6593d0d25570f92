/** What standbys keep on disk: a process that starts may go on with what the one before it had stored. */

import { type AnyRecord, FormatError, frameOf, LogReader } from "../../src/index.ts";
import { joined } from "../../src/octet-writer.ts";
import type { Chance } from "./chance.ts";
import type { Shell } from "./shell.ts";

const OWNER = { cluster: "", build: "" };

interface SimLog {
  /** Of the active that it came from. */
  readonly shell: Shell;
  readonly frames: Uint8Array[];
}

export class StandbyLogs {
  private readonly logs: Map<string, SimLog> = new Map();
  private readonly chance: Chance;

  constructor(chance: Chance) {
    this.chance = chance;
  }

  /** A side has stored a record of an active. */
  note(side: string, shell: Shell, record: AnyRecord): void {
    const { epoch } = shell.process;
    if (record.record === "image") {
      // A small state is one record.
      const head = { ...OWNER, side, active: shell.process.side, epoch, stream: 1 };
      this.logs.set(side, { shell, frames: [frameOf("logHead", head)] });
    }
    const isKept = ["image", "imageEnd", "bracket"].includes(record.record);
    if (isKept) this.logs.get(side)?.frames.push(frameOf(record.record, record as never));
  }

  /** @returns what a side has on disk, which may lack its end; null when that is nothing for this active */
  read(side: string, shell: Shell): LogReader | null {
    const log = this.logs.get(side);
    this.logs.delete(side);
    if (log?.shell !== shell) return null;
    const octets = joined(log.frames);
    const length = this.chance.oneIn(2) ? octets.length : this.chance.int(0, octets.length);
    const reader = new LogReader({ ...OWNER, side });
    try {
      reader.push(octets.subarray(0, length));
      while (reader.step());
      void reader.head;
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
    if (!shell.active.keepsFrom(reader.standby.number + 1)) return null;
    // It goes on behind that.
    this.logs.set(side, { shell, frames: [octets.slice(0, reader.octets)] });
    return reader;
  }
}
