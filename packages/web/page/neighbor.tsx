/** One neighbor: its session, and its routes at each stage. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import {
  type NeighborDetail,
  type Page,
  post,
  type Rejection,
  reasonKey,
  type ShownNeighbor,
  type Whoami,
  withQuery,
} from "./api.ts";
import { useAsked } from "./ask.ts";
import { Confirm } from "./dialog.tsx";
import { count } from "./format.ts";
import { routesOf, StateOf } from "./neighbors.tsx";
import { linkTo, type Place, searchOf } from "./place.ts";
import { RouteList, type View } from "./routes.tsx";
import { Session } from "./session.tsx";
import { Nothing, Wrong } from "./ui.tsx";

const EVERY_MS = 5000;
const TABS = [
  "session",
  "received",
  "accepted",
  "rejected",
  "advertised",
  "not-advertised",
] as const;
type Tab = (typeof TABS)[number];
const NAMES: Record<Tab, string> = {
  received: "Received",
  accepted: "Accepted",
  rejected: "Rejected",
  advertised: "Exported",
  "not-advertised": "Not exported",
  session: "Session",
};

export function NeighborPage({ place, who }: { place: Place; who: Whoami }): JSX.Element {
  const address = place.path[1] ?? "";
  const asked = useAsked<NeighborDetail>(`neighbors/${encodeURIComponent(address)}`, EVERY_MS);
  const { data } = asked;
  const { view = "", q = "", reason = "" } = place.query;
  const tab = TABS.find((name) => name === view) ?? "session";
  return (
    <div class="fill">
      <nav class="crumbs" aria-label="Way here">
        <a href={linkTo(["neighbors"])}>Neighbors</a>
      </nav>
      <div class="bar">
        <h1>
          {data === null || data.description === "" ? address : data.description}
          {data === null ? null : (
            <small>
              {" "}
              {data.address === data.description ? "" : data.address} · AS{data.as}
            </small>
          )}
        </h1>
        {data === null ? null : <StateOf neighbor={data} />}
        {data === null ? null : <Actions neighbor={data} who={who} again={asked.again} />}
      </div>
      {asked.error === null ? null : <Wrong error={asked.error} again={asked.again} />}
      <nav class="tabs" aria-label="What of this neighbor">
        {TABS.filter((name) => name !== "not-advertised" || who.role !== "member").map((name) => (
          <a
            key={name}
            href={linkTo(["neighbors", address], { view: name })}
            aria-current={tab === name ? "page" : undefined}
          >
            {NAMES[name]}
            {data === null || name === "session" || name === "not-advertised" ? null : (
              <b>{count(routesOf(data, name))}</b>
            )}
          </a>
        ))}
        {tab === "session" ? null : (
          <Filter
            key={q}
            q={q}
            go={(word) => linkTo(["neighbors", address], { view: tab, q: word })}
          />
        )}
      </nav>
      {tab === "rejected" && who.role !== "member" ? (
        <Reasons address={address} reason={reason} />
      ) : null}
      {tab === "session" ? (
        data === null ? (
          <Nothing>…</Nothing>
        ) : (
          <Session neighbor={data} />
        )
      ) : (
        <RouteList
          key={tab}
          neighbor={address}
          view={tab as View}
          query={{ ...filterOf(q), reason }}
        />
      )}
    </div>
  );
}

/** @returns what a word in the field beside the tabs leaves of a list; all when it means nothing */
function filterOf(q: string): Record<string, string> {
  const search = searchOf(q) ?? {};
  if (!("prefix" in search)) return search;
  return { ...search, match: search["prefix"]!.includes("/") ? "covered" : "longest" };
}

function Filter({ q, go }: { q: string; go: (word: string) => string }): JSX.Element {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const { value } = event.currentTarget.elements.namedItem("q") as HTMLInputElement;
        location.hash = go(value.trim());
      }}
    >
      <input
        name="q"
        type="search"
        defaultValue={q}
        aria-label="Only this prefix, AS or community"
        placeholder="prefix, AS, community"
      />
    </form>
  );
}

/** Why its routes are rejected, to choose from. */
function Reasons({ address, reason }: { address: string; reason: string }): JSX.Element | null {
  const path = withQuery("rejections", { neighbor: address });
  const { data } = useAsked<Page<Rejection>>(path, 2 * EVERY_MS);
  if (data === null || data.items.length < 2) return null;
  const link = (chosen: string) =>
    linkTo(["neighbors", address], { view: "rejected", reason: chosen });
  return (
    <nav class="reason-choice" aria-label="Reason">
      <a href={link("")} aria-current={reason === "" ? "true" : undefined}>
        all
      </a>
      {data.items.map((item) => (
        <a
          key={reasonKey(item)}
          href={link(reasonKey(item))}
          aria-current={reason === reasonKey(item) ? "true" : undefined}
        >
          {item.rule ?? item.text} {count(item.count)}
        </a>
      ))}
    </nav>
  );
}

type Action = "refresh" | "reset" | "disable" | "enable" | "release";

function Actions(props: {
  neighbor: ShownNeighbor;
  who: Whoami;
  again: () => void;
}): JSX.Element | null {
  const { neighbor, who } = props;
  const [asking, setAsking] = useState<Action | null>(null);
  if (who.role !== "operator") return null;
  const { state, disabled, quarantine } = neighbor;
  const isUp = state === "Established";
  const possible: Action[] = [
    ...(isUp ? (["refresh", "reset"] as const) : []),
    disabled ? "enable" : "disable",
    ...(quarantine === null ? [] : (["release"] as const)),
  ];
  return (
    <div class="actions">
      {possible.map((action) => (
        <button key={action} type="button" onClick={() => setAsking(action)}>
          {action}
        </button>
      ))}
      {asking === null ? null : (
        <Confirm
          title={`${asking} ${neighbor.description || neighbor.address}?`}
          text={EFFECTS[asking]}
          hasReason={asking === "reset" || asking === "disable"}
          act={async (text) => {
            const path = `neighbors/${encodeURIComponent(neighbor.address)}/${asking}`;
            await post(path, text === "" ? {} : { text });
            props.again();
          }}
          close={() => setAsking(null)}
        />
      )}
    </div>
  );
}

const EFFECTS: Record<Action, string> = {
  refresh: "The neighbor is asked to send all its routes again. The session stays.",
  reset: "The session ends and comes up again.",
  disable: "The session ends and stays down until it is enabled.",
  enable: "Sessions with this neighbor are allowed again.",
  release: "It is no longer held down for the message that ended the program.",
};
