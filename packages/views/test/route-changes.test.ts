/** What is told of a prefix while a router goes on. */

import { expect, test } from "vitest";
import { keyOf } from "../../../testkit/asking.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { PrefixWatch } from "../src/index.ts";

test("a path that is kept while its neighbor restarts is another one", () => {
  const lab = new Lab(
    yamlOf(`neighbors:
  - { address: 192.0.2.1, as: 65001, passive: true, import: accept-all, export: accept-all }`),
  );
  const options = { as: 65001, gracefulRestart: { seconds: 30 } };
  const peer = lab.peer("192.0.2.1", options).up();
  peer.announce(["10.1.0.0/16"], { path: [65001] });
  lab.run();
  const watch = new PrefixWatch(1, keyOf("10.1.0.0/16").key);
  expect(watch.look(lab.router).map(({ what }) => what)).toEqual(["added"]);
  expect(watch.look(lab.router)).toEqual([]);
  peer.hangUp();
  lab.run();
  expect(watch.look(lab.router)).toMatchObject([
    { what: "changed", before: { status: "best" }, after: { stale: "restart" } },
  ]);
  expect(watch.look(lab.router)).toEqual([]);
});
