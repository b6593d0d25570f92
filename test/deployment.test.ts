/** What is there to deploy with: it parses, fits its schema, and names only what exists. */
import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Config, loadConfig, loadForward, loadMirror, loadSpare } from "@ts-bgp/config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { stepsOf } from "./versions/steps.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DOCKER = join(ROOT, "docker");
const COMPOSE = ["compose.yml", "compose.shared-netns.yml"] as const;
const CONFIGS = ["rs-a", "rs-b", "shared"] as const;

const isRoot = process.getuid?.() === 0 && spawnSync("setpriv", ["--version"]).status === 0;
/** What a side has to read, in order. */
const SIDE_KEYS = [
  "etcd-ca.crt",
  "etcd.crt",
  "etcd.key",
  "followers-ca.crt",
  "followers.crt",
  "followers.key",
  "link-ca.crt",
  "link.crt",
  "link.key",
  "mirrors-ca.crt",
  "mirrors.crt",
  "mirrors.key",
] as const;
const CLUSTER_KEYS = ["cluster-ca.crt", "cluster.crt", "cluster.key"];
const filesOf = (set: string) => SIDE_KEYS.filter((file) => file.startsWith(set));

const text = (...path: string[]) => readFileSync(join(ROOT, ...path), "utf8");

/** Certificates and passwords are made or mounted when the containers start. */
const SOURCES = {
  readFile: (path: string) => {
    if (path.endsWith(".key")) return "-----BEGIN PRIVATE KEY-----";
    return path.endsWith(".crt") ? "-----BEGIN CERTIFICATE-----" : "an example";
  },
  env: () => undefined,
};

interface ComposeService {
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly target?: string;
  };
  readonly volumes?: readonly string[];
  readonly networks?: Readonly<Record<string, unknown>>;
  readonly tmpfs?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly secrets?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly read_only?: boolean;
}
interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

describe.each(COMPOSE)("docker/%s", (name) => {
  const file = parse(text("docker", name), { merge: true }) as ComposeFile;

  test("names only files, stages, networks, volumes, secrets and services that exist", () => {
    const { services, networks, volumes, secrets } = file;
    for (const { file: path } of Object.values(secrets))
      expect(existsSync(join(DOCKER, path))).toBe(true);
    for (const [service, options] of Object.entries(services)) {
      const { build, volumes: mounted = [], networks: joined = {} } = options;
      if (build !== undefined) {
        const dockerfile = resolve(DOCKER, build.context, build.dockerfile);
        const stage = new RegExp(`^FROM .* AS ${build.target ?? ""}$`, "m");
        expect(existsSync(dockerfile), dockerfile).toBe(true);
        if (build.target !== undefined) expect(readFileSync(dockerfile, "utf8")).toMatch(stage);
      }
      for (const volume of mounted) {
        const [source = ""] = volume.split(":");
        const isThere = source.startsWith(".")
          ? existsSync(join(DOCKER, source))
          : source in volumes;
        expect(isThere, `${service}: ${volume}`).toBe(true);
      }
      for (const network of Object.keys(joined)) expect(networks).toHaveProperty(network);
      for (const secret of options.secrets ?? []) expect(secrets).toHaveProperty(secret);
      const needed = options.depends_on ?? [];
      for (const other of Array.isArray(needed) ? needed : Object.keys(needed)) {
        expect(services).toHaveProperty(other);
      }
    }
  });

  test("gives the route servers no more than they need", () => {
    for (const side of ["rs-a", "rs-b"]) {
      expect(file.services[side]).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
    }
  });
});

/** Where volumes are, by their names. */
function mountsOf({ volumes = [] }: ComposeService): Map<string, string> {
  return new Map(volumes.map((volume) => volume.split(":") as [string, string]));
}

describe("docker/compose.yml: keys", () => {
  const { services } = parse(text("docker", "compose.yml"), { merge: true }) as ComposeFile;

  test("are on a volume for each that has some, which only the service that makes them has as well", () => {
    const volumes = ["a", "b", "etcd", "mirror", "mirror-2", "forwarder", "cluster-a", "cluster-b"];
    const holders = volumes.map((volume) =>
      Object.keys(services).filter((name) => mountsOf(services[name]!).has(`keys-${volume}`)),
    );
    expect(holders).toEqual([
      ["rs-a", "keys"],
      ["rs-b", "keys"],
      ["keys", "etcd"],
      ["keys", "mirror"],
      ["keys", "mirror-2"],
      ["keys", "forwarder"],
      ["keys", "cluster-a"],
      ["keys", "cluster-b"],
    ]);
    for (const [name, volume] of [
      ["rs-a", "keys-a:/keys:ro"],
      ["rs-b", "keys-b:/keys:ro"],
      ["etcd", "keys-etcd:/keys:ro"],
      ["mirror", "keys-mirror:/keys:ro"],
      ["mirror-2", "keys-mirror-2:/keys:ro"],
      ["forwarder", "keys-forwarder:/keys:ro"],
      ["cluster-a", "keys-cluster-a:/keys:ro"],
      ["cluster-b", "keys-cluster-b:/keys:ro"],
    ] as const) {
      expect(services[name]?.volumes).toContain(volume);
    }
    expect(services["keys"]).toMatchObject({ cap_drop: ["ALL"], cap_add: ["CHOWN"] });
  });

  test.skipIf(!isRoot)("each gets its own, for its user alone", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tsbgp-keys-"));
    try {
      for (const name of [
        "a",
        "b",
        "etcd",
        "mirror",
        "mirror-2",
        "forwarder",
        "cluster-a",
        "cluster-b",
        "bin",
      ]) {
        mkdirSync(join(directory, name));
      }
      const main = join(ROOT, "packages/cli/src/main.ts");
      const command = join(directory, "bin/tsbgp");
      writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
      chmodSync(command, 0o755);
      const PATH = `${join(directory, "bin")}:${process.env["PATH"]}`;
      const make = () =>
        spawnSync("sh", [join(DOCKER, "keys.sh")], {
          env: { PATH, KEYS: directory },
          encoding: "utf8",
        });
      expect(make()).toMatchObject({ status: 0, stderr: "" });
      const read = (name: string) => readFileSync(join(directory, name), "utf8");
      for (const [name, user, files] of [
        ["a", 1790, SIDE_KEYS],
        ["b", 1790, SIDE_KEYS],
        ["etcd", 2379, ["ca.crt", "etcd.crt", "etcd.key"]],
        ["mirror", 1790, filesOf("mirrors")],
        ["mirror-2", 1790, filesOf("mirrors")],
        ["forwarder", 1790, filesOf("followers")],
        ["cluster-a", 1790, CLUSTER_KEYS],
        ["cluster-b", 1790, CLUSTER_KEYS],
      ] as const) {
        expect(readdirSync(join(directory, name)).sort()).toEqual(files);
        for (const file of files) {
          const { uid, mode } = statSync(join(directory, name, file));
          expect([uid, mode & 0o777], `${name}/${file}`).toEqual([user, 0o400]);
        }
      }
      expect(read("a/link-ca.crt")).toBe(read("b/link-ca.crt"));
      expect(read("a/etcd-ca.crt")).toBe(read("etcd/ca.crt"));
      const keys = ["etcd/etcd.key", "mirror/mirrors.key", "forwarder/followers.key"];
      keys.push("mirror-2/mirrors.key", "cluster-a/cluster.key", "cluster-b/cluster.key");
      for (const set of ["link", "etcd", "mirrors", "followers"]) {
        keys.push(`a/${set}.key`, `b/${set}.key`);
      }
      expect(new Set(keys.map(read)).size).toBe(keys.length);
      for (const [file, ca, name] of [
        ["a/link", "b/link-ca.crt", "rs1"],
        ["b/etcd", "etcd/ca.crt", "etcd"],
        ["etcd/etcd", "a/etcd-ca.crt", "etcd"],
        ["mirror/mirrors", "a/mirrors-ca.crt", "rs1-mirrors"],
        ["b/mirrors", "mirror/mirrors-ca.crt", "rs1-mirrors"],
        ["forwarder/followers", "b/followers-ca.crt", "followers"],
        ["cluster-a/cluster", "cluster-b/cluster-ca.crt", "cluster"],
        ["a/followers", "forwarder/followers-ca.crt", "followers"],
      ] as const) {
        const certificate = new X509Certificate(read(`${file}.crt`));
        expect(certificate.verify(new X509Certificate(read(ca)).publicKey), file).toBe(true);
        expect(certificate.checkHost(name), file).toBe(name);
        expect(certificate.checkPrivateKey(createPrivateKey(read(`${file}.key`))), file).toBe(true);
      }
      // Once they are there they stay.
      const before = keys.map(read);
      expect(make().status).toBe(0);
      expect(keys.map(read)).toEqual(before);
      // Volumes of a pair from before there were mirrors get what they lack, and no more.
      for (const file of filesOf("mirrors")) rmSync(join(directory, "mirror", file));
      expect(make().status).toBe(0);
      const others = keys.map(read).filter((key) => before.includes(key));
      expect(others).toHaveLength(keys.length - 4);
      expect(read("mirror/mirrors-ca.crt")).toBe(read("a/mirrors-ca.crt"));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Sockets and role files are where only one user can put them. */
function expectPrivatePlaces({ control, nsr }: Config): void {
  const places = [control.socket];
  if (nsr?.arbiter.kind === "local") places.push(nsr.arbiter.file);
  for (const link of nsr === null ? [] : [nsr.listen, ...nsr.peers]) {
    if ("path" in link) places.push(link.path);
  }
  for (const place of places) expect(place).toMatch(/^\/(run|var\/lib)\/ts-bgp\/[^/]+$/);
}

/** No link over TCP and no etcd elsewhere without TLS, with keys that are this side's own. */
function expectTls({ nsr }: Config): void {
  if (nsr === null || "path" in nsr.listen) return;
  expect(nsr.tls).not.toBeNull();
  expect(nsr.arbiter).toMatchObject({ kind: "etcd", tls: expect.anything() });
  if (nsr.arbiter.kind !== "etcd") return;
  for (const endpoint of nsr.arbiter.endpoints) expect(endpoint).toMatch(/^https:/);
}

const SAMPLES = ["route-server", "router", "pair", "pair-two-hosts", "lab"];

test.each(SAMPLES)("configs/%s.yaml has its sockets in a folder of their own", (name) => {
  const { config } = loadConfig(name, text("configs", `${name}.yaml`), SOURCES);
  if (config !== null) expectPrivatePlaces(config);
  expect(text("configs", `${name}.yaml`)).not.toMatch(/[ :]\/tmp\//);
});

describe.each(CONFIGS)("docker/config/%s/ts-bgp.yaml", (name) => {
  test("is right", () => {
    const loaded = loadConfig(name, text("docker/config", name, "ts-bgp.yaml"), SOURCES);
    expect(loaded).toMatchObject({ mistakes: [], warnings: [] });
    expectPrivatePlaces(loaded.config!);
    expectTls(loaded.config!);
  });
});

describe("a spare in a container", () => {
  test("has a right file, which protects the pair of compose.yml", () => {
    const path = "docker/config/rs-b/spare.yaml";
    const { config, mistakes } = loadSpare(path, text(path), {
      load: (name) => loadConfig(name, text("docker/config/rs-b", name), SOURCES),
      queueOf: () => 1,
      controlSocket: "/run/ts-bgp/ts-bgp.sock",
    });
    expect(mistakes).toEqual([]);
    expect(config?.pairs).toHaveLength(1);
  });

  test("changes a service that there is, and limits what it takes but its processor", () => {
    const { services } = parse(text("docker/compose.spare.yml")) as ComposeFile;
    const { services: all } = parse(text("docker/compose.yml"), { merge: true }) as ComposeFile;
    expect(Object.keys(services)).toEqual(["rs-b"]);
    expect(all).toHaveProperty("rs-b");
    expect(services["rs-b"]).toMatchObject({ mem_limit: "3g", pids_limit: 500 });
    expect(services["rs-b"]).not.toHaveProperty("cpus");
  });
});

describe("the profiles mirror and forward", () => {
  const { services } = parse(text("docker/compose.yml"), { merge: true }) as ComposeFile;

  test("have right files, for names that the sides let in", () => {
    const mirror = loadMirror("m.yaml", text("docker/config/mirror/mirror.yaml"), SOURCES);
    expect(mirror).toMatchObject({ mistakes: [], warnings: [] });
    const forward = loadForward("f.yaml", text("docker/config/forwarder/forward.yaml"), SOURCES);
    expect(forward).toMatchObject({ mistakes: [], warnings: [] });
    const sides = ["rs-a", "rs-b"].map((side) => {
      const path = join("docker/config", side, "ts-bgp.yaml");
      return loadConfig(side, text(path), SOURCES).config!;
    });
    const second = loadMirror("m.yaml", text("docker/config/mirror-2/mirror.yaml"), SOURCES);
    expect(second).toMatchObject({ mistakes: [], warnings: [] });
    const { follow, mirrors: served } = mirror.config!;
    expect(second.config!.follow.servers).toEqual([served!.listen, ...follow.servers]);
    expect([served!.cluster, second.config!.follow.cluster]).toEqual([
      follow.cluster,
      follow.cluster,
    ]);
    expect(sides.map(({ mirrors }) => mirrors?.listen)).toEqual(follow.servers);
    expect(sides.map(({ mirrors }) => mirrors?.cluster)).toEqual([follow.cluster, follow.cluster]);
    const { servers, name } = forward.config!;
    expect(sides.map(({ followers }) => followers?.listen)).toEqual(servers);
    expect(sides.map(({ followers }) => followers?.name)).toEqual([name, name]);
  });

  test.each([
    ["mirror", "mirror", ["SETUID", "SETGID"]],
    ["mirror-2", "mirror", ["SETUID", "SETGID"]],
    ["forwarder", "forward", ["NET_ADMIN", "SETUID", "SETGID"]],
  ])("%s starts with its profile, and has no more than it needs", (name, profile, rights) => {
    expect(services[name]).toMatchObject({
      ...{ profiles: [profile], read_only: true, cap_drop: ["ALL"], cap_add: rights },
      security_opt: ["no-new-privileges:true"],
    });
  });
});

describe("the profile cluster", () => {
  test("has right files, for members that know each other, and a client of each", () => {
    const folder = join(DOCKER, "config/cluster");
    const members = ["a", "b"].map((self) => {
      const path = join(folder, `${self}.yaml`);
      const loaded = loadConfig(path, readFileSync(path, "utf8"), {
        ...SOURCES,
        readFile: (name) =>
          name.endsWith(".yaml") ? readFileSync(name, "utf8") : SOURCES.readFile(name),
      });
      expect(loaded).toMatchObject({ mistakes: [], warnings: [] });
      return loaded.config!;
    });
    const { services } = parse(text("docker/compose.yml"), { merge: true }) as ComposeFile;
    for (const [i, { cluster, neighbors }] of members.entries()) {
      const [other] = cluster!.members;
      expect(other!.links).toEqual([members[1 - i]!.cluster!.listen]);
      const own = neighbors.filter(({ speaker }) => speaker === null);
      expect(own.map(({ description }) => description)).toEqual([`client-${cluster!.self}`]);
    }
    for (const name of ["cluster-a", "cluster-b"]) {
      expect(services[name]).toMatchObject({
        ...{ profiles: ["cluster"], read_only: true, cap_drop: ["ALL"] },
        ...{ cap_add: ["SETUID", "SETGID"], security_opt: ["no-new-privileges:true"] },
      });
    }
  });
});

test("the configurations of both sides differ in the marked lines and the comment above only", () => {
  const [a, b] = ["rs-a", "rs-b"].map((side) =>
    text("docker/config", side, "ts-bgp.yaml")
      .split("\n")
      .filter((line) => !line.startsWith("#") && !line.includes("# <-- ")),
  );
  expect(a).toEqual(b);
});

describe("the image", () => {
  const dockerfile = text("docker/Dockerfile");

  test("has the version of the command in its label", () => {
    const { version } = JSON.parse(text("packages/cli/package.json"));
    expect(dockerfile).toContain(`ARG VERSION=${version}\n`);
  });

  test("asks no registry for more than its base images", () => {
    expect(dockerfile).not.toMatch(/^# *syntax=/m);
    const bases = [...dockerfile.matchAll(/^FROM \$\{(\w+)\}/gm)].map((match) => match[1]);
    expect(new Set(bases)).toEqual(new Set(["NODE_IMAGE", "DEBIAN_IMAGE"]));
    expect(bases).toHaveLength(dockerfile.match(/^FROM/gm)!.length);
  });
});

describe.skipIf(!isRoot)("docker/entry.sh, as root", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbgp-entry-"));
    // What it would start, which shows its arguments and capabilities.
    writeFileSync(
      join(directory, "node"),
      '#!/bin/sh\necho "$@"; grep -E "Uid|CapEff|NoNew" /proc/self/status\n',
    );
    chmodSync(join(directory, "node"), 0o755);
    chmodSync(directory, 0o755);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** @param bounding - what the container is given */
  const start = (bounding: string, ...words: string[]) => {
    const caps = `--bounding-set -all,${bounding} --inh-caps -all --ambient-caps -all`;
    // It may make a directory there.
    const script = `mount -t tmpfs -o mode=0755 none /run && exec setpriv ${caps} sh "$0" "$@"`;
    const { stdout, stderr } = spawnSync(
      "unshare",
      ["--mount", "sh", "-c", script, join(DOCKER, "entry.sh"), ...words],
      { env: { PATH: `${directory}:${process.env["PATH"]}` }, encoding: "utf8" },
    );
    return { stdout, stderr };
  };

  test("becomes an ordinary user that keeps the capabilities of nonstop routing alone", () => {
    const { stdout, stderr } = start("+net_admin,+net_raw,+setuid,+setgid", "run", "-c", "x.yaml");
    expect(stderr).toBe("");
    expect(stdout).toContain("tsbgp.mjs run -c x.yaml\n");
    expect(stdout).toMatch(/Uid:\s+1790\s+1790/);
    expect(stdout).toMatch(/CapEff:\s+0000000000003000/);
    expect(stdout).toMatch(/NoNewPrivs:\s+1/);
  });

  test.each([
    ["mode=0777", "1777"],
    ["mode=1777", "1777"],
    ["mode=0755", "755"],
  ])(
    "makes a folder for sockets that is that user's alone, where /run is a tmpfs of %s",
    (mode, run) => {
      const entry = 'setpriv --bounding-set -all,+setuid,+setgid sh "$0" run';
      const script = `mount -t tmpfs -o ${mode} none /run && ${entry} && stat -c '%a %u %n' /run /run/*`;
      const path = `${directory}:${process.env["PATH"]}`;
      const words = ["--mount", "sh", "-c", script, join(DOCKER, "entry.sh")];
      const { stdout, stderr } = spawnSync("unshare", words, {
        env: { PATH: path },
        encoding: "utf8",
      });
      expect(stderr).toBe("");
      const found = stdout.split("\n").filter((line) => line.includes("/run"));
      expect(found).toEqual([`${run} 0 /run`, "700 1790 /run/ts-bgp"]);
    },
  );

  test.each([
    ["makes way for root's folder of sockets", "", "run", []],
    ["leaves one that is in use", "touch /run/ts-bgp/x;", "run", ["1790 /run/ts-bgp"]],
    ["leaves it when it starts no speaker", "", "show", ["1790 /run/ts-bgp"]],
  ])("that stays root %s", (_, before, verb, left) => {
    const script =
      "mount -t tmpfs -o mode=0755 none /run && install -d -o 1790 -m 0700 /run/ts-bgp && " +
      `{ ${before} setpriv --bounding-set -all,+net_admin sh "$0" ${verb} 2> /dev/null; } && ` +
      "find /run -mindepth 1 -maxdepth 1 -printf '%U %p\\n'";
    const words = ["--mount", "sh", "-c", script, join(DOCKER, "entry.sh")];
    const { stdout, stderr } = spawnSync("unshare", words, {
      env: { PATH: `${directory}:${process.env["PATH"]}` },
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout.split("\n").filter((line) => line.includes("/run"))).toEqual(left);
  });

  test("says in one line why it stays root, and only when it runs the speaker", () => {
    const { stdout, stderr } = start("+net_admin", "run");
    expect(stderr).toMatch(/^tsbgp: runs as root: SETUID and SETGID are missing.*\n$/);
    expect(stdout).toMatch(/Uid:\s+0/);
    expect(start("+net_admin", "show", "nsr").stderr).toBe("");
  });
});

interface Manifest {
  readonly kind: string;
  readonly [field: string]: unknown;
}
type Kind = new (manifest: Manifest) => { validate(): void };

/** Its types are not made for the compiler's strictest options. */
const models = (version: string): Promise<Readonly<Record<string, Kind>>> =>
  import(/* @vite-ignore */ `kubernetes-models/${version}`);

describe("docker/kubernetes/ts-bgp.yaml", () => {
  test("has what the steps of docs/upgrade.md name", () => {
    const [steps = ""] = stepsOf("Kubernetes");
    const named = (kind: string) => documents.filter((one) => one.kind === kind);
    const sets = named("StatefulSet");
    const namespaces = named("Namespace").map(({ metadata }) => metadata.name);
    const all = (pattern: RegExp) =>
      new Set(Array.from(steps.matchAll(pattern), ([, name]) => name));
    expect(all(/kubectl -n (\S+)/g)).toEqual(new Set(namespaces));
    const names = sets.map(({ metadata }) => metadata.name);
    expect(all(/statefulset\/(\S+)/g)).toEqual(new Set(names));
    const pods = names.map((name) => `${name}-0`);
    expect(all(/(?:pod[ /]|exec )([\w-]+)/g)).toEqual(new Set(pods));
    for (const { spec } of sets) {
      expect(spec).toMatchObject({ replicas: 1, updateStrategy: { type: "OnDelete" } });
      const [container] = spec.template.spec.containers;
      expect(steps).toContain(` ${container.name}=registry.`);
    }
    // Every command is one of these.
    const lines = steps.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    for (const line of lines)
      expect(line).toMatch(/^(until )?kubectl -n ts-bgp (set image|delete|wait|exec) /);
  });

  const documents = parseAllDocuments(text("docker/kubernetes/ts-bgp.yaml")).map((one) =>
    one.toJS(),
  );

  test("fits the schemas of the API", async () => {
    const [core, apps, policy] = await Promise.all(["v1", "apps/v1", "policy/v1"].map(models));
    const kinds = { ...core, ...apps, ...policy };
    const names = ["Namespace", "ConfigMap", "Service", "PodDisruptionBudget"];
    names.push("StatefulSet", "StatefulSet");
    expect(documents.map(({ kind }) => kind)).toEqual(names);
    const validate = (manifest: Manifest) => new kinds[manifest.kind]!(manifest).validate();
    for (const manifest of documents) {
      expect(() => validate(manifest), manifest.kind).not.toThrow();
    }
    const { spec, ...rest } = documents.at(-1);
    expect(() => validate({ ...rest, spec: { ...spec, replicas: "two" } })).toThrow(/replicas/);
  });

  test("has a right configuration for each pod", () => {
    const { data } = documents.find(({ kind }) => kind === "ConfigMap");
    for (const config of Object.values<string>(data)) {
      const loaded = loadConfig("ConfigMap", config, SOURCES);
      expect(loaded).toMatchObject({ mistakes: [], warnings: [] });
      expectPrivatePlaces(loaded.config!);
      expectTls(loaded.config!);
    }
  });

  test("has a StatefulSet for each side, with the keys of that side, and else the same", () => {
    const sets = documents.filter(({ kind }) => kind === "StatefulSet");
    const secrets = sets.map(({ spec }) =>
      spec.template.spec.volumes.flatMap(
        ({ secret }: { secret?: { secretName: string } }) => secret?.secretName ?? [],
      ),
    );
    expect(secrets).toEqual([["ts-bgp-a"], ["ts-bgp-b"]]);
    const asA = JSON.stringify(sets[1])
      .replaceAll('"ts-bgp-b"', '"ts-bgp-a"')
      .replaceAll('instance":"b"', 'instance":"a"')
      .replace("/b.yaml", "/a.yaml");
    expect(JSON.parse(asA)).toEqual(sets[0]);
    const { data } = documents.find(({ kind }) => kind === "ConfigMap");
    expect(Object.keys(data)).toEqual(["a.yaml", "b.yaml"]);
  });
});

const FORWARD_UNIT = "ts-bgp-forward.service";

const noAnalyze =
  spawnSync("systemd-analyze", ["--version"]).status === 0 ? "" : " (needs systemd-analyze)";

describe.skipIf(noAnalyze !== "")(`systemd-analyze minds nothing${noAnalyze}`, () => {
  test.each([
    ["the unit", "ts-bgp@rs1.service", "ts-bgp@.service", null],
    ["the unit of a spare", "ts-bgp@spare.service", "ts-bgp@.service", "spare.conf"],
    ["the unit of a forwarding module", FORWARD_UNIT, FORWARD_UNIT, null],
  ])("of %s", (_, unit, file, more) => {
    const directory = mkdtempSync(join(tmpdir(), "tsbgp-unit-"));
    const place = (file: string, source: string) => {
      const program = "/opt/ts-bgp/node_modules/.bin/node /opt/ts-bgp/packages/cli/bin/tsbgp.mjs";
      const unit = text("configs/systemd", source).replaceAll(program, process.execPath);
      writeFileSync(join(directory, file), unit);
    };
    place(unit, file);
    if (more !== null) {
      mkdirSync(join(directory, `${unit}.d`));
      place(`${unit}.d/${more}`, more);
    }
    const words = ["verify", "--man=no", join(directory, unit)];
    const { status, stderr } = spawnSync("systemd-analyze", words, { encoding: "utf8" });
    rmSync(directory, { recursive: true });
    const minded = stderr.split("\n").filter((line) => /ts-bgp[@-]|spare\.conf/.test(line));
    expect(minded).toEqual([]);
    expect(status).toBe(0);
  });
});
