/** What there is, on one screen: sessions, routes, why routes are rejected, and how much goes on. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import {
  type Page,
  type Rejection,
  reasonKey,
  type ShownNeighbor,
  type ShownNsr,
  type Status,
} from "./api.ts";
import { useAsked } from "./ask.ts";
import { count, duration, familyName, lineName } from "./format.ts";
import type { ShownNews } from "./news.ts";
import { linkTo } from "./place.ts";
import { type Line, Plot } from "./plot.tsx";
import { Ago, Figure, Nothing, Num, Panel, Pill, Share, Wrong } from "./ui.tsx";

interface History {
  every_ms: number;
  points: HistoryPoint[];
}

interface HistoryPoint {
  at_ms: number;
  updates_received: number;
  updates_sent: number;
  neighbors: number;
  established: number;
  received: number;
  accepted: number;
  prefixes: Record<string, number>;
}

const EVERY_MS = 5000;

export function Overview({
  status,
  news,
}: {
  status: Status;
  news: readonly ShownNews[];
}): JSX.Element {
  const history = useAsked<History>("history", EVERY_MS);
  const neighbors = useAsked<Page<ShownNeighbor>>("neighbors", 2 * EVERY_MS);
  const nsr = useAsked<ShownNsr>("nsr", EVERY_MS);
  const rejections = useAsked<Page<Rejection>>("rejections", 4 * EVERY_MS);
  const error = history.error ?? neighbors.error ?? rejections.error;
  return (
    <>
      <h1>Overview</h1>
      {error === null ? null : <Wrong error={error} again={history.again} />}
      <Figures status={status} history={history.data} nsr={nsr.data} />
      <div class="panels">
        <Panel title="Updates a second" wide>
          <Updates history={history.data} />
        </Panel>
        <div class="column">
          <Panel title="Rejected, by reason" aside={<Total rejections={rejections.data} />}>
            <Rejections items={rejections.data?.items ?? null} />
          </Panel>
          <Panel title="Not established">
            <Down items={neighbors.data?.items ?? null} />
          </Panel>
        </div>
        <div class="column">
          <Panel title="Routes">
            <RoutesOverTime history={history.data} />
          </Panel>
          <Panel title="News">
            <NewsList items={news} />
          </Panel>
        </div>
      </div>
    </>
  );
}

function Figures(props: {
  status: Status;
  history: History | null;
  nsr: ShownNsr | null;
}): JSX.Element {
  const { status, nsr } = props;
  const last = props.history?.points.at(-1) ?? null;
  const down = status.neighbors - status.established;
  const rejected = last === null ? 0 : last.received - last.accepted;
  const prefixes = Object.entries(last?.prefixes ?? {});
  const share = last === null || last.received === 0 ? 0 : (100 * rejected) / last.received;
  return (
    <div class="figures">
      <Figure
        label="Sessions"
        value={
          <>
            {count(status.established)}
            <small> of {count(status.neighbors)}</small>
          </>
        }
        note={down === 0 ? "all established" : `${count(down)} not established`}
        tone={down === 0 ? "ok" : "warn"}
        href={linkTo(["neighbors"])}
      />
      <Figure
        label="Prefixes"
        value={last === null ? "…" : count(prefixes.reduce((all, [, value]) => all + value, 0))}
        note={prefixes
          .map(([family, value]) => `${familyName(family)} ${count(value)}`)
          .join(" · ")}
        href={linkTo(["routes"])}
      />
      <Figure
        label="Routes accepted"
        value={last === null ? "…" : count(last.accepted)}
        note={last === null ? "" : `of ${count(last.received)} received`}
      />
      <Figure
        label="Rejected"
        value={last === null ? "…" : count(rejected)}
        note={`${share < 10 ? share.toFixed(1) : Math.round(share)} % of received`}
        tone={rejected === 0 ? "ok" : "warn"}
      />
      <NsrFigure nsr={nsr} />
      <Figure
        label="Up for"
        value={<Ago atMs={status.started_ms} />}
        note={`version ${status.version}`}
      />
    </div>
  );
}

function NsrFigure({ nsr }: { nsr: ShownNsr | null }): JSX.Element {
  const href = linkTo(["nsr"]);
  if (nsr === null) return <Figure label="Nonstop routing" value="…" note="" href={href} />;
  const { ready, role, sessions, last_switchover: last } = nsr;
  if (role === "simplex") {
    return (
      <Figure label="Nonstop routing" value="none" note="no standby" tone="quiet" href={href} />
    );
  }
  if (role === "mirror") {
    return (
      <Figure label="Mirror of" value={nsr.peer.side} note={nsr.side} tone="quiet" href={href} />
    );
  }
  const silence = last === null ? "" : `, last silence ${duration(last.ms.silence)}`;
  return (
    <Figure
      label="Nonstop routing"
      value={ready ? "ready" : "not ready"}
      note={`${nsr.protected} of ${sessions} protected${silence}`}
      tone={ready ? "ok" : "bad"}
      href={href}
    />
  );
}

/** Of what was counted at each point, how much was added in a second. */
function perSecond(
  points: readonly HistoryPoint[],
  read: (point: HistoryPoint) => number,
): (number | null)[] {
  return points.slice(1).map((point, k) => {
    const before = points[k]!;
    const seconds = (point.at_ms - before.at_ms) / 1000;
    const added = read(point) - read(before);
    // Counters begin anew with another process.
    return added < 0 || seconds <= 0 ? null : added / seconds;
  });
}

function Updates({ history }: { history: History | null }): JSX.Element {
  const [times, lines] = useMemo((): [number[], Line[]] => {
    const points = history?.points ?? [];
    return [
      points.slice(1).map(({ at_ms }) => at_ms / 1000),
      [
        {
          name: "received",
          color: "accent",
          values: perSecond(points, (point) => point.updates_received),
        },
        { name: "sent", color: "second", values: perSecond(points, (point) => point.updates_sent) },
      ],
    ];
  }, [history]);
  return <Plot label="UPDATE messages a second" times={times} lines={lines} />;
}

function RoutesOverTime({ history }: { history: History | null }): JSX.Element {
  const [times, lines] = useMemo((): [number[], Line[]] => {
    const points = history?.points ?? [];
    return [
      points.map(({ at_ms }) => at_ms / 1000),
      [
        { name: "accepted", color: "accent", values: points.map(({ accepted }) => accepted) },
        {
          name: "rejected",
          color: "warn",
          values: points.map(({ received, accepted }) => received - accepted),
        },
      ],
    ];
  }, [history]);
  return <Plot label="Routes" times={times} lines={lines} heightPx={140} />;
}

function Total({ rejections }: { rejections: Page<Rejection> | null }): JSX.Element | null {
  if (rejections === null) return null;
  return <>{count(rejections.items.reduce((all, { count: own }) => all + own, 0))} routes</>;
}

function Rejections({ items }: { items: readonly Rejection[] | null }): JSX.Element {
  if (items === null) return <Nothing>…</Nothing>;
  if (items.length === 0) return <Nothing>No route is rejected.</Nothing>;
  const most = Math.max(...items.map((item) => item.count));
  return (
    <ul class="reasons">
      {items.slice(0, 12).map((item) => (
        <li key={reasonKey(item)}>
          <span class="what">
            <a href={linkTo(["routes"], { show: "rejected", reason: reasonKey(item) })}>
              {item.rule ?? item.text}
            </a>
            <small title={item.source}>
              {item.source === undefined ? item.code : lineName(item.source)}
            </small>
          </span>
          <Num value={item.count} />
          <Share value={item.count} of={most} tone="warn" />
          <small>
            {count(item.neighbors)} neighbor{item.neighbors === 1 ? "" : "s"}
          </small>
        </li>
      ))}
    </ul>
  );
}

function Down({ items }: { items: readonly ShownNeighbor[] | null }): JSX.Element {
  if (items === null) return <Nothing>…</Nothing>;
  const down = items.filter(({ state }) => state !== "Established");
  if (down.length === 0) return <Nothing>All sessions are established.</Nothing>;
  return (
    <ul class="lines">
      {down.slice(0, 12).map(({ address, as, description, disabled, last_down, state }) => (
        <li key={address}>
          <a href={linkTo(["neighbors", address])}>{description || address}</a>{" "}
          <small>AS{as}</small>{" "}
          <Pill tone={disabled ? "quiet" : "bad"}>{disabled ? "disabled" : state}</Pill>
          <small class="why">
            {last_down === null ? (
              "no session yet"
            ) : (
              <>
                {last_down.reason}, <Ago atMs={last_down.at_ms} /> ago
              </>
            )}
          </small>
        </li>
      ))}
      {down.length > 12 ? (
        <li>
          <a href={linkTo(["neighbors"], { state: "down" })}>{count(down.length - 12)} more</a>
        </li>
      ) : null}
    </ul>
  );
}

function NewsList({ items }: { items: readonly ShownNews[] }): JSX.Element {
  if (items.length === 0)
    return <Nothing>Nothing has happened since this page was opened.</Nothing>;
  return (
    <ol class="lines" aria-live="polite">
      {items.slice(0, 12).map((item) => (
        <li key={item.key}>
          <Pill tone={item.level === "error" ? "bad" : item.level === "warn" ? "warn" : "quiet"}>
            {item.id}
          </Pill>{" "}
          {item.neighbor === null ? null : (
            <a href={linkTo(["neighbors", item.neighbor])}>{item.neighbor}</a>
          )}
          <small class="why">
            {item.message}, <Ago atMs={item.at_ms} /> ago
          </small>
        </li>
      ))}
    </ol>
  );
}
