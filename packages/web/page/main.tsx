/**
 * The page: who the speaker is and where one is, the pages, and what the keyboard does.
 *
 *     place.ts  the address          ask.ts  questions, again and again     table.tsx  lists of any length
 *     api.ts    the speaker's API    news.ts what it says by itself         plot.tsx   values over time
 */

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { type JSX, render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, type ShownNsr, type Status, setToken, token, type Whoami } from "./api.ts";
import { useAsked } from "./ask.ts";
import { Dialog } from "./dialog.tsx";
import { Explain } from "./explain.tsx";
import { NeighborPage } from "./neighbor.tsx";
import { Neighbors } from "./neighbors.tsx";
import { useNews } from "./news.ts";
import { Nsr } from "./nsr.tsx";
import { Overview } from "./overview.tsx";
import { linkTo, type Place, searchOf, usePlace } from "./place.ts";
import { Routes } from "./routes.tsx";
import { Validation } from "./rpki.tsx";
import { Ago, Nothing, Pill, Wrong } from "./ui.tsx";

const PAGES = [
  ["", "Overview", "o"],
  ["neighbors", "Neighbors", "n"],
  ["routes", "Routes", "r"],
  ["explain", "Explain", "e"],
  ["nsr", "Nonstop routing", "s"],
  ["rpki", "Validation", "v"],
] as const;

const STATUS_MS = 3000;
const NOBODY: Whoami = { role: "none", name: null, as: null, anonymous: true };

function App(): JSX.Element {
  const place = usePlace();
  const who = useAsked<Whoami>("whoami");
  const isMember = who.data?.role === "member";
  const sees = who.data !== null && who.data.role !== "none";
  const status = useAsked<Status>(sees && !isMember ? "status" : null, STATUS_MS);
  const nsr = useAsked<ShownNsr>(sees && !isMember ? "nsr" : null, STATUS_MS);
  const news = useNews(sees && !isMember);
  const [dialog, setDialog] = useState<"keys" | "token" | null>(null);
  const search = useRef<HTMLInputElement>(null);
  useKeys(search, setDialog);
  const page = place.path[0] ?? "";
  const name = PAGES.find(([path]) => path === page)?.[1] ?? "";
  const isDenied = status.error instanceof ApiError && [401, 403].includes(status.error.status);
  useEffect(() => {
    document.title = `${name} · AS${status.data?.as ?? ""} · ts-bgp`;
  }, [name, status.data?.as]);
  // What was gone to is what the keyboard is about.
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) document.querySelector("main")?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [page]);
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        To the content
      </button>
      <header class="top">
        <a class="name" href={linkTo([])}>
          <img src="icon.svg" alt="" width="22" height="22" />
          ts-bgp
        </a>
        <Identity
          status={status.data}
          nsr={nsr.data}
          isLive={news.isLive && status.error === null}
        />
        <Search input={search} />
        <div class="tools">
          <button type="button" onClick={() => setDialog("token")}>
            {who.data?.name ?? who.data?.role ?? "…"}
          </button>
          <button type="button" onClick={changeTheme} aria-label="Dark or light">
            ◐
          </button>
          <button type="button" onClick={() => setDialog("keys")} aria-label="Keys">
            ?
          </button>
        </div>
      </header>
      <nav class="pages" aria-label="Pages">
        {PAGES.map(([path, text]) => (
          <a
            key={path}
            href={linkTo([path].filter(Boolean))}
            aria-current={page === path ? "page" : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
      <main id="content" tabIndex={-1}>
        {who.data?.role === "none" || isDenied ? (
          <SignIn again={who.again} />
        ) : who.error !== null || (status.error !== null && status.data === null) ? (
          <Wrong
            error={(who.error ?? status.error)!}
            again={() => {
              who.again();
              status.again();
            }}
          />
        ) : (
          <Content place={place} who={who.data ?? NOBODY} status={status.data} news={news.items} />
        )}
      </main>
      {dialog === "keys" ? <Keys close={() => setDialog(null)} /> : null}
      {dialog === "token" ? (
        <Dialog title="Who you are" close={() => setDialog(null)}>
          <SignIn
            again={() => {
              who.again();
              setDialog(null);
            }}
          />
        </Dialog>
      ) : null}
    </>
  );
}

function Content(props: {
  place: Place;
  who: Whoami;
  status: Status | null;
  news: ReturnType<typeof useNews>["items"];
}): JSX.Element {
  const { place, who, status, news } = props;
  const [page = "", item] = place.path;
  switch (page) {
    case "":
      if (who.role === "member") return <Neighbors place={place} />;
      return status === null ? <Nothing>…</Nothing> : <Overview status={status} news={news} />;
    case "neighbors":
      return item === undefined ? (
        <Neighbors place={place} />
      ) : (
        <NeighborPage key={item} place={place} who={who} />
      );
    case "routes":
      return <Routes place={place} recordMs={status?.record_from_ms ?? null} />;
    case "explain":
      return <Explain place={place} />;
    case "nsr":
      return <Nsr who={who} />;
    case "rpki":
      return <Validation />;
    default:
      return <Nothing>There is no such page.</Nothing>;
  }
}

function Identity(props: {
  status: Status | null;
  nsr: ShownNsr | null;
  isLive: boolean;
}): JSX.Element {
  const { status, nsr, isLive } = props;
  if (status === null) return <span class="identity" />;
  const role = nsr === null || ["simplex", "mirror"].includes(nsr.role) ? null : nsr.role;
  return (
    <span class="identity">
      <b>AS{status.as}</b> <span class="minor">{status.id}</span>{" "}
      {role === null ? null : (
        <Pill tone={role === "active" ? "accent" : "quiet"}>
          {nsr!.side === "" ? role : `${nsr!.side}, ${role}`}
        </Pill>
      )}
      {status.mirror === null ? null : <Age mirror={status.mirror} />}
      <Pill tone={isLive ? "ok" : "quiet"}>{isLive ? "live" : "not live"}</Pill>
    </span>
  );
}

/** More than this is more than the time between two answers. */
const OLD_MS = 10_000;

/** Of a mirror: whose copy it is, and how old. */
function Age({ mirror }: { mirror: NonNullable<Status["mirror"]> }): JSX.Element {
  const { cluster, side, age_ms, state, reason } = mirror;
  const atMs = useMemo(() => (age_ms === null ? null : Date.now() - age_ms), [mirror]);
  const isOld = state !== "following" || (age_ms ?? 0) > OLD_MS;
  return (
    <Pill tone={isOld ? "bad" : "accent"}>
      mirror of {cluster} ({side}), <Ago atMs={atMs} /> old
      {isOld && reason !== "" ? `: ${reason}` : ""}
    </Pill>
  );
}

function Search({ input }: { input: { current: HTMLInputElement | null } }): JSX.Element {
  return (
    <search>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const { current } = input;
          const q = current?.value.trim() ?? "";
          if (q === "") return;
          location.hash =
            searchOf(q) === null ? linkTo(["neighbors"], { word: q }) : linkTo(["routes"], { q });
          if (current !== null) current.value = "";
          current?.blur();
        }}
      >
        <input
          ref={input}
          type="search"
          aria-label="Search for a prefix, AS, community or neighbor"
          placeholder="prefix, AS, community, neighbor   /"
        />
      </form>
    </search>
  );
}

function SignIn({ again }: { again: () => void }): JSX.Element {
  const [text, setText] = useState(token());
  return (
    <form
      class="signin"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(text.trim());
        again();
      }}
    >
      <p>A token of the configuration says who you are. It stays in this tab.</p>
      <label>
        Token
        <input
          type="password"
          autocomplete="off"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <button type="submit" class="main">
        Use it
      </button>
    </form>
  );
}

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "search"],
  ...PAGES.map(([, name, key]) => [`g ${key}`, name] as const),
  ["↑ ↓  j k", "rows of a table"],
  ["Enter", "what a row leads to"],
  ["t", "dark or light"],
  ["?", "these keys"],
];

function Keys({ close }: { close: () => void }): JSX.Element {
  return (
    <Dialog title="Keys" close={close}>
      <dl class="facts">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="buttons">
        <button type="button" class="main" onClick={close}>
          Close
        </button>
      </p>
    </Dialog>
  );
}

function useKeys(search: { current: HTMLInputElement | null }, show: (what: "keys") => void): void {
  useEffect(() => {
    let isGoing = false;
    const pressed = (event: KeyboardEvent) => {
      const { target, key } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
        return;
      if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
        if (key === "Escape") target.blur();
        return;
      }
      const page = isGoing ? PAGES.find(([, , own]) => own === key) : undefined;
      isGoing = key === "g";
      if (page !== undefined) location.hash = linkTo([page[0]].filter(Boolean));
      else if (key === "/") search.current?.focus();
      else if (key === "?") show("keys");
      else if (key === "t") changeTheme();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Not by its address, which has the place. */
function skip(): void {
  document.querySelector("main")?.focus();
}

const THEME = "tsbgp-theme";

function changeTheme(): void {
  const { dataset } = document.documentElement;
  const now =
    dataset["theme"] ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  dataset["theme"] = now === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, dataset["theme"]);
}

const theme = localStorage.getItem(THEME);
if (theme !== null) document.documentElement.dataset["theme"] = theme;
render(<App />, document.body);
