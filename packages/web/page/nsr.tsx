/** Nonstop routing: whether the standby can take over, for whom, and how the last time went. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post, type ShownNsr, type Whoami } from "./api.ts";
import { useAsked } from "./ask.ts";
import { Confirm } from "./dialog.tsx";
import { count, duration, octets, when } from "./format.ts";
import { linkTo } from "./place.ts";
import { type Column, Table } from "./table.tsx";
import { Ago, Facts, Nothing, Panel, Pill, Wrong } from "./ui.tsx";

const EVERY_MS = 2000;

export function Nsr({ who }: { who: Whoami }): JSX.Element {
  const asked = useAsked<ShownNsr>("nsr", EVERY_MS);
  const [isAsking, setAsking] = useState(false);
  const { data } = asked;
  return (
    <>
      <div class="bar">
        <h1>Nonstop routing</h1>
        {data === null ? null : <Readiness nsr={data} />}
        {data?.role === "active" && who.role === "operator" ? (
          <button type="button" disabled={!data.ready} onClick={() => setAsking(true)}>
            Switch over
          </button>
        ) : null}
      </div>
      {isAsking ? (
        <Confirm
          title="Switch over?"
          text="The standby takes over the connections of all protected sessions. Neighbors should notice nothing; this page is served by this side, and may then be that of a standby."
          act={async () => {
            await post("switchover");
            asked.again();
          }}
          close={() => setAsking(false)}
        />
      ) : null}
      {asked.error === null ? null : <Wrong error={asked.error} again={asked.again} />}
      {data === null ? (
        <Nothing>…</Nothing>
      ) : data.role === "mirror" ? (
        <Nothing>{data.reason}</Nothing>
      ) : data.role === "simplex" && data.cluster === "" ? (
        <NoPair />
      ) : (
        <Pair nsr={data} />
      )}
    </>
  );
}

function NoPair(): JSX.Element {
  return (
    <Nothing>
      This speaker runs alone: its configuration has no section nsr. With a standby, the end of the
      program or of its host is something that no neighbor notices.
    </Nothing>
  );
}

function Readiness({ nsr }: { nsr: ShownNsr }): JSX.Element {
  if (nsr.role === "mirror") return <Pill tone="quiet">mirror</Pill>;
  if (nsr.ready) return <Pill tone="ok">ready</Pill>;
  return <Pill tone="bad">not ready{nsr.reason === "" ? "" : `: ${nsr.reason}`}</Pill>;
}

type Protected = ShownNsr["neighbors"][number];

const COLUMNS: readonly Column<Protected>[] = [
  {
    id: "address",
    name: "Session",
    cell: ({ address }) => <a href={linkTo(["neighbors", address])}>{address}</a>,
  },
  {
    id: "protected",
    name: "Protected",
    cell: (session) => (
      <Pill tone={session.protected ? "ok" : "bad"}>{session.protected ? "yes" : "no"}</Pill>
    ),
  },
  { id: "reason", name: "Why not", kind: "wide", cell: ({ reason }) => reason },
];

function Pair({ nsr }: { nsr: ShownNsr }): JSX.Element {
  const { last_switchover: last } = nsr;
  const sessions = nsr.neighbors.toSorted((a, b) => Number(a.protected) - Number(b.protected));
  return (
    <div class="panels">
      <Panel title="Roles" wide>
        <Roles nsr={nsr} />
      </Panel>
      <div class="column">
        <Panel
          title="Last switchover"
          aside={last === null ? "" : last.planned ? "planned" : "unplanned"}
        >
          {last === null ? (
            <Nothing>None since this side was started.</Nothing>
          ) : (
            <Switchover last={last} />
          )}
        </Panel>
        <Panel title="This host">
          {nsr.host.length === 0 ? (
            <Nothing>Not looked at yet.</Nothing>
          ) : (
            <ul class="lines">
              {nsr.host.map(({ what, ok, minor, detail, what_to_do }) => (
                <li key={what}>
                  <Pill tone={ok ? "ok" : minor ? "warn" : "bad"}>{ok ? "yes" : "no"}</Pill> {what}
                  <small class={ok ? "" : "why"}>
                    {detail}
                    {ok || what_to_do === "" ? "" : `; ${what_to_do}`}
                  </small>
                </li>
              ))}
            </ul>
          )}
        </Panel>
      </div>
      <Panel
        title="Sessions"
        aside={
          <>
            {count(nsr.protected)} of {count(nsr.sessions)} protected
          </>
        }
      >
        <Table
          label="Sessions and whether they are protected"
          columns={COLUMNS}
          items={sessions}
          keyOf={({ address }) => address}
        />
      </Panel>
    </div>
  );
}

function Roles({ nsr }: { nsr: ShownNsr }): JSX.Element {
  const isActive = nsr.role === "active" || nsr.role === "simplex";
  const others = isActive ? nsr.standbys : [];
  return (
    <ul class="roles">
      <li class="self">
        <b>{nsr.side}</b> <Pill tone={isActive ? "accent" : "quiet"}>{nsr.role}</Pill>
        <Facts
          rows={[
            ["this side, for", <Ago key="since" atMs={nsr.since_ms} />],
            ["epoch", count(nsr.epoch)],
            ["gate", nsr.gate.kind],
            [
              "arbiter",
              nsr.arbiter.problem === ""
                ? nsr.arbiter.kind
                : `${nsr.arbiter.kind}: ${nsr.arbiter.problem}`,
            ],
            ["compared", <Ago key="at" atMs={nsr.digest.at_ms} />],
            ["differences", count(nsr.digest.differences)],
          ]}
        />
      </li>
      {others.map((standby) => (
        <li key={standby.side}>
          <b>{standby.side || "standby"}</b>{" "}
          <Pill tone={standby.ready ? "ok" : "bad"}>
            {standby.ready ? "can take over" : standby.state}
          </Pill>
          <Facts
            rows={[
              ["link", `${standby.link}${standby.over === "" ? "" : ` over ${standby.over}`}`],
              ["version", standby.software || "–"],
              [
                "behind",
                `${count(standby.behind.brackets)} brackets, ${octets(standby.behind.octets)}`,
              ],
              ["compared", <Ago key="compared" atMs={standby.compared_ms} />],
            ]}
          />
        </li>
      ))}
      {isActive ? null : (
        <li>
          <b>{nsr.peer.side || "active"}</b> <Pill tone="accent">active</Pill>
          <Facts
            rows={[
              ["link", nsr.peer.link],
              ["version", nsr.peer.software || "–"],
              ["behind", `${count(nsr.behind.brackets)} brackets`],
            ]}
          />
        </li>
      )}
    </ul>
  );
}

const PHASES = [
  ["fence", "accent"],
  ["replay", "second"],
  ["addresses", "warn"],
  ["restore", "ok"],
] as const;

function Switchover({ last }: { last: NonNullable<ShownNsr["last_switchover"]> }): JSX.Element {
  const { ms, resumed, lost, at_ms, cause } = last;
  return (
    <>
      <p class="silence">
        <b>{duration(ms.silence)}</b> silence towards neighbors
      </p>
      <div
        class="phases"
        role="img"
        aria-label={PHASES.map(([name]) => `${name} ${duration(ms[name])}`).join(", ")}
      >
        {PHASES.map(([name, color]) => (
          <span
            key={name}
            style={{ flexGrow: Math.max(ms[name], 0.01), background: `var(--${color})` }}
          />
        ))}
      </div>
      <p class="keys">
        {PHASES.map(([name, color]) => (
          <span class="key" key={name}>
            <i style={{ background: `var(--${color})` }} aria-hidden="true" />
            {name} <b>{duration(ms[name])}</b>
          </span>
        ))}
      </p>
      <Facts
        rows={[
          ["when", when(at_ms)],
          ["why", cause],
          ["went on", count(resumed)],
          ["lost", lost.length === 0 ? "none" : lost.map((one) => JSON.stringify(one)).join(", ")],
        ]}
      />
    </>
  );
}
