/** The profile of compose.yml with two speakers that are one route server. */
import assert from "node:assert/strict";
import type { ShownCluster } from "@ts-bgp/daemon";
import { until } from "../lab/until.ts";
import type { Check } from "./checks.ts";
import type { Stage } from "./stage.ts";

const WAIT_MS = 20_000;
const SERVICES = "cluster-a cluster-b client-a client-b";
const COMPOSE = "docker compose -f docker/compose.yml --profile cluster";

export const CLUSTER: Check = {
  name: "two speakers that are one route server, and a client that moves",
  run: async (stage) => {
    const { deployment } = stage;
    try {
      await deployment.shell(`${COMPOSE} up -d --wait --no-deps ${SERVICES}`);
      return await checkCluster(stage);
    } finally {
      await deployment.shell(`${COMPOSE} rm --stop --force ${SERVICES}`);
    }
  },
};

/** Each client has the other one's route, also when its session is with the other member from now on. */
async function checkCluster({ deployment }: Stage): Promise<string> {
  const has = async (client: "a" | "b", prefix: string) => {
    const shows = async () => {
      const text = await deployment.exec(`client-${client}`, "birdc", "show", "route", prefix);
      return text.includes(prefix);
    };
    await until(shows, WAIT_MS, `client-${client} has ${prefix}`);
  };
  const established = async () => {
    const words = ["tsbgp", "show", "neighbors", "--cluster", "--json"];
    const text = await deployment.exec("cluster-a", ...words);
    const all = JSON.parse(text) as { member: string; state: string }[];
    return all.filter(({ state }) => state === "Established").map(({ member }) => member);
  };
  await has("a", "10.62.0.0/24");
  await has("b", "10.61.0.0/24");
  assert.deepEqual(await established(), ["a", "b"], "members with a session");
  deployment.edit("config/cluster/clients.yaml", (text) =>
    text.replace("speaker: b", "speaker: a"),
  );
  deployment.edit("clients/bird-b.conf", (text) => text.replace(/10\.(\d+)\.0\.52/, "10.$1.0.51"));
  for (const member of ["cluster-a", "cluster-b"]) {
    await deployment.exec(member, "tsbgp", "reload");
  }
  await deployment.exec("client-b", "birdc", "configure");
  const areWithA = async () => (await established()).join() === "a,a";
  await until(areWithA, WAIT_MS, "both clients are with member a");
  await has("b", "10.61.0.0/24");
  const shown = await deployment.exec("cluster-b", "tsbgp", "show", "cluster", "--json");
  const { members } = JSON.parse(shown) as ShownCluster;
  assert.deepEqual([members[0]!.neighbors, members[0]!.routes], [2, 2], "what b has of a");
  return "2 clients";
}
