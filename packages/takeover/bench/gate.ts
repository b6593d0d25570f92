/**
 * What the gate costs: TCP throughput in both directions and the round trip of a small message,
 * with and without it.
 *
 *     node packages/takeover/bench/gate.ts [seconds]     as root; 1 second for a figure unless told
 */

import { once } from "node:events";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createLab, type LabNode } from "../../../test/lab/netns.ts";
import { descriptorOf, Gate, sequenceAfter, snapshot } from "../src/index.ts";

const PORT = 1790;
const QUEUE = 11;
const CHUNK = Buffer.alloc(1 << 18);

const { positionals } = parseArgs({ allowPositionals: true });
const [role, ...rest] = positionals;
if (role === "peer") peer(rest[0] ?? "");
else if (role === "measure") await measure(rest[0] ?? "", Number(rest[1]), rest[2] ?? "");
else await main(Number(role ?? 1));

/** The first octet of a connection says what to do: send without end, swallow, or echo. */
function peer(address: string): void {
  net
    .createServer({ noDelay: true }, (socket) => {
      socket.on("error", () => {});
      socket.once("data", (octets) => {
        if (octets[0] === 0x73) flood(socket);
        else if (octets[0] === 0x65) socket.on("data", (echoed) => socket.write(echoed));
        else socket.resume();
      });
    })
    .listen(PORT, address, () => console.log("listening"));
}

function flood(socket: net.Socket): void {
  const more = () => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on("drain", more);
  more();
}

async function measure(address: string, seconds: number, kind: string): Promise<void> {
  let gate: Gate | null = null;
  if (kind !== "none") {
    gate = await Gate.start({ queue: QUEUE, flowsMax: 100 });
    gate.bind();
    await gate.installRules([PORT]);
  }
  const open = async (what: string) => {
    const socket = net.connect({ host: address, port: PORT, noDelay: true });
    await once(socket, "connect");
    const state = kind === "protected" ? snapshot(descriptorOf(socket), 0) : null;
    if (gate !== null && state !== null) {
      const local = { address: state.localAddress, port: state.localPort };
      const remote = { address: state.remoteAddress, port: state.remotePort };
      const flow = gate.protect(local, remote, state.receiveSequence);
      let received = 0;
      socket.on("data", (octets) => {
        received += octets.length;
        gate?.release(flow, sequenceAfter(state.receiveSequence, received));
        gate?.wake();
      });
    }
    socket.write(what);
    return socket;
  };
  const rate = (octets: number) => Math.round(octets / seconds / 1e6);
  const out = await open("d");
  flood(out);
  await sleep(seconds * 1000);
  const sent = out.bytesWritten - out.writableLength;
  out.destroy();
  const into = await open("s");
  into.resume();
  await sleep(seconds * 1000);
  const received = into.bytesRead;
  into.destroy();
  const echo = await open("e");
  echo.resume();
  await sleep(50);
  const roundTripsUs: number[] = [];
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    const began = performance.now();
    echo.write("x");
    await once(echo, "data");
    roundTripsUs.push((performance.now() - began) * 1000);
  }
  echo.destroy();
  roundTripsUs.sort((a, b) => a - b);
  const at = (part: number) =>
    Math.round(roundTripsUs[Math.floor(roundTripsUs.length * part)] ?? 0);
  const counters = gate?.counters();
  await gate?.stop("remove-rules");
  console.log(
    JSON.stringify({
      gate: kind,
      "out MB/s": rate(sent),
      "in MB/s": rate(received),
      "round trip us, median": at(0.5),
      "99th percentile": at(0.99),
      held: counters?.held ?? 0,
      overruns: counters?.overruns ?? 0,
    }),
  );
  process.exit();
}

async function main(seconds: number): Promise<void> {
  const lab = createLab();
  try {
    const [far, near] = [lab.node("peer"), lab.node("gated")];
    const self = [process.execPath, fileURLToPath(import.meta.url)];
    const server = far.spawn([...self, "peer", far.address4]);
    while (!server.output().includes("listening")) await sleep(10);
    const rows: unknown[] = [];
    for (const kind of ["none", "unprotected", "protected"]) rows.push(await one(near, self, kind));
    console.table(rows);
    async function one(node: LabNode, program: string[], kind: string): Promise<unknown> {
      const measured = node.spawn([...program, "measure", far.address4, String(seconds), kind]);
      while (measured.ended() === null) await sleep(10);
      return JSON.parse(measured.output());
    }
  } finally {
    lab.remove();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
