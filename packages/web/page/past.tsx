/** What was: as of which time routes are shown, and what has become of a prefix. Of a speaker that records. */

import type { JSX } from "preact";
import { type Page, type PastChange, withQuery } from "./api.ts";
import { useAsked } from "./ask.ts";
import { count, when } from "./format.ts";
import { type Column, Table } from "./table.tsx";
import { Nothing, Pill, type Tone, Wrong } from "./ui.tsx";

/** Changes are looked for since then at most, unless a time is given: what is kept may be of days. */
const SINCE_MS = 3_600_000;
const LIMIT = "1000";
const MINUTE_MS = 60_000;

/** @param time - in UTC, as in an address; empty for now */
export function TimeField(props: { time: string; go: (time: string) => void }): JSX.Element {
  const { time, go } = props;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const { value } = event.currentTarget.elements.namedItem("time") as HTMLInputElement;
        go(value === "" ? "" : new Date(value).toISOString());
      }}
    >
      <input
        name="time"
        type="datetime-local"
        step="1"
        aria-label="As of, by the clock of this browser; empty for now"
        defaultValue={time === "" ? "" : localText(Date.parse(time))}
      />
      <button type="submit">As of then</button>
      {time === "" ? null : (
        <button type="button" onClick={() => go("")}>
          Now
        </button>
      )}
    </form>
  );
}

/** @param time - of an address, as somebody may have written it @returns empty where it is none: for now */
export function timeOf(time: string | undefined): string {
  return time === undefined || Number.isNaN(Date.parse(time)) ? "" : time;
}

/** @returns a time as such a field has it */
function localText(atMs: number): string {
  const offsetMs = -MINUTE_MS * new Date(atMs).getTimezoneOffset();
  return new Date(atMs + offsetMs).toISOString().slice(0, 19);
}

const WORDS: Readonly<Record<PastChange["what"], readonly [text: string, tone: Tone]>> = {
  added: ["came", "ok"],
  removed: ["went", "bad"],
  changed: ["is another one", "accent"],
};

const COLUMNS: readonly Column<PastChange>[] = [
  {
    id: "when",
    name: "When",
    cell: ({ at_ms }) => <time dateTime={new Date(at_ms).toISOString()}>{when(at_ms)}</time>,
  },
  {
    id: "what",
    name: "What",
    cell: ({ what, seen }) => {
      const [text, tone]: readonly [string, Tone] =
        seen === "there" ? ["was there", "quiet"] : WORDS[what];
      return <Pill tone={tone}>{seen === "gap" ? `${text}, before` : text}</Pill>;
    },
  },
  { id: "neighbor", name: "From", cell: ({ before, after }) => (after ?? before!).neighbor },
  {
    id: "path",
    name: "Path",
    kind: "wide lead",
    cell: ({ before, after }) => {
      const [was, is] = [before, after].map(pathText);
      const text = was === "" || is === "" || was === is ? is || was : `${was} → ${is}`;
      return <span title={text}>{text}</span>;
    },
  },
];

function pathText(route: PastChange["after"] | undefined): string {
  if (route === null || route === undefined) return "";
  const { status, reason, as_path = "" } = route;
  return reason === undefined ? `${status}, ${as_path}` : `rejected (${reason.text}), ${as_path}`;
}

/** @param fromMs - when the record begins @param time - to look from then on; empty for the last hour */
export function PastOf(props: { prefix: string; fromMs: number; time: string }): JSX.Element {
  const { prefix, fromMs, time } = props;
  // The same question each time that the page is drawn within a minute.
  const nowMs = MINUTE_MS * Math.floor(Date.now() / MINUTE_MS);
  const sinceMs = Math.max(fromMs, time === "" ? nowMs - SINCE_MS : Date.parse(time));
  const from = new Date(sinceMs).toISOString();
  const asked = useAsked<Page<PastChange> & { left_out?: boolean }>(
    withQuery("record/history", { prefix, from, limit: LIMIT }),
  );
  const { data, error, again } = asked;
  if (error !== null) return <Wrong error={error} again={again} />;
  if (data === null) return <Nothing>All since {when(sinceMs)} is run again: a while …</Nothing>;
  return (
    <>
      <Table
        label="What became of it"
        columns={COLUMNS}
        items={data.items}
        keyOf={(_change, index) => String(index)}
      />
      <p class="foot" role="status">
        {data.items.length === 0 ? "It had no route" : `${count(data.items.length)} changes`} since{" "}
        {when(sinceMs)}
        {data.left_out === true ? "; there are more: give a later time" : ""}
      </p>
    </>
  );
}
