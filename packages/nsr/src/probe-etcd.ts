/** Whether an etcd is there, and lets this process do what it needs, for the doctor: a row for each endpoint. */

import type { Config, EtcdAccess } from "@ts-bgp/config";
import type { DoctorRow } from "@ts-bgp/takeover";
import { EtcdClient } from "./etcd-client.ts";
import { EtcdEntries } from "./etcd-entries.ts";

/** Longest wait for an answer of etcd. */
const ANSWER_MS = 1000;

/** Of one endpoint. */
interface Probed {
  /** Number of the cluster of etcd; null where that is not compared. */
  readonly cluster: string | null;
  readonly answerMs: number;
}

/** @returns rows for the arbiter of a pair, of whose endpoints one is enough */
export async function probeArbiter({
  arbiter,
  cluster,
}: NonNullable<Config["nsr"]>): Promise<DoctorRow[]> {
  if (arbiter.kind === "local") return [];
  const probe = async (access: EtcdAccess) => {
    const etcd = new EtcdClient(access, `ts-bgp/${cluster}/`, ANSWER_MS);
    await etcd.probe("roles");
    // By now there is a login, and a connection.
    const answerMs = await timed(() => etcd.read());
    return { cluster: etcd.cluster, answerMs };
  };
  const advice = "start it, or correct `arbiter` in the section nsr";
  const { rows, oneAnswers } = await probeEach(arbiter, probe, advice);
  return rows.map((row) => (!row.ok && oneAnswers ? { ...row, isMinor: true } : row));
}

/**
 * @returns rows for the list of members of a cluster: nonstop routing does without it, and what runs already goes on
 */
export async function probeMembership({ cluster }: Config): Promise<DoctorRow[]> {
  const etcd = cluster?.etcd ?? null;
  if (etcd === null) return [];
  const probe = async (access: EtcdAccess) => {
    const entries = new EtcdEntries(access, ANSWER_MS);
    try {
      await entries.probe(`${etcd.prefix}/`);
      const answerMs = await timed(() => entries.keysUnder(`${etcd.prefix}/`, 1));
      return { cluster: null, answerMs };
    } finally {
      entries.close();
    }
  };
  const advice = "start it, or correct `etcd` in the section cluster";
  const { rows } = await probeEach(etcd, probe, advice);
  return rows.map((row) => {
    const named = { ...row, what: `members in ${row.what}` };
    return row.ok ? named : { ...named, isMinor: true };
  });
}

async function timed(ask: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await ask();
  return Math.ceil(performance.now() - beganMs);
}

async function probeEach(
  access: EtcdAccess,
  probe: (access: EtcdAccess) => Promise<Probed>,
  advice: string,
): Promise<{ readonly rows: DoctorRow[]; readonly oneAnswers: boolean }> {
  let first: string | null = null;
  const rows = access.endpoints.map(async (endpoint): Promise<DoctorRow> => {
    const what = `etcd ${endpoint}`;
    try {
      const { cluster, answerMs } = await probe({ ...access, endpoints: [endpoint] });
      first ??= cluster;
      if (cluster !== first) throw new Error(`is of another cluster, ${cluster} and not ${first}`);
      return { what, ok: true, detail: `answers in ${answerMs} ms`, whatToDo: "" };
    } catch (error) {
      return { what, ok: false, detail: (error as Error).message, whatToDo: advice };
    }
  });
  const all = await Promise.all(rows);
  return { rows: all, oneAnswers: all.some(({ ok }) => ok) };
}
