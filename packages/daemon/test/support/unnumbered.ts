/** A host beside this one with BIRD on it, which announces IPv4 routes with IPv6 next hops (RFC 8950). */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { OWNER } from "../../../../test/owner.ts";
import { run } from "./forwarding.ts";

/** The speaker's, which packets come from as well. */
export const OWN = "198.51.100.1";

/** A session of BIRD's, and what it announces in it. */
export interface BirdSession {
  readonly as: number;
  /** With `%eth0` where it is link-local. */
  readonly local: string;
  readonly neighbor: string;
  /** In place of its own address, by prefix. */
  readonly routes: Readonly<Record<string, string | null>>;
}

/**
 *     here, u0   2001:db8:2::1  fe80::1 ---- 2001:db8:2::9  fe80::9   eth0, there
 *     here, v0   192.0.2.1 ----------------- 192.0.2.9                eth1, there
 *
 * There are no IPv4 addresses on the first link. Packets to 10.N.0.1 are answered there.
 */
export class BirdHost {
  private readonly name: string = `tsbgp-${OWNER}-${process.pid}-bird`;
  private readonly directory: string;
  private readonly port: number;
  private child: ChildProcess | null = null;

  /** @param port - of the speaker */
  constructor(directory: string, port: number) {
    this.directory = directory;
    this.port = port;
    run(`ip netns add ${this.name}`);
    run(
      "ip -batch -",
      `link add u0 type veth peer name eth0 netns ${this.name}
link add v0 type veth peer name eth1 netns ${this.name}
address replace ${OWN}/32 dev lo
link set u0 addrgenmode none
address add fe80::1/64 dev u0 nodad
address add 2001:db8:2::1/64 dev u0 nodad
address add 192.0.2.1/24 dev v0
link set u0 up
link set v0 up
`,
    );
    const answered = Array.from({ length: 9 }, (_, n) => `address add 10.${n}.0.1/32 dev lo\n`);
    run(
      `ip -netns ${this.name} -batch -`,
      `link set lo up
link set eth0 addrgenmode none
link set eth1 up
address add 192.0.2.9/24 dev eth1
${answered.join("")}`,
    );
    this.setLink("up");
  }

  /** Words in front of those of a command that is to run on it. */
  get as(): readonly string[] {
    return ["ip", "netns", "exec", this.name];
  }

  /** The other end of u0, without which that has no carrier. */
  setLink(to: "up" | "down"): void {
    const added = `address add fe80::9/64 dev eth0 nodad
address add 2001:db8:2::9/64 dev eth0 nodad
address add 2001:db8:2::8/64 dev eth0 nodad
route add ${OWN}/32 via inet6 2001:db8:2::1 dev eth0
`;
    const lines = `link set eth0 ${to}\n${to === "up" ? added : ""}`;
    run(`ip -netns ${this.name} -batch -`, lines);
  }

  /** BIRD is begun, or has other sessions or routes from now on. */
  configure(sessions: readonly BirdSession[]): void {
    const file = join(this.directory, "bird.conf");
    const socket = join(this.directory, "bird.ctl");
    writeFileSync(file, this.config(sessions));
    if (this.child !== null) {
      run(`birdc -s ${socket} configure`);
      return;
    }
    const words = ["netns", "exec", this.name, "bird", "-f", "-c", file, "-s", socket];
    this.child = spawn("ip", words, { stdio: ["ignore", "inherit", "inherit"] });
  }

  remove(): void {
    this.child?.kill("SIGKILL");
    spawnSync("ip", ["link", "delete", "u0"]);
    spawnSync("ip", ["link", "delete", "v0"]);
    spawnSync("ip", ["netns", "delete", this.name]);
  }

  private config(sessions: readonly BirdSession[]): string {
    const prefixes = new Set(sessions.flatMap(({ routes }) => Object.keys(routes)));
    const announced = [...prefixes].map((prefix) => `  route ${prefix} blackhole;`);
    const four = announced.filter((line) => !line.includes(":"));
    const six = announced.filter((line) => line.includes(":"));
    return [
      "router id 192.0.2.9;",
      "protocol device {}",
      `protocol static four { ipv4;\n${four.join("\n")}\n}`,
      `protocol static six { ipv6;\n${six.join("\n")}\n}`,
      ...sessions.map((session, k) => this.sessionText(session, k)),
      "",
    ].join("\n");
  }

  private sessionText({ as, local, neighbor, routes }: BirdSession, number: number): string {
    const [address, link] = local.split("%");
    const filter = Object.entries(routes).map(([prefix, hop]) => {
      const set = hop === null ? "" : `bgp_next_hop = ${hop}; `;
      return `    if net = ${prefix} then { ${set}accept; }`;
    });
    const channel = `import none; export filter {\n${filter.join("\n")}\n    reject;\n  };`;
    return `protocol bgp s${number} {
  local ${address} as ${as};
  neighbor ${neighbor} port ${this.port} as 64500;
  ${link === undefined ? "" : `interface "${link}";`}
  direct; connect delay time 0; connect retry time 1; error wait time 1, 1;
  ipv4 { ${channel} extended next hop on; };
  ipv6 { ${channel} };
}`;
  }
}
