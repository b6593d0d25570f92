/** Explanations in steps, between which the router goes on. */

import { expect, test } from "vitest";
import { explain, keyOf } from "../../../testkit/asking.ts";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { type Explained, explainInSteps } from "../src/index.ts";

const CLIENT = "192.0.2.200";
const COUNT = 20;
const PREFIX = "10.1.0.0/16";
const addressOf = (k: number) => `192.0.2.${k + 1}`;

/** Many neighbors have a prefix, and a client is sent that of the one of them whom policy lets through. */
function exchange(chosen: number): { lab: Lab; peers: Peer[]; client: Peer } {
  const neighbors = Array.from(
    { length: COUNT },
    (_, k) => `  - { address: ${addressOf(k)}, as: ${65001 + k}, import: accept-all }`,
  );
  const lab = new Lab(
    yamlOf(`
defaults: { passive: true, route-server-client: true, export: accept-all }
neighbors:
  - { address: ${CLIENT}, as: 65500, import: accept-all, export: some }
${neighbors.join("\n")}
policies:
  some: [ { name: chosen, if: { community: "1:1" }, then: accept }, { then: reject } ]
`),
  );
  const client = lab.peer(CLIENT, { as: 65500 }).up();
  const peers = Array.from({ length: COUNT }, (_, k) => {
    const peer = lab.peer(addressOf(k), { as: 65001 + k }).up();
    const communities = k === chosen ? ["1:1"] : [];
    return peer.announce([PREFIX], { path: [65001 + k, 65100 + k], communities });
  });
  lab.run();
  return { lab, peers, client };
}

function stepsOf(lab: Lab, direction: "import" | "export", neighbor: string) {
  return explainInSteps(lab.router, { direction, ...keyOf(PREFIX), text: PREFIX, neighbor });
}

/** @param between - what happens behind each step */
function finish(steps: Generator<void, Explained>, between: (step: number) => void = () => {}) {
  for (let step = 1; ; step++) {
    const { done, value } = steps.next();
    if (done === true) return { explained: value, steps: step };
    between(step);
  }
}

const sourcesOf = ({ paths }: Explained) => paths.map(({ path }) => path.neighbor);

test.each(["import", "export"] as const)(
  "%s is explained as at once, a path in each step",
  (way) => {
    const { lab, client } = exchange(7);
    expect(Object.keys(client.table)).toEqual([PREFIX]);
    const neighbor = way === "import" ? addressOf(7) : CLIENT;
    const { explained, steps } = finish(stepsOf(lab, way, neighbor));
    expect(explained).toEqual(explain(lab, way, PREFIX, neighbor));
    expect(steps).toBe(way === "import" ? 2 : COUNT + 1);
    if (way === "import") return;
    expect(explained.verdict).toBe("advertised (1 path)");
    const sent = explained.paths.filter(({ steps }) => steps.at(-1)?.step === "advertised");
    expect(sent.map(({ path }) => path.neighbor)).toEqual([addressOf(7)]);
  },
);

test("a path that goes meanwhile is left out, and one whose row is another one by then is told", () => {
  const { lab, peers } = exchange(7);
  const steps = stepsOf(lab, "export", CLIENT);
  const { explained } = finish(steps, (step) => {
    if (step !== 3) return;
    peers[10]!.withdraw([PREFIX]);
    peers[11]!.withdraw([PREFIX]);
    lab.run();
    // They come again the other way round.
    peers[11]!.announce([PREFIX], { path: [65012, 65111] });
    lab.run();
  });
  const all = Array.from({ length: COUNT }, (_, k) => addressOf(k));
  expect(sourcesOf(explained)).toEqual(all.filter((address) => address !== addressOf(10)));
});

test.each(["import", "export"] as const)("%s: a session that ends meanwhile is said", (way) => {
  const { lab, peers, client } = exchange(7);
  const asked = way === "import" ? peers[7]! : client;
  const { explained } = finish(stepsOf(lab, way, asked.address), (step) => {
    if (step !== 1) return;
    asked.hangUp();
    lab.run();
  });
  // The one path of an import is told already.
  const verdict = way === "import" ? /^accepted/ : /^no session is established$/;
  expect(explained.verdict).toMatch(verdict);
});

test("a neighbor that is removed meanwhile is none, and so is a prefix that goes", () => {
  const { lab } = exchange(7);
  const { explained } = finish(stepsOf(lab, "export", CLIENT), (step) => {
    if (step !== 2) return;
    lab.reload(
      yamlOf(
        `neighbors: [ { address: ${addressOf(0)}, as: 65001, passive: true, import: accept-all, export: accept-all } ]`,
      ),
    );
    lab.run();
  });
  expect(explained).toMatchObject({ verdict: "no session is established", paths: [] });
  const other = exchange(7);
  const { explained: gone } = finish(stepsOf(other.lab, "export", CLIENT), (step) => {
    if (step !== 2) return;
    for (const peer of other.peers) peer.withdraw([PREFIX]);
    other.lab.run();
  });
  expect(sourcesOf(gone)).toEqual([addressOf(0), addressOf(1)]);
});
