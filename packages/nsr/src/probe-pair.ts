/** Whether what a pair needs beside its host is there, for the doctor: its link, its arbiter, its addresses. */

import { existsSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import type { Config, LinkAddress, NsrConfig } from "@ts-bgp/config";
import { type DoctorRow, whoHas } from "@ts-bgp/takeover";
import { addressText, connectLink, waysOf } from "./links.ts";
import { assertPrivateFolder } from "./private-folder.ts";
import { probeArbiter } from "./probe-etcd.ts";
import { located, SILENCE_MS } from "./service-addresses.ts";

/** @returns a row for each; none without a section `nsr` */
export async function probePair({ nsr }: Config): Promise<DoctorRow[]> {
  if (nsr === null) return [];
  // First, and by itself: it must not be what answers at the other side's address.
  const listen = await listenRow(nsr.listen);
  const ways = waysOf(nsr).map((way) => peerRow(way, nsr));
  const [etcd, others] = await Promise.all([
    probeArbiter(nsr),
    Promise.all([...ways, ...addressRows(nsr)]),
  ]);
  return [...etcd, listen, ...others];
}

function listenRow(address: LinkAddress): Promise<DoctorRow> {
  const found = "path" in address ? socketPlace(address.path) : tryToListen(address);
  const advice = "`listen` in the section nsr has to be an address of this host";
  return row(`link at ${addressText(address)}`, found, false, advice);
}

async function socketPlace(file: string): Promise<string> {
  // One that is not there is made.
  if (existsSync(path.dirname(file))) assertPrivateFolder(file);
  return "a Unix socket";
}

function tryToListen({ address, port }: { address: string; port: number }): Promise<string> {
  const server = net.createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve("in use: by the speaker, when it runs");
      else reject(error);
    });
    server.listen(port, address, () => server.close(() => resolve("can be had")));
  });
}

function peerRow(address: LinkAddress, nsr: NsrConfig): Promise<DoctorRow> {
  const found = connectLink(address, nsr).then((stream) => {
    stream.destroy();
    return "the active side answers";
  });
  const advice =
    "none when no active side runs there; else look at `peer`, certificates and firewalls";
  return row(`way to ${addressText(address)}`, found, true, advice);
}

function addressRows({ serviceAddresses }: NsrConfig): Promise<DoctorRow>[] {
  return serviceAddresses.map((service) => {
    const found = async () => {
      const holder = await whoHas(located(service), SILENCE_MS);
      return holder === null ? "nobody else has it" : `${holder} has it: is that the other side?`;
    };
    const advice = "the rows above tell more";
    return row(`address ${service.address}`, found(), false, advice);
  });
}

/**
 * @param found - what there is to say, or rejects with what is wrong
 * @param isMinor - whether a pair can do without it
 */
async function row(
  what: string,
  found: Promise<string>,
  isMinor: boolean,
  advice: string,
): Promise<DoctorRow> {
  const settled = await found.then(
    (detail) => ({ ok: true, detail, whatToDo: "" }),
    ({ message }: Error) => ({ ok: false, detail: message, whatToDo: advice }),
  );
  return { what, ...settled, ...(isMinor ? { isMinor: true } : {}) };
}
