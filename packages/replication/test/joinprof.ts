import { Router } from "../../router/src/index.ts";
import { configOf, Lab, yamlOf } from "../../router/test/driver.ts";
import { Machine, machineFromImage, machineImage } from "../src/index.ts";

const N = Number(process.argv[2]),
  R = Number(process.argv[3]);
let machine: any;
const nb = [...Array(N).keys()]
  .map((i) => `  - { address: 10.0.${1 + (i >> 7)}.${1 + (i & 127)}, as: ${65600 + i}, group: c }`)
  .join("\n");
const yaml = yamlOf(
  `groups: { c: { route-server-client: true, passive: true, import: [all], export: all } }\nneighbors:\n${nb}\npolicies: { all: [ { then: accept } ] }\n`,
);
const lab = new Lab(yaml, {
  routerOf: (config, seed) => {
    machine = new Machine(config, seed);
    return machine.router;
  },
});
const peers = [...Array(N).keys()].map((i) =>
  lab.peer(`10.0.${1 + (i >> 7)}.${1 + (i & 127)}`, { as: 65600 + i }).up(),
);
lab.run();
console.log("up");
for (let i = 0; i < N; i++) {
  const p = peers[i]!;
  for (let j = 0; j < R; j += 100) {
    const list: string[] = [];
    for (let k = j; k < Math.min(R, j + 100); k++) {
      const n = i * R + k;
      list.push(`${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.0/24`);
    }
    p.announce(list, { path: [65600 + i, 1000 + j / 100] } as never);
  }
  (lab as any).outputs.length = 0;
  if (i % 20 === 0) {
    while ((lab as any).slice());
    machine.takeOutputs();
  }
}
while ((lab as any).slice());
machine.takeOutputs();
console.log("routes in", Math.round(process.memoryUsage().rss / 1e6));
for (let k = 0; k < 4; k++) {
  const t = performance.now();
  const pieces = machineImage(machine);
  const d = performance.now() - t;
  const oct = pieces.reduce((s: number, p: any) => s + p.length, 0);
  const t2 = performance.now();
  machineFromImage(pieces);
  console.log(
    "image ms",
    d.toFixed(0),
    "MB",
    (oct / 1e6).toFixed(1),
    "pieces",
    pieces.length,
    "load ms",
    (performance.now() - t2).toFixed(0),
  );
}
