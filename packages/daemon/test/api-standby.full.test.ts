/** The API on the side of a pair that is not active. */
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { withPair } from "../../../testkit/pair.ts";
import { freePort, neighborAddress, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const LOOPBACK = "127.0.0.1";
const SECRET = "operator-0123456789";

describe.skipIf(REASON !== null)(`a standby (${REASON ?? "on one host"})`, () => {
  test("answers what it knows, changes nothing, and names the active side", () =>
    withPair({}, async (pair) => {
      const ports = { a: await freePort(), b: await freePort() };
      const tokens = [{ name: "noc", role: "operator", secret: SECRET }];
      for (const name of ["a", "b"] as const) {
        const http = { port: ports[name], tokens };
        (await pair.side(name)).configure(pair.config(name, { http }));
      }
      await pair.start();
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: 65001, count: 2000 }));
      const ask = (side: "a" | "b", path: string, method = "GET") =>
        fetch(`http://${LOOPBACK}:${ports[side]}/api/v1${path}`, {
          method,
          headers: { authorization: `Bearer ${SECRET}` },
        });
      const textOf = async (side: "a" | "b", path: string) => (await ask(side, path)).text();
      const has = async () => (await textOf("b", "/neighbors")).includes('"accepted":2000');
      await until(has, WAIT_MS, "the standby has them");
      const received = `/routes?neighbor=${neighborAddress(1)}&view=received`;
      const why = `/explain?neighbor=${neighborAddress(1)}&prefix=16.0.0.0/24`;
      for (const path of ["/routes?limit=10000", received, why, `${why}&direction=export`]) {
        expect(await textOf("b", path)).toBe(await textOf("a", path));
      }
      // A page that was begun on one side goes on at the other.
      const { next } = (await (await ask("a", "/routes?limit=700")).json()) as { next: string };
      const rest = `/routes?limit=700&cursor=${next}`;
      expect(await textOf("b", rest)).toBe(await textOf("a", rest));
      for (const [path, method] of [
        [`/neighbors/${neighborAddress(1)}/reset`, "POST"],
        ["/reload", "POST"],
      ] as const) {
        const response = await ask("b", path, method);
        expect([path, response.status, await response.json()]).toEqual([
          path,
          409,
          expect.objectContaining({ active: "a" }),
        ]);
      }
      expect(await (await ask("b", "/nsr")).json()).toMatchObject({ role: "standby", ready: true });
      expect(peer.closed).toBe(false);
    }));
});
