/** `--cluster`: one member answers for all. A member that does not answer is named, on standard error. */

import type { OfMember, SilentMember } from "@ts-bgp/daemon";
import type { ShownNeighbor, ShownRoute } from "@ts-bgp/views";
import { type Arguments, EXIT, type Options, print } from "./command.ts";
import { askedOf, CONTROL_OPTIONS, exitCodeOf } from "./control-client.ts";
import { type Column, duration, TableWriter } from "./table.ts";

export const CLUSTER_OPTIONS: Options = { ...CONTROL_OPTIONS, cluster: { type: "boolean" } };

/** What is shown, with the member that it is of. */
type Of<T> = T & { readonly member: string };

interface Request {
  readonly command: string;
  readonly [argument: string]: unknown;
}

/** @returns the exit code: that of a refusal where a member has not answered */
async function askAll<T>(
  args: Arguments,
  { command, ...rest }: Request,
  item: (item: Of<T>) => void,
  end: () => void,
): Promise<number> {
  const silent: SilentMember[] = [];
  const code = await exitCodeOf(async () => {
    await askedOf(args)({ ...rest, command: "ask-cluster", ask: command }, (value) => {
      const said = value as OfMember<T> | SilentMember;
      if ("problem" in said) silent.push(said);
      else item({ member: said.member, ...said.item });
    });
    end();
  });
  for (const { member, problem, away_since_ms } of silent) {
    const away = away_since_ms === null ? "" : `, away for ${duration(Date.now() - away_since_ms)}`;
    process.stderr.write(`tsbgp: member ${member} has not answered: ${problem}${away}\n`);
  }
  return code === EXIT.OK && silent.length > 0 ? EXIT.NO : code;
}

/** Shows items as a table with a column more, or as a JSON array. */
class Shown<T> {
  private readonly isJson: boolean;
  private readonly table: TableWriter<Of<T>>;
  private count = 0;

  constructor(args: Arguments, columns: readonly Column<T>[]) {
    this.isJson = args.options["json"] === true;
    const member: Column<Of<T>> = { title: "Member", text: (each) => each.member };
    this.table = new TableWriter<Of<T>>([member, ...columns], print);
  }

  readonly add = (item: Of<T>): void => {
    if (this.isJson) print(`${this.count === 0 ? "[" : ","}${JSON.stringify(item)}`);
    else this.table.add(item);
    this.count++;
  };

  end(): void {
    this.table.end();
    if (this.isJson) print(this.count === 0 ? "[]" : "]");
    else if (this.count === 0) print("nothing");
  }
}

/**
 * Each neighbor as the member has it that its session is with; as this one does, where that one does not say it: it
 * has not answered to the end, or has not been reloaded and does not know it.
 */
export function neighborsOfAll(
  args: Arguments,
  columns: readonly Column<ShownNeighbor>[],
): Promise<number> {
  const shown = new Shown(args, columns);
  let self: string | null = null;
  const elsewhere: Of<ShownNeighbor>[] = [];
  const said = new Set<string>();
  const item = (neighbor: Of<ShownNeighbor>) => {
    self ??= neighbor.member;
    const { speaker, member } = neighbor;
    if (speaker === null) {
      said.add(neighbor.address);
      shown.add(neighbor);
    } else if (member === self) elsewhere.push({ ...neighbor, member: speaker });
  };
  return askAll<ShownNeighbor>(args, { command: "show-neighbors" }, item, () => {
    for (const neighbor of elsewhere) if (!said.has(neighbor.address)) shown.add(neighbor);
    shown.end();
  });
}

export function routesOfAll(
  args: Arguments,
  request: Request,
  columns: readonly Column<ShownRoute>[],
): Promise<number> {
  const shown = new Shown(args, columns);
  return askAll<ShownRoute>(args, request, shown.add, () => shown.end());
}

interface ShownMemberStatus {
  readonly version: string;
  readonly started_ms: number;
  readonly neighbors: number;
  readonly established: number;
}

const STATUS_COLUMNS: readonly Column<ShownMemberStatus>[] = [
  { title: "Version", text: ({ version }) => version },
  { title: "Running", text: ({ started_ms }) => duration(Date.now() - started_ms), right: true },
  { title: "Neighbors", text: ({ neighbors }) => String(neighbors), right: true },
  { title: "Established", text: ({ established }) => String(established), right: true },
];

export function statusOfAll(args: Arguments): Promise<number> {
  const shown = new Shown(args, STATUS_COLUMNS);
  const totals = { neighbors: 0, established: 0 };
  const item = (status: Of<ShownMemberStatus>) => {
    totals.neighbors += status.neighbors;
    totals.established += status.established;
    shown.add(status);
  };
  return askAll<ShownMemberStatus>(args, { command: "show-status" }, item, () => {
    shown.end();
    if (args.options["json"] === true) return;
    print(`Together: ${totals.established} of ${totals.neighbors} neighbors established`);
  });
}
