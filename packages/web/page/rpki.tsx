/** Origin and path validation: where payloads come from, and how many count. */

import type { JSX } from "preact";
import { ApiError, type Rpki } from "./api.ts";
import { useAsked } from "./ask.ts";
import { count, duration, octets } from "./format.ts";
import { linkTo } from "./place.ts";
import { Ago, Facts, Figure, Nothing, Panel, Pill, Wrong } from "./ui.tsx";

const EVERY_MS = 5000;

export function Validation(): JSX.Element {
  const asked = useAsked<Rpki>("rpki", EVERY_MS);
  const { data, error } = asked;
  const isOff = error instanceof ApiError && error.status === 404;
  return (
    <>
      <div class="bar">
        <h1>Validation</h1>
      </div>
      {isOff ? (
        <Nothing>Routes are not validated: the configuration has no section rpki.</Nothing>
      ) : error !== null ? (
        <Wrong error={error} again={asked.again} />
      ) : data === null ? (
        <Nothing>…</Nothing>
      ) : (
        <Shown rpki={data} />
      )}
    </>
  );
}

function Shown({ rpki }: { rpki: Rpki }): JSX.Element {
  const { start_gate: gate, sources, slurm } = rpki;
  return (
    <>
      <div class="figures">
        <Figure label="ROA payloads, IPv4" value={count(rpki.ipv4)} />
        <Figure label="ROA payloads, IPv6" value={count(rpki.ipv6)} />
        <Figure label="ASPA customers" value={count(rpki.aspas)} />
        <Figure
          label="Routes judged again"
          value={count(rpki.judged)}
          note={`${count(rpki.changed)} came out otherwise`}
        />
        <Figure
          label="Changes"
          value={rpki.busy ? "at work" : "all applied"}
          note={
            gate.state === "closed" ? "routes wait for data after a start" : octets(rpki.octets)
          }
          tone={gate.state === "closed" ? "warn" : "ok"}
        />
      </div>
      <p class="lead">
        Routes that are <a href={linkTo(["routes"], { rpki: "valid" })}>valid</a>,{" "}
        <a href={linkTo(["routes"], { rpki: "not-found" })}>not found</a>,{" "}
        <a href={linkTo(["routes"], { rpki: "invalid" })}>invalid and used</a>,{" "}
        <a href={linkTo(["routes"], { show: "rejected", rpki: "invalid" })}>invalid and rejected</a>
      </p>
      <div class="panels">
        <Panel
          title="Sources"
          wide
          aside={
            <>
              local exceptions: {slurm.filters} filters, {slurm.assertions} assertions
            </>
          }
        >
          <ul class="roles">
            {sources.map((source) => (
              <li key={source.name}>
                <b>{source.name}</b> <SourceState source={source} />
                <Facts
                  rows={[
                    ["kind", `${source.kind}, preference ${source.preference}`],
                    [
                      "payloads",
                      `${count(source.ipv4)} IPv4, ${count(source.ipv6)} IPv6, ${count(source.aspas)} ASPA`,
                    ],
                    ["updated", <Ago key="updated" atMs={source.updated_ms} />],
                    [
                      "counts until",
                      source.expires_ms === null
                        ? "always"
                        : `in ${duration(source.expires_ms - Date.now())}`,
                    ],
                    ...(source.serial === null
                      ? []
                      : [["serial", `${source.serial} of session ${source.session}`] as const]),
                    ...(source.feed?.version == null
                      ? []
                      : [["RTR version", String(source.feed.version)] as const]),
                    ...(source.feed?.problem == null
                      ? []
                      : [["problem", source.feed.problem] as const]),
                  ]}
                />
              </li>
            ))}
          </ul>
          {sources.length === 0 ? <Nothing>No sources are configured.</Nothing> : null}
        </Panel>
      </div>
    </>
  );
}

function SourceState({ source }: { source: Rpki["sources"][number] }): JSX.Element {
  const { counts, updated_ms, feed } = source;
  if (updated_ms === null) return <Pill tone="bad">{feed?.state ?? "no data"}</Pill>;
  return <Pill tone={counts ? "ok" : "quiet"}>{counts ? "counts" : "stands back"}</Pill>;
}
