/** etcd in a lab: one member, with the disk behind it. */
import type { LabNode, LabProcess } from "./netns.ts";
import { until } from "./until.ts";

const WAIT_MS = 15_000;

/** Starts etcd. @returns its endpoint, once it answers */
export async function startEtcd(node: LabNode): Promise<{ process: LabProcess; endpoint: string }> {
  const endpoint = `http://${node.address4}:2379`;
  const peer = `http://127.0.0.1:2380`;
  const etcd = node.spawn([
    "/usr/bin/etcd",
    ...["--name", "one", "--data-dir", `${node.directory}/etcd`, "--log-level", "error"],
    ...["--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", endpoint],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
    ...["--initial-cluster", `one=${peer}`],
  ]);
  await until(
    async () => {
      const body = '{"key":"AA=="}';
      const url = "http://127.0.0.1:2379/v3/kv/range";
      const get = `fetch("${url}", { method: "POST", body: '${body}' }).then((r) => r.ok || process.exit(1))`;
      return (await node.run([process.execPath, "-e", get])).code === 0;
    },
    WAIT_MS,
    "etcd answers",
  );
  return { process: etcd, endpoint };
}
