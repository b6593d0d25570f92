import { describe, expect, test } from "vitest";
import { INJECT_HELP, parseInjectArguments } from "../src/arguments.ts";

function options(line: string) {
  const parsed = parseInjectArguments(line.split(" "));
  if (parsed.kind !== "run") throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

describe("the command line", () => {
  test("has its defaults", () => {
    expect(options("192.0.2.1 --synthetic 1000")).toEqual({
      session: {
        host: "192.0.2.1",
        port: 179,
        localAddress: null,
        localAs: null,
        identifier: null,
        holdTimeSeconds: 90,
        families: 1,
        addPath: false,
        reconnect: false,
      },
      source: { kind: "synthetic", prefixes: 1000, seed: 1, families: 1 },
      nextHop4: null,
      nextHop6: null,
      keepNextHop: false,
      rate: null,
      flap: null,
      once: false,
      withdraw: false,
    });
  });

  test.each([
    ["192.0.2.1", "192.0.2.1", 179],
    ["192.0.2.1:1790", "192.0.2.1", 1790],
    ["2001:db8::1", "2001:db8::1", 179],
    ["[2001:db8::1]:1790", "2001:db8::1", 1790],
    ["fe80::1%eth0", "fe80::1%eth0", 179],
    ["rs1.example.net:1790", "rs1.example.net", 1790],
    ["192.0.2.1:1 --port 2", "192.0.2.1", 2],
  ])("takes the target %s", (target, host, port) => {
    expect(options(`${target} --synthetic 1`).session).toMatchObject({ host, port });
  });

  test.each([
    ["--mrt f", { kind: "mrt", path: "f", peer: null, families: 3, partial: false }],
    ["--mrt f --peer 3", { peer: { by: "number", number: 3 } }],
    ["--mrt f --peer AS3", { peer: { by: "as", as: 3 } }],
    ["--mrt f --peer 2001:DB8:0::1", { peer: { by: "address", address: "2001:db8::1" } }],
    ["--mrt f --peer all --partial", { peer: { by: "all" }, partial: true }],
    ["--updates f --family ipv6", { kind: "updates", path: "f", families: 2 }],
    ["--synthetic 9 --seed 0 --family both", { prefixes: 9, seed: 0, families: 3 }],
  ])("takes the source %s", (line, source) => {
    expect(options(`a ${line}`).source).toMatchObject(source);
  });

  test.each([
    ["--as 4200000000", { session: { localAs: 4_200_000_000 } }],
    ["--hold-time 0", { session: { holdTimeSeconds: 0 } }],
    ["--local ::1 --reconnect", { session: { localAddress: "::1", reconnect: true } }],
    ["--router-id 1.2.3.4 --add-path", { session: { identifier: "1.2.3.4", addPath: true } }],
    ["--next-hop 192.0.2.1", { nextHop4: Uint8Array.of(192, 0, 2, 1), nextHop6: null }],
    ["--rate 100 --once --withdraw", { rate: 100, once: true, withdraw: true }],
    ["--flap 10 --seed 3", { flap: { rate: 10, seed: 3 } }],
    ["--keep-next-hop", { keepNextHop: true }],
  ])("takes %s", (line, expected) => {
    expect(options(`a --synthetic 1 ${line}`)).toMatchObject(expected);
  });

  test.each([
    ["", /TARGET/],
    ["a", /say what to announce/],
    ["a b --synthetic 1", /b is one TARGET too many/],
    ["a --synthetic 1 --mrt f", /one of --mrt/],
    ["a --synthetic 0", /from 1 to 10000000/],
    ["a --synthetic x", /whole number/],
    ["a --synthetic 1 --as 0", /--as 0/],
    ["a --synthetic 1 --hold-time 2", /--hold-time 2/],
    ["a --synthetic 1 --port 99999", /--port/],
    ["a:99999 --synthetic 1", /--port/],
    ["[192.0.2.1]:1 --synthetic 1", /neither an address nor a name/],
    ["a --synthetic 1 --peer 1", /--peer goes with --mrt/],
    ["a --mrt f --peer x", /--peer x/],
    ["a --synthetic 1 --family ipv5", /--family ipv5/],
    ["a --synthetic 1 --next-hop x", /--next-hop x/],
    ["a --synthetic 1 --next-hop 1.2.3.4 --keep-next-hop", /exclude/],
    ["a --synthetic 1 --local x", /--local x/],
    ["a --synthetic 1 --router-id 0.0.0.0", /--router-id/],
    ["a --synthetic 1 --nonsense", /--nonsense/],
    ["a --synthetic", /argument missing/],
  ])("is refused: %s", (line, message) => {
    const parsed = parseInjectArguments(line.split(" ").filter((word) => word !== ""));
    expect(parsed.kind).toBe("error");
    expect((parsed as { message: string }).message).toMatch(message);
  });

  test("asks for help", () => {
    expect(parseInjectArguments(["--help"])).toEqual({ kind: "help" });
    expect(INJECT_HELP.split("\n").every((line) => line.length <= 100)).toBe(true);
  });

  test("is told whether to write JSON", () => {
    expect(parseInjectArguments(["a", "--synthetic", "1", "--json"])).toMatchObject({ json: true });
  });
});
