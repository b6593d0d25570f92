/** Values over time, by uPlot; in words for those who do not see it. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import { rate } from "./format.ts";

export interface Line {
  readonly name: string;
  /** Name of a colour of the style sheet. */
  readonly color: string;
  /** Null where there is nothing to say. */
  readonly values: readonly (number | null)[];
}

export interface PlotProps {
  readonly label: string;
  /** Seconds since 1970, one for each value. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly heightPx?: number;
}

export function Plot({ label, times, lines, heightPx = 180 }: PlotProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const data = useRef<UPlot.AlignedData>([[]]);
  data.current = [times as number[], ...lines.map(({ values }) => values as (number | null)[])];
  const names = lines.map(({ name }) => name).join("\n");
  useEffect(() => {
    const element = box.current!;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new UPlot(options(element, lines, heightPx), data.current, element);
    };
    draw();
    // Colours are the style sheet's, which has two sets of them.
    const themes = new MutationObserver(draw);
    themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    const sizes = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: heightPx });
    });
    sizes.observe(element);
    return () => {
      themes.disconnect();
      sizes.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, heightPx]);
  useEffect(() => plot.current?.setData(data.current), [times, lines]);
  const last = lines.map(({ name, values }) => `${name} ${rate(values.at(-1) ?? 0)}`);
  return (
    <figure class="plot">
      <div ref={box} role="img" aria-label={`${label}, now: ${last.join(", ")}`} />
      <figcaption>
        {lines.map(({ name, color, values }) => (
          <span key={name} class="key">
            <i style={{ background: `var(--${color})` }} aria-hidden="true" />
            {name} <b>{rate(values.at(-1) ?? 0)}</b>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function options(element: HTMLElement, lines: readonly Line[], height: number): UPlot.Options {
  // As it comes out: a canvas knows no names.
  const shown = (value: string) => {
    element.style.color = value;
    const { color: found } = getComputedStyle(element);
    element.style.color = "";
    return found;
  };
  const color = (name: string) => shown(`var(--${name})`);
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis: UPlot.Axis = {
    stroke: color("quiet"),
    font,
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
  };
  const values: UPlot.Axis["values"] = (_plot, splits) => splits.map((value) => rate(value));
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
    padding: [8, 24, 0, 0],
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.1)] } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 90,
        values: (_plot, splits, _k, _space, step) => splits.map((at) => clock(at, step)),
      },
      { ...axis, size: 46, values },
    ],
    series: [
      {},
      ...lines.map(({ name, color: own }) => ({
        label: name,
        stroke: color(own),
        width: 1.5,
        fill: shown(`color-mix(in srgb, var(--${own}) 10%, transparent)`),
        points: { show: false },
      })),
    ],
  };
}

/** @param stepSeconds - to the next one */
function clock(atSeconds: number, stepSeconds: number): string {
  const time = new Date(1000 * atSeconds).toTimeString();
  return time.slice(0, stepSeconds < 60 ? 8 : 5);
}
