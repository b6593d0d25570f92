/**
 * Lines of the log about members that a list in etcd has. Whoever can write there can have links fail as often as they
 * like: each member that neighbors are of has room for lines of its own, and all others have room together.
 */

import { FewLines } from "@ts-bgp/nsr/few-lines";

type Level = "info" | "warn";
type Say = (level: Level, message: string) => void;
type Lines = Readonly<Record<Level, FewLines>>;

export class MemberLines {
  private readonly out: Say;
  private readonly ofOthers: Lines;
  private named: ReadonlyMap<string, Lines> = new Map();

  constructor(out: Say) {
    this.out = out;
    this.ofOthers = this.newLines();
  }

  /** @param names - of members that neighbors are of */
  name(names: Iterable<string>): void {
    const { named } = this;
    this.named = new Map([...names].map((name) => [name, named.get(name) ?? this.newLines()]));
  }

  say(member: string, level: Level, message: string): void {
    (this.named.get(member) ?? this.ofOthers)[level].say(message);
  }

  private newLines(): Lines {
    const { out } = this;
    const lines = (level: Level) => new FewLines((message) => out(level, message));
    return { info: lines("info"), warn: lines("warn") };
  }
}
