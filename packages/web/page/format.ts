/** Numbers and times as people read them. */

const NUMBERS = new Intl.NumberFormat("en", { useGrouping: true });
const RATES = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const TIMES = new Intl.DateTimeFormat("en-GB", { dateStyle: "short", timeStyle: "medium" });

/** 12345 is "12 345", in narrow spaces. */
export function count(value: number): string {
  return NUMBERS.format(value).replaceAll(",", "\u202f");
}

export function rate(value: number): string {
  return value >= 1000 ? count(Math.round(value)) : RATES.format(value);
}

/** "3d 4h", "12m 5s", "85 ms": the two largest units. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value], k) => k === 0 || value > 0);
  return shown.map(([value, unit]) => `${value}${unit}`).join(" ");
}

export function when(atMs: number): string {
  return TIMES.format(atMs);
}

export function octets(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** "ipv4-unicast" is "IPv4". */
export function familyName(label: string): string {
  return label.replace("ipv", "IPv").replace("-unicast", "");
}

/** "/etc/ts-bgp/rs.yaml:12" is "rs.yaml:12". */
export function lineName(source: string): string {
  return source.slice(source.lastIndexOf("/") + 1);
}
