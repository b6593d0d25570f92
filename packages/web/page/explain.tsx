/** Why a route is used or not, sent or not: a picture of its way, and each step in words. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Explained, type Page, type ShownNeighbor, withQuery } from "./api.ts";
import { useAsked } from "./ask.ts";
import { lineName, when } from "./format.ts";
import { timeOf } from "./past.tsx";
import { linkTo, type Place } from "./place.ts";
import { Facts, Nothing, Pill, Wrong } from "./ui.tsx";

type Path = Explained["paths"][number];
type Step = Path["steps"][number];

const STEPS: Record<Step["step"], string> = {
  checks: "Checks",
  rpki: "RPKI",
  policy: "Policy",
  limit: "Max-prefix",
  restart: "Restart",
  decision: "Decision",
  "split-horizon": "Split horizon",
  advertised: "Sending",
};

export function Explain({ place }: { place: Place }): JSX.Element {
  const { prefix = "", neighbor = "", direction = "import" } = place.query;
  const time = timeOf(place.query["time"]);
  const isAsked = prefix !== "" && neighbor !== "";
  const asked = useAsked<Explained>(
    isAsked
      ? withQuery(time === "" ? "explain" : "record/explain", { time, prefix, neighbor, direction })
      : null,
  );
  return (
    <>
      <div class="bar">
        <h1>Explain</h1>
        {time === "" ? null : <Pill tone="accent">as of {when(Date.parse(time))}</Pill>}
      </div>
      <Question prefix={prefix} neighbor={neighbor} direction={direction} />
      {asked.error === null ? null : <Wrong error={asked.error} again={asked.again} />}
      {!isAsked ? (
        <Nothing>
          Why is a route of a neighbor used or not, or sent to it or not? Every step is asked of the
          code that decides.
        </Nothing>
      ) : asked.data === null ? null : (
        <Answer explained={asked.data} />
      )}
    </>
  );
}

function Question(props: { prefix: string; neighbor: string; direction: string }): JSX.Element {
  const neighbors = useAsked<Page<ShownNeighbor>>("neighbors");
  const [prefix, setPrefix] = useState(props.prefix);
  const [neighbor, setNeighbor] = useState(props.neighbor);
  const [direction, setDirection] = useState(props.direction);
  useEffect(() => {
    setPrefix(props.prefix);
    setNeighbor(props.neighbor);
    setDirection(props.direction);
  }, [props.prefix, props.neighbor, props.direction]);
  return (
    <form
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        location.hash = linkTo(["explain"], {
          prefix: prefix.trim(),
          neighbor: neighbor.trim(),
          direction,
        });
      }}
    >
      <label>
        Prefix
        <input
          required
          value={prefix}
          placeholder="11.2.0.0/16"
          onInput={({ currentTarget }) => setPrefix(currentTarget.value)}
        />
      </label>
      <label>
        Direction
        <select
          value={direction}
          onChange={({ currentTarget }) => setDirection(currentTarget.value)}
        >
          <option value="import">from the neighbor</option>
          <option value="export">to the neighbor</option>
        </select>
      </label>
      <label>
        Neighbor
        <input
          required
          list="neighbors"
          value={neighbor}
          placeholder="192.0.2.1"
          onInput={({ currentTarget }) => setNeighbor(currentTarget.value)}
        />
        <datalist id="neighbors">
          {(neighbors.data?.items ?? []).map(({ address, as, description }) => (
            <option key={address} value={address}>{`AS${as} ${description}`}</option>
          ))}
        </datalist>
      </label>
      <button type="submit" class="main">
        Explain
      </button>
    </form>
  );
}

function Answer({ explained }: { explained: Explained }): JSX.Element {
  const { prefix, neighbor, direction, verdict, paths } = explained;
  const isGood = /^(accepted|advertised)/.test(verdict);
  return (
    <>
      <p class="verdict" role="status">
        <Pill tone={isGood ? "ok" : "bad"}>{isGood ? "yes" : "no"}</Pill>
        <span>
          <b>{prefix}</b> {direction === "import" ? "from" : "to"}{" "}
          <a href={linkTo(["neighbors", neighbor])}>{neighbor}</a>: {verdict}
        </span>
      </p>
      {paths.map((path, k) => (
        <PathPicture
          key={`${path.path.neighbor} ${path.path.path_id ?? k}`}
          path={path}
          explained={explained}
        />
      ))}
    </>
  );
}

function PathPicture({ path, explained }: { path: Path; explained: Explained }): JSX.Element {
  const { path: route, steps } = path;
  const isExport = explained.direction === "export";
  const isThrough = steps.every(({ passed, step }) => passed || step === "decision");
  const end = isExport ? `to ${explained.neighbor}` : "Loc-RIB";
  const name = `Path from ${route.neighbor}${route.path_id === undefined ? "" : `, path ${route.path_id}`}`;
  return (
    <section class="panel way" aria-label={name}>
      <h2>{name}</h2>
      <ol class="picture">
        <li class="ok">
          <span class="node">{isExport ? "Loc-RIB" : `AS${route.neighbor_as}`}</span>
          <small>{route.neighbor}</small>
        </li>
        {steps.map((step, k) => (
          <li key={k} class={step.passed ? "ok" : step.step === "decision" ? "warn" : "bad"}>
            <a
              class="node"
              href={`#step-${k}`}
              onClick={(event) => {
                event.preventDefault();
                const at = event.currentTarget
                  .closest("section")
                  ?.querySelectorAll<HTMLElement>(".steps > li")[k];
                at?.scrollIntoView({ block: "nearest" });
                at?.focus();
              }}
            >
              {STEPS[step.step]}
            </a>
            <small>
              {step.passed ? "passed" : step.step === "decision" ? "not the best" : "stopped"}
            </small>
          </li>
        ))}
        <li class={isThrough ? "ok" : "off"}>
          <span class="node">{end}</span>
          <small>{isThrough ? (isExport ? "sent" : "used") : "not reached"}</small>
        </li>
      </ol>
      <Facts
        rows={[
          ["AS path", route.as_path ?? "–"],
          ["next hop", route.next_hop ?? "–"],
          [
            "communities",
            [
              ...(route.communities ?? []),
              ...(route.large_communities ?? []),
              ...(route.extended_communities ?? []),
            ].join(" ") || "–",
          ],
          ...(route.local_pref === undefined
            ? []
            : [["local preference", String(route.local_pref)] as const]),
          ...(route.med === undefined ? [] : [["MED", String(route.med)] as const]),
          ...(route.rpki === undefined ? [] : [["origin validation", route.rpki] as const]),
        ]}
      />
      <ol class="steps">
        {steps.map((step, k) => (
          <li
            key={k}
            tabIndex={-1}
            class={step.passed ? "ok" : step.step === "decision" ? "warn" : "bad"}
          >
            <h3>{STEPS[step.step]}</h3>
            <p>{step.text}</p>
            {step.rules === undefined || step.rules.length === 0 ? null : (
              <Rules rules={step.rules} />
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

type Rule = NonNullable<Step["rules"]>[number];

/** The rules that the route came to: those that matched are open, others are behind one line. */
function Rules({ rules }: { rules: readonly Rule[] }): JSX.Element {
  const runs: Rule[][] = [];
  for (const rule of rules) {
    const last = runs.at(-1);
    if (last !== undefined && !rule.matches && !last[0]!.matches) last.push(rule);
    else runs.push([rule]);
  }
  return (
    <ol class="rules">
      {runs.map((run) => {
        const first = run[0]!;
        const key = `${first.policy} ${first.source?.line} ${first.rule}`;
        if (run.length === 1) return <RuleItem key={key} rule={first} />;
        return (
          <li key={key} class="off">
            <details>
              <summary>
                <span>{run.length} rules that do not match</span>
                <small>{first.policy}</small>
              </summary>
              <ol class="rules">
                {run.map((rule) => (
                  <RuleItem key={`${rule.source?.line} ${rule.rule}`} rule={rule} />
                ))}
              </ol>
            </details>
          </li>
        );
      })}
    </ol>
  );
}

function RuleItem({ rule }: { rule: Rule }): JSX.Element {
  const { matches, action, source, conditions, modifications } = rule;
  const isReject = action === "reject";
  return (
    <li class={matches ? (isReject ? "bad" : "ok") : "off"}>
      <details open={matches}>
        <summary>
          <span>{rule.rule || "a rule without a name"}</span>
          <small title={source?.file}>
            {rule.policy}
            {source === undefined ? "" : `, ${lineName(`${source.file}:${source.line}`)}`}
          </small>
          <Pill tone={!matches ? "quiet" : isReject ? "bad" : "ok"}>
            {matches ? action : "does not match"}
          </Pill>
        </summary>
        <ul>
          {conditions.map(({ condition, holds, found }) => (
            <li key={condition} class={holds ? "ok" : "off"}>
              <span class="hidden">{holds ? "holds: " : "does not hold: "}</span>
              {condition} <small>{found}</small>
            </li>
          ))}
          {conditions.length === 0 ? <li>no condition</li> : null}
          {modifications.map((text) => (
            <li key={text} class="change">
              {text}
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}
