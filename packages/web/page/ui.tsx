/** The small pieces that pages are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "./api.ts";
import { count, duration, when } from "./format.ts";

export type Tone = "ok" | "warn" | "bad" | "quiet" | "accent";

/** A word with a mark: told apart by its shape as well as by its colour. */
export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return <span class={`pill ${tone}`}>{children}</span>;
}

export function Panel(props: {
  title: string;
  aside?: ComponentChildren;
  wide?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class={props.wide === true ? "panel wide" : "panel"}>
      <header>
        <h2>{props.title}</h2>
        {props.aside === undefined ? null : <div class="aside">{props.aside}</div>}
      </header>
      {props.children}
    </section>
  );
}

/** A number that is looked at from across the room. */
export function Figure(props: {
  label: string;
  value: ComponentChildren;
  note?: ComponentChildren;
  tone?: Tone;
  href?: string;
}): JSX.Element {
  const inside = (
    <dl>
      <dt>{props.label}</dt>
      <dd class={props.tone ?? ""}>{props.value}</dd>
      <dd class="note">{props.note}</dd>
    </dl>
  );
  return (
    <div class="figure">
      {props.href === undefined ? inside : <a href={props.href}>{inside}</a>}
    </div>
  );
}

/** Names and values, two in a row. */
export function Facts({
  rows,
}: {
  rows: readonly (readonly [string, ComponentChildren])[];
}): JSX.Element {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Wrong({ error, again }: { error: Error; again?: () => void }): JSX.Element {
  const text = error instanceof ApiError ? error.message : "The speaker does not answer.";
  return (
    <p class="wrong" role="alert">
      {text}{" "}
      {again === undefined ? null : (
        <button type="button" onClick={again}>
          Ask again
        </button>
      )}
    </p>
  );
}

export function Nothing({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="nothing">{children}</p>;
}

/** How long ago, by a clock that all of the page shares. */
export function Ago({ atMs }: { atMs: number | null }): JSX.Element {
  const nowMs = useNow();
  if (atMs === null || atMs === 0) return <span class="quiet">never</span>;
  return (
    <time dateTime={new Date(atMs).toISOString()} title={when(atMs)}>
      {duration(nowMs - atMs)}
    </time>
  );
}

export function Num({ value }: { value: number }): JSX.Element {
  return <span class={value === 0 ? "num zero" : "num"}>{count(value)}</span>;
}

/** A share of something, as a bar. */
export function Share({ value, of, tone }: { value: number; of: number; tone: Tone }): JSX.Element {
  const percent = of === 0 ? 0 : Math.max(value > 0 ? 1 : 0, (100 * value) / of);
  return (
    <span class="share" aria-hidden="true">
      <span class={tone} style={{ width: `${percent}%` }} />
    </span>
  );
}

function useNow(): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}
