/** All neighbors: found by a word, sorted by what is asked about. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Page, ShownNeighbor } from "./api.ts";
import { useAsked } from "./ask.ts";
import { count } from "./format.ts";
import { linkTo, type Place } from "./place.ts";
import { type Column, Table } from "./table.tsx";
import { Ago, Num, Pill, Wrong } from "./ui.tsx";

const EVERY_MS = 5000;

type Counted = "received" | "accepted" | "rejected" | "advertised";

export function routesOf({ families }: ShownNeighbor, what: Counted): number {
  return families.reduce((all, family) => all + family[what], 0);
}

function counted(what: Counted, kind: "num" | "num minor" = "num"): Column<ShownNeighbor> {
  return {
    id: what,
    name: what === "advertised" ? "Exported" : `${what[0]!.toUpperCase()}${what.slice(1)}`,
    kind,
    cell: (neighbor) => <Num value={routesOf(neighbor, what)} />,
    order: (neighbor) => routesOf(neighbor, what),
  };
}

export function StateOf({ neighbor }: { neighbor: ShownNeighbor }): JSX.Element {
  const { state, disabled, quarantine, families } = neighbor;
  if (quarantine?.held === true) return <Pill tone="bad">quarantine</Pill>;
  if (disabled) return <Pill tone="quiet">disabled</Pill>;
  if (state !== "Established") return <Pill tone="bad">{state}</Pill>;
  if (families.some(({ stale }) => stale !== null)) return <Pill tone="warn">stale routes</Pill>;
  return <Pill tone="ok">Established</Pill>;
}

const COLUMNS: readonly Column<ShownNeighbor>[] = [
  {
    id: "address",
    name: "Neighbor",
    cell: ({ address }) => <a href={linkTo(["neighbors", address])}>{address}</a>,
    order: ({ address }) => sortable(address),
  },
  { id: "as", name: "AS", kind: "num minor", cell: ({ as }) => as, order: ({ as }) => as },
  {
    id: "description",
    name: "Description",
    kind: "wide",
    cell: ({ description }) => description,
    order: ({ description }) => description.toLowerCase(),
  },
  {
    id: "state",
    name: "State",
    cell: (neighbor) => <StateOf neighbor={neighbor} />,
    order: ({ state, disabled }) => (disabled ? "z" : state === "Established" ? "y" : state),
  },
  {
    id: "since",
    name: "Since",
    kind: "num minor",
    cell: ({ since_ms, last_down }) => <Ago atMs={since_ms ?? last_down?.at_ms ?? null} />,
    order: ({ since_ms, last_down }) => -(since_ms ?? last_down?.at_ms ?? 0),
  },
  counted("received"),
  counted("accepted", "num minor"),
  counted("rejected"),
  counted("advertised", "num minor"),
  {
    id: "faults",
    name: "Faults",
    kind: "num minor",
    cell: ({ update_faults }) => <Num value={update_faults} />,
    order: ({ update_faults }) => update_faults,
  },
];

/** Addresses in order of their numbers; those of IPv4 first. */
function sortable(address: string): string {
  if (address.includes(":")) return `b${address}`;
  return `a${address
    .split(".")
    .map((part) => part.padStart(3, "0"))
    .join(".")}`;
}

export function Neighbors({ place }: { place: Place }): JSX.Element {
  const asked = useAsked<Page<ShownNeighbor>>("neighbors", EVERY_MS);
  const { word = "", state = "", sort = "address", down = "" } = place.query;
  const go = (query: Record<string, string>) => {
    location.replace(linkTo(["neighbors"], { word, state, sort, down, ...query }));
  };
  const [typed, setTyped] = useState(word);
  const all = asked.data?.items ?? [];
  const items = useMemo(
    () => shown(all, word, state, sort, down !== ""),
    [all, word, state, sort, down],
  );
  const up = all.filter((neighbor) => neighbor.state === "Established").length;
  return (
    <div class="fill">
      <div class="bar">
        <h1>Neighbors</h1>
        <label>
          <span class="hidden">Find by address, AS or description</span>
          <input
            type="search"
            placeholder="address, AS, description"
            value={typed}
            onInput={({ currentTarget }) => {
              setTyped(currentTarget.value);
              go({ word: currentTarget.value });
            }}
          />
        </label>
        <fieldset class="choices">
          <legend class="hidden">State</legend>
          {(["", "up", "down"] as const).map((choice) => (
            <button
              key={choice}
              type="button"
              aria-pressed={state === choice}
              onClick={() => go({ state: choice })}
            >
              {choice === ""
                ? `all ${count(all.length)}`
                : `${choice} ${count(choice === "up" ? up : all.length - up)}`}
            </button>
          ))}
        </fieldset>
      </div>
      {asked.error === null ? null : <Wrong error={asked.error} again={asked.again} />}
      <Table
        label="Neighbors"
        columns={COLUMNS}
        items={items}
        keyOf={({ address }) => address}
        open={({ address }) => {
          location.hash = linkTo(["neighbors", address]);
        }}
        sort={{ id: sort, isDown: down !== "" }}
        onSort={(id) =>
          go({ sort: id, down: sort === id ? (down === "" ? "1" : "") : isNumber(id) ? "1" : "" })
        }
      />
    </div>
  );
}

/** The most of something is what people look for. */
function isNumber(id: string): boolean {
  return ["received", "accepted", "rejected", "advertised", "faults"].includes(id);
}

function shown(
  all: readonly ShownNeighbor[],
  word: string,
  state: string,
  sort: string,
  isDown: boolean,
): ShownNeighbor[] {
  const wanted = word
    .trim()
    .toLowerCase()
    .replace(/^as(?=\d)/, "");
  const found = all.filter(({ address, as, description, state: now }) => {
    if (state !== "" && (now === "Established") !== (state === "up")) return false;
    return `${address} ${as} ${description}`.toLowerCase().includes(wanted);
  });
  const { order = () => 0 } = COLUMNS.find(({ id }) => id === sort) ?? {};
  const sign = isDown ? -1 : 1;
  return found.sort((a, b) => {
    const [first, second] = [order(a), order(b)];
    return sign * (first < second ? -1 : first > second ? 1 : 0);
  });
}
