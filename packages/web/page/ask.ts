/** Hooks that ask the speaker: once, again and again, or piece by piece. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Page } from "./api.ts";

export interface Asked<T> {
  /** The last answer, also while a newer one is waited for; null before the first. */
  data: T | null;
  /** Why the last question had no answer; null when it had one. */
  error: Error | null;
  /** Asks at once. */
  again: () => void;
}

/**
 * @param path - null to ask nothing
 * @param everyMs - how often, while somebody looks; 0 for once
 */
export function useAsked<T>(path: string | null, everyMs = 0): Asked<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: Error | null }>({
    path,
    data: null,
    error: null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      try {
        if (!document.hidden) {
          const data = await get<T>(path, stop.signal);
          setState({ path, data, error: null });
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((old) => ({
          path,
          data: old.path === path ? old.data : null,
          error: error as Error,
        }));
      }
      if (everyMs > 0 && !stop.signal.aborted) timer = setTimeout(ask, everyMs);
    };
    void ask();
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [path, everyMs, turn]);
  const again = useCallback(() => setTurn((old) => old + 1), []);
  // An answer to another question is none.
  const isOwn = state.path === path;
  return { data: isOwn ? state.data : null, error: isOwn ? state.error : null, again };
}

export interface Pieces<T> {
  items: readonly T[];
  /** There is more, and it is not asked for. */
  hasMore: boolean;
  isAsking: boolean;
  error: Error | null;
  /** Asks for the next piece, unless that is on its way. */
  more: () => void;
  /** Begins anew: a place in a table does not stay for ever. */
  again: () => void;
}

const NOTHING = { items: [], next: "" as string | null, isAsking: false, error: null };
/** The page keeps no more of a list than this: what is looked for is found by asking more precisely. */
export const ITEMS_MAX = 20_000;

/** A list of which as much is asked for as is looked at. @param path - null to ask nothing */
export function usePieces<T>(path: string | null): Pieces<T> {
  interface State {
    items: readonly T[];
    next: string | null;
    isAsking: boolean;
    error: Error | null;
  }
  const [state, setState] = useState<State>(NOTHING);
  const [turn, setTurn] = useState(0);
  const asking = useRef<AbortController | null>(null);
  const next = useRef<string | null>("");
  const more = useCallback(async () => {
    if (path === null || asking.current !== null || next.current === null) return;
    const stop = new AbortController();
    asking.current = stop;
    setState((old) => ({ ...old, isAsking: true, error: null }));
    try {
      const cursor = next.current === "" ? "" : `&cursor=${encodeURIComponent(next.current)}`;
      const page = await get<Page<T>>(`${path}${cursor}`, stop.signal);
      next.current = page.next;
      setState((old) => {
        const items = [...old.items, ...page.items];
        return { items, next: page.next, isAsking: false, error: null };
      });
    } catch (error) {
      if (stop.signal.aborted) return;
      setState((old) => ({ ...old, isAsking: false, error: error as Error }));
    }
    if (asking.current === stop) asking.current = null;
  }, [path, turn]);
  const again = useCallback(() => setTurn((old) => old + 1), []);
  useEffect(() => {
    next.current = "";
    setState(NOTHING);
    void more();
    return () => {
      asking.current?.abort();
      asking.current = null;
    };
  }, [more]);
  const { items, isAsking, error } = state;
  const isFull = items.length >= ITEMS_MAX;
  return {
    items,
    isAsking,
    error,
    more,
    again,
    hasMore: state.next !== null && !isFull && !isAsking && error === null,
  };
}
