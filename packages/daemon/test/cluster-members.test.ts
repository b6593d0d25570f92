/** What one member of a cluster has of another one's neighbors, after what may happen to these. */

import { expect, test } from "vitest";
import { Lab } from "../../../testkit/router.ts";
import { member, Telling } from "./support/telling.ts";

const BOTH = `
  - { address: 192.0.2.1, as: 65001, speaker: a }
  - { address: 192.0.2.2, as: 65002, speaker: b }
`;

test.each([
  ["off", {}],
  ["helper", { gracefulRestart: {} }],
])("paths of a session that has ended go (graceful restart: %s)", (mode, restarts) => {
  const options = `add-path: { receive: true, send: all }, graceful-restart: { mode: ${mode} }`;
  const a = new Lab(member("a", BOTH, options));
  const b = new Lab(member("b", BOTH, options));
  const telling = new Telling(a, "a", b);
  const x = a.peer("192.0.2.1", { as: 65001, addPath: "both", ...restarts }).up();
  const paths = [1, 2].map((path_id) => ({ prefix: "10.1.0.0/16", path_id }));
  x.announce([...paths, { prefix: "10.2.0.0/16", path_id: 7 }]);
  telling.pass();
  const all = ["10.1.0.0/16 1", "10.1.0.0/16 2", "10.2.0.0/16 7"];
  expect(telling.routesOf("192.0.2.1")).toEqual(all);
  x.hangUp();
  telling.pass();
  expect(telling.routesOf("192.0.2.1")).toEqual(mode === "off" ? [] : all);
  if (mode === "helper") telling.copy();
  expect(telling.routesOf("192.0.2.1")).toEqual(mode === "off" ? [] : all);
  a.advance(400_000);
  telling.pass();
  expect(telling.routesOf("192.0.2.1")).toEqual([]);
});
