/**
 * A table of any length: only the rows that are looked at are elements. It scrolls in a box of its own, its
 * rows are one line high, and up and down, page up and page down, home and end go through them.
 */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Column<T> {
  readonly id: string;
  readonly name: string;
  /** `num` stands right; `minor` goes where there is little room. */
  readonly kind?: "num" | "minor" | "num minor" | "wide" | "wide lead" | "wide minor";
  readonly cell: (item: T) => ComponentChildren;
  /** What to sort by; without it the column cannot be. */
  readonly order?: (item: T) => number | string;
}

const ROW_PX = 30;
/** Rows above and below those that are seen. */
const SPARE_ROWS = 12;

interface Seen {
  readonly from: number;
  readonly to: number;
}

export interface TableProps<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly items: readonly T[];
  readonly keyOf: (item: T, index: number) => string;
  /** What the row leads to, by Enter as well. */
  readonly open?: (item: T) => void;
  /** The end is near. */
  readonly onEnd?: (() => void) | undefined;
  readonly sort?: { readonly id: string; readonly isDown: boolean };
  readonly onSort?: (id: string) => void;
}

export function Table<T>(props: TableProps<T>): JSX.Element {
  const { items, columns } = props;
  const box = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState<Seen>({ from: 0, to: 60 });
  const [current, setCurrent] = useState(0);
  const look = () => {
    const { scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    const from = Math.max(0, Math.floor(scrollTop / ROW_PX) - SPARE_ROWS);
    const to = Math.ceil((scrollTop + clientHeight) / ROW_PX) + SPARE_ROWS;
    setSeen((old) => (old.from === from && old.to === to ? old : { from, to }));
  };
  useEffect(() => {
    look();
    const watch = new ResizeObserver(look);
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const to = Math.min(items.length, seen.to);
  const from = Math.min(seen.from, to);
  useEffect(() => {
    if (seen.to >= items.length) props.onEnd?.();
  }, [seen.to, items.length, props.onEnd]);
  const go = (index: number) => {
    const next = Math.max(0, Math.min(items.length - 1, index));
    setCurrent(next);
    reveal(box.current!, next);
    // Its element may be made only now.
    requestAnimationFrame(() => {
      box.current
        ?.querySelector<HTMLElement>(`[data-row="${next}"]`)
        ?.focus({ preventScroll: true });
    });
  };
  const pressed = (event: KeyboardEvent) => {
    const page = Math.floor((box.current?.clientHeight ?? 0) / ROW_PX) - 2;
    const step = stepOf(event.key, page, items.length);
    if (step !== null) go(current + step);
    else if (event.key === "Enter" && items[current] !== undefined && isRow(event.target)) {
      props.open?.(items[current]);
    } else return;
    event.preventDefault();
  };
  return (
    <section
      class="tablebox"
      ref={box}
      onScroll={look}
      onKeyDown={pressed}
      aria-label={props.label}
    >
      <table aria-rowcount={items.length + 1}>
        <Head {...props} />
        <tbody>
          {from > 0 ? (
            <tr class="gap" style={{ height: `${from * ROW_PX}px` }}>
              <td colSpan={columns.length} />
            </tr>
          ) : null}
          {items.slice(from, to).map((item, k) => (
            <Row
              key={props.keyOf(item, from + k)}
              item={item}
              index={from + k}
              columns={columns}
              isCurrent={from + k === current}
              open={props.open}
              onFocus={setCurrent}
            />
          ))}
          {to < items.length ? (
            <tr class="gap" style={{ height: `${(items.length - to) * ROW_PX}px` }}>
              <td colSpan={columns.length} />
            </tr>
          ) : null}
        </tbody>
      </table>
    </section>
  );
}

function Head<T>({ columns, sort, onSort }: TableProps<T>): JSX.Element {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map(({ id, name, kind, order }) => {
          const isSorted = sort?.id === id;
          const direction = sort?.isDown === true ? "descending" : "ascending";
          return (
            <th key={id} scope="col" class={kind ?? ""} aria-sort={isSorted ? direction : "none"}>
              {order === undefined || onSort === undefined ? (
                name
              ) : (
                <button type="button" class="sort" onClick={() => onSort(id)}>
                  {name}
                  <span aria-hidden="true">{isSorted ? (sort.isDown ? " ▾" : " ▴") : ""}</span>
                </button>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

interface RowProps<T> {
  readonly item: T;
  readonly index: number;
  readonly columns: readonly Column<T>[];
  readonly isCurrent: boolean;
  readonly open: ((item: T) => void) | undefined;
  readonly onFocus: (index: number) => void;
}

function Row<T>({ item, index, columns, isCurrent, open, onFocus }: RowProps<T>): JSX.Element {
  return (
    <tr
      aria-rowindex={index + 2}
      data-row={index}
      tabIndex={isCurrent ? 0 : -1}
      class={open === undefined ? "" : "opens"}
      onFocus={() => onFocus(index)}
      onClick={(event) => {
        if (!(event.target as Element).closest("a, button")) open?.(item);
      }}
    >
      {columns.map(({ id, kind, cell }) => (
        <td key={id} class={kind ?? ""}>
          {cell(item)}
        </td>
      ))}
    </tr>
  );
}

function stepOf(key: string, page: number, all: number): number | null {
  const steps: Record<string, number> = {
    ArrowDown: 1,
    j: 1,
    ArrowUp: -1,
    k: -1,
    PageDown: page,
    PageUp: -page,
    End: all,
    Home: -all,
  };
  return steps[key] ?? null;
}

function isRow(target: EventTarget | null): boolean {
  return target instanceof HTMLTableRowElement;
}

function reveal(box: HTMLElement, index: number): void {
  const top = index * ROW_PX;
  // The head stands in front of the first row.
  const room = box.clientHeight - 2 * ROW_PX;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top > box.scrollTop + room) box.scrollTop = top - room;
}
