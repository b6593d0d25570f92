/** Lists of routes: of the Loc-RIB, as searched for, and of a neighbor at each stage. */

import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Explained, get, type ShownRoute, withQuery } from "./api.ts";
import { ITEMS_MAX, usePieces } from "./ask.ts";
import { count, lineName } from "./format.ts";
import { PastOf, TimeField, timeOf } from "./past.tsx";
import { linkTo, type Place, searchOf } from "./place.ts";
import { type Column, Table } from "./table.tsx";
import { Ago, Nothing, Pill, type Tone, Wrong } from "./ui.tsx";

const PIECE = "200";

const TONES: Record<string, Tone> = {
  best: "ok",
  accepted: "quiet",
  rejected: "bad",
  advertised: "accent",
  valid: "ok",
  invalid: "bad",
};

const prefixColumn = (href: (route: ShownRoute) => string): Column<ShownRoute> => ({
  id: "prefix",
  name: "Prefix",
  cell: (route) => <a href={href(route)}>{route.prefix}</a>,
});
const neighborColumn: Column<ShownRoute> = {
  id: "neighbor",
  name: "From",
  cell: ({ neighbor, neighbor_as }) =>
    neighbor === "" ? (
      ""
    ) : (
      <a href={linkTo(["neighbors", neighbor])} title={`AS${neighbor_as}`}>
        {neighbor}
      </a>
    ),
};
const statusColumn: Column<ShownRoute> = {
  id: "status",
  name: "Status",
  cell: ({ status }) => <Pill tone={TONES[status] ?? "quiet"}>{status}</Pill>,
};
const validationColumn: Column<ShownRoute> = {
  id: "rpki",
  name: "RPKI",
  kind: "minor",
  cell: ({ rpki }) => (rpki === undefined ? "" : <Pill tone={TONES[rpki] ?? "quiet"}>{rpki}</Pill>),
};
const pathColumn: Column<ShownRoute> = {
  id: "path",
  name: "AS path",
  kind: "wide",
  cell: ({ as_path = "" }) => <span title={as_path}>{as_path}</span>,
};
const nextHopColumn: Column<ShownRoute> = {
  id: "next-hop",
  name: "Next hop",
  kind: "minor",
  cell: ({ next_hop = "" }) => next_hop,
};
const communitiesColumn: Column<ShownRoute> = {
  id: "communities",
  name: "Communities",
  kind: "wide minor",
  cell: (route) => {
    const { communities = [], large_communities = [], extended_communities = [] } = route;
    const all = [...communities, ...large_communities, ...extended_communities];
    return <span title={all.join(" ")}>{all.join(" ")}</span>;
  },
};
const sinceColumn: Column<ShownRoute> = {
  id: "since",
  name: "Since",
  kind: "num minor",
  cell: ({ since_ms }) => (since_ms === undefined ? "" : <Ago atMs={since_ms} />),
};
const reasonColumn: Column<ShownRoute> = {
  id: "reason",
  name: "Why",
  kind: "wide lead",
  cell: ({ reason }) =>
    reason === undefined ? (
      ""
    ) : (
      <span title={reason.text}>
        {reason.detail ?? reason.rule ?? reason.text}{" "}
        <small>{reason.source === undefined ? reason.code : lineName(reason.source)}</small>
      </span>
    ),
};

const NONE: Record<View, string> = {
  received: "No such route.",
  accepted: "No such route.",
  rejected: "No route of this neighbor is rejected.",
  advertised: "Nothing is exported to this neighbor.",
  "not-advertised": "Nothing that others have is kept from this neighbor.",
};

export type View = "received" | "accepted" | "rejected" | "advertised" | "not-advertised";

/** Routes of a neighbor in one of the views, or of the Loc-RIB. */
export function RouteList(props: {
  neighbor: string | null;
  view: View;
  query: Readonly<Record<string, string>>;
  /** As of when; now unless it is given. */
  time?: string;
}): JSX.Element {
  const { neighbor, view, query, time = "" } = props;
  const own: Record<string, string> = neighbor === null ? { view } : { neighbor, view };
  const path = time === "" ? "routes" : "record/routes";
  const list = usePieces<ShownRoute>(withQuery(path, { time, ...own, ...query, limit: PIECE }));
  const href = (route: ShownRoute) => {
    const direction = view === "advertised" || view === "not-advertised" ? "export" : "import";
    return linkTo(["explain"], {
      prefix: route.prefix,
      neighbor: neighbor ?? route.neighbor,
      direction,
      time,
    });
  };
  const columns = useMemo(() => columnsOf(neighbor, view, href), [neighbor, view, time]);
  return (
    <>
      {list.error === null ? null : <Wrong error={list.error} again={list.again} />}
      <Table
        label={neighbor === null ? "Routes" : `Routes ${view}`}
        columns={columns}
        items={list.items}
        keyOf={(route, index) => `${index} ${route.prefix}`}
        open={(route) => {
          location.hash = href(route);
        }}
        onEnd={list.hasMore ? list.more : undefined}
      />
      <p class="foot" role="status">
        {list.items.length === 0 && !list.isAsking && !list.hasMore
          ? NONE[view]
          : `${count(list.items.length)} routes`}
        {list.isAsking ? ", asking …" : list.hasMore ? ", more below" : ""}
        {list.items.length >= ITEMS_MAX ? "; there may be more: ask more precisely" : ""}
      </p>
    </>
  );
}

function columnsOf(
  neighbor: string | null,
  view: View,
  href: (route: ShownRoute) => string,
): Column<ShownRoute>[] {
  const prefix = prefixColumn(href);
  const rest = [nextHopColumn, communitiesColumn];
  if (neighbor === null && view === "accepted") {
    return [
      prefix,
      neighborColumn,
      statusColumn,
      validationColumn,
      pathColumn,
      ...rest,
      sinceColumn,
    ];
  }
  switch (view) {
    case "received":
      return [prefix, statusColumn, validationColumn, pathColumn, ...rest, sinceColumn];
    case "accepted":
      return [prefix, statusColumn, validationColumn, pathColumn, ...rest, sinceColumn];
    case "rejected":
      return [
        prefix,
        ...(neighbor === null ? [neighborColumn] : []),
        reasonColumn,
        { ...pathColumn, kind: "wide minor" },
        validationColumn,
        ...rest.slice(1),
        sinceColumn,
      ];
    case "advertised":
      return [prefix, neighborColumn, pathColumn, ...rest];
    case "not-advertised":
      return [
        prefix,
        {
          id: "why",
          name: "Why it is not exported",
          kind: "wide lead",
          cell: (route) => <Withheld route={route} neighbor={neighbor ?? ""} />,
        },
        neighborColumn,
        { ...pathColumn, kind: "wide minor" },
      ];
  }
}

/** Why a neighbor is not sent a prefix: asked when it is looked at, of the code that decides. */
function Withheld({ route, neighbor }: { route: ShownRoute; neighbor: string }): JSX.Element {
  const [explained, setExplained] = useState<Explained | Error | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const path = withQuery("explain", { prefix: route.prefix, neighbor, direction: "export" });
    get<Explained>(path, stop.signal).then(setExplained, (error) => {
      if (!stop.signal.aborted) setExplained(error as Error);
    });
    return () => stop.abort();
  }, [route.prefix, neighbor]);
  if (explained === null) return <span class="quiet">…</span>;
  if (explained instanceof Error) return <span class="quiet">{explained.message}</span>;
  const step = explained.paths[0]?.steps.find(({ passed }) => !passed);
  if (step === undefined) return <span>{explained.verdict}</span>;
  const { reason, text } = step;
  return (
    <span title={text}>
      {reason?.rule ?? text}{" "}
      <small>
        {reason?.source === undefined ? (reason?.code ?? step.step) : lineName(reason.source)}
      </small>
    </span>
  );
}

const MATCHES = [
  ["covered", "and inside it"],
  ["exact", "exactly"],
  ["covering", "and around it"],
  ["longest", "longest match"],
] as const;

/** Which routes: those that may be used, the best ones, and those that are not used. */
const SHOWN = [
  ["", "all paths"],
  ["best", "best"],
  ["rejected", "rejected"],
] as const;

const HISTORY = ["history", "history"] as const;

/** @param recordMs - since when the speaker records; null where it does not */
export function Routes({
  place,
  recordMs,
}: {
  place: Place;
  recordMs: number | null;
}): JSX.Element {
  const { q = "", match = "", show = "", reason = "", rpki = "" } = place.query;
  const time = timeOf(place.query["time"]);
  const go = (query: Record<string, string>) => {
    location.hash = linkTo(["routes"], { q, match, show, reason, rpki, time, ...query });
  };
  const search = q === "" ? {} : searchOf(q);
  const prefix = search?.["prefix"];
  const chosen = match || (prefix?.includes("/") === true ? "covered" : "longest");
  return (
    <div class="fill">
      <div class="bar">
        <h1>Routes</h1>
        <SearchField key={q} q={q} go={(text) => go({ q: text, match: "" })} />
        {prefix === undefined ? null : (
          <Choices
            name="Which prefixes"
            of={MATCHES}
            chosen={chosen}
            go={(to) => go({ match: to })}
          />
        )}
        {recordMs === null && time === "" ? null : (
          <TimeField key={time} time={time} go={(to) => go({ time: to })} />
        )}
        <Choices
          name="Which paths"
          of={recordMs === null || prefix === undefined ? SHOWN : [...SHOWN, HISTORY]}
          chosen={show}
          go={(to) => go({ show: to, reason: "" })}
        />
        <select
          aria-label="Origin validation"
          value={rpki}
          onChange={({ currentTarget }) => go({ rpki: currentTarget.value })}
        >
          <option value="">any validation</option>
          <option value="valid">valid</option>
          <option value="not-found">not found</option>
          <option value="invalid">invalid</option>
        </select>
        {reason === "" ? null : (
          <button type="button" onClick={() => go({ reason: "" })}>
            {reason} <span aria-hidden="true">✕</span>
            <span class="hidden">: any reason</span>
          </button>
        )}
      </div>
      {search === null ? (
        <Nothing>
          “{q}” is none of these: a prefix (11.2.0.0/16), an address (11.2.3.4), an AS (AS64501), a
          community (64500:1, 64500:1:2).
        </Nothing>
      ) : show === "history" && prefix !== undefined && recordMs !== null ? (
        <PastOf prefix={prefix} fromMs={recordMs} time={time} />
      ) : (
        <RouteList
          neighbor={null}
          time={time}
          view={show === "rejected" ? "rejected" : "accepted"}
          query={{
            ...search,
            ...(prefix === undefined ? {} : { match: chosen }),
            best: show === "best" ? "1" : "",
            ...{ reason, rpki },
          }}
        />
      )}
    </div>
  );
}

function SearchField({ q, go }: { q: string; go: (text: string) => void }): JSX.Element {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const { value } = event.currentTarget.elements.namedItem("q") as HTMLInputElement;
        go(value.trim());
      }}
    >
      <input
        name="q"
        type="search"
        aria-label="Prefix, address, AS or community"
        placeholder="prefix, address, AS, community"
        defaultValue={q}
      />
      <button type="submit">Search</button>
    </form>
  );
}

function Choices(props: {
  name: string;
  of: readonly (readonly [value: string, text: string])[];
  chosen: string;
  go: (value: string) => void;
}): JSX.Element {
  return (
    <fieldset class="choices">
      <legend class="hidden">{props.name}</legend>
      {props.of.map(([value, text]) => (
        <button
          key={value}
          type="button"
          aria-pressed={props.chosen === value}
          onClick={() => props.go(value)}
        >
          {text}
        </button>
      ))}
    </fieldset>
  );
}
