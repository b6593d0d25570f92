/** Configurations of another version: options that it does not have, and options of its own. */
import { expect, test } from "vitest";
import { type Config, complete, diffConfig, loadConfig, unknownOptions } from "../src/index.ts";

const FILE = `
router: { as: 64500, id: 192.0.2.1 }
defaults: { route-server-client: true, import: accept-all, export: accept-all }
neighbors:
  - { address: 192.0.2.11, as: 64501, hold-time: 30 }
  - { address: "2001:db8::12", as: 64502 }
`;

function load(text = FILE): Config {
  const { config } = loadConfig("test.yaml", text, { readFile: () => "", env: () => "" });
  return config!;
}

/** As another version has it. */
function changed(change: (fields: Record<string, unknown>, where: string) => void): Config {
  const config = structuredClone(load());
  change(config as never, "file");
  change(config.router as never, "router");
  for (const neighbor of config.neighbors) change(neighbor as never, "neighbor");
  return config;
}

test("what a configuration lacks it gets as a file has it that says nothing of it", () => {
  const config = changed((fields, where) => {
    if (where === "neighbor") for (const name of ["sendSameAs", "families"]) delete fields[name];
    if (where === "router") delete fields["clusterId"];
    if (where === "file") delete fields["log"];
  });
  complete(config);
  const { neighbors, log } = load();
  expect(config.neighbors).toEqual(neighbors);
  expect(config.log).toEqual(log);
  expect(Object.hasOwn(config.router, "clusterId")).toBe(true);
});

test("so it is with what stands further inside", () => {
  const config = changed((fields, where) => {
    if (where === "file") delete (fields["log"] as Record<string, unknown>)["file"];
    if (where !== "neighbor") return;
    fields["addPath"] = {};
    delete (fields["maxPrefix"] as Record<string, unknown>)["action"];
    Object.assign(fields["gracefulRestart"] as object, { novel: 1, restartTimeMax: 7 });
  });
  complete(config);
  const { neighbors, log } = load();
  expect(config.log).toEqual(log);
  for (const [i, { addPath, maxPrefix, gracefulRestart }] of config.neighbors.entries()) {
    expect(addPath).toEqual(neighbors[i]!.addPath);
    expect(maxPrefix).toEqual(neighbors[i]!.maxPrefix);
    expect(gracefulRestart).toMatchObject({ mode: "helper", novel: 1, restartTimeMax: 7 });
  }
  expect(unknownOptions(config)).toEqual(["gracefulRestart.novel"]);
});

test("names of the operator's choice are no options", () => {
  const config = load(`${FILE}
policies: { mine: [{ then: accept }] }
prefix-lists: { ours: [10.0.0.0/8] }
`);
  expect(Object.keys(config.policies)).toEqual(["mine"]);
  expect(unknownOptions(config)).toEqual([]);
});

test("what a file says stays, whatever else is missing", () => {
  const config = changed((fields, where) => {
    if (where === "neighbor") delete fields["keepRejected"];
  });
  complete(config);
  expect(config.neighbors.map(({ holdTime }) => holdTime)).toEqual([30, 90]);
  expect(diffConfig(config, load())).toMatchObject({ added: [], removed: [], changed: [] });
});

test("options that are not known are named, and kept", () => {
  const config = changed((fields, where) => {
    fields[`novel-${where}`] = { count: 7 };
  });
  const before = structuredClone(config);
  complete(config);
  expect(config).toEqual(before);
  expect(unknownOptions(config)).toEqual(["novel-file", "novel-neighbor", "router.novel-router"]);
});

test("one that this version has made lacks nothing, and has nothing unknown", () => {
  for (const text of [FILE, FILE.replace(/neighbors:.*/s, "neighbors: []")]) {
    const config = load(text);
    const before = structuredClone(config);
    complete(config);
    expect(config).toEqual(before);
    expect(unknownOptions(config)).toEqual([]);
  }
});
