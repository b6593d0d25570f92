/** What is there to deploy with: it parses, fits its schema, and names only what exists. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig } from "@ts-bgp/config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DOCKER = join(ROOT, "docker");
const COMPOSE = ["compose.yml", "compose.shared-netns.yml"] as const;
const CONFIGS = ["rs-a", "rs-b", "shared"] as const;

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

describe.each(CONFIGS)("docker/config/%s/ts-bgp.yaml", (name) => {
  test("is right", () => {
    const loaded = loadConfig(name, text("docker/config", name, "ts-bgp.yaml"), SOURCES);
    expect(loaded).toMatchObject({ mistakes: [], warnings: [] });
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

const isRoot = process.getuid?.() === 0 && spawnSync("setpriv", ["--version"]).status === 0;

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
    const { stdout, stderr } = spawnSync(
      "setpriv",
      [
        "--bounding-set",
        `-all,${bounding}`,
        "--inh-caps",
        "-all",
        "--ambient-caps",
        "-all",
        "sh",
        join(DOCKER, "entry.sh"),
        ...words,
      ],
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

  test("leaves out those that were not given, and says nothing: the speaker does", () => {
    const { stdout, stderr } = start("+setuid,+setgid", "run");
    expect(stderr).toBe("");
    expect(stdout).toMatch(/CapEff:\s+0000000000000000/);
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
  const documents = parseAllDocuments(text("docker/kubernetes/ts-bgp.yaml")).map((one) =>
    one.toJS(),
  );

  test("fits the schemas of the API", async () => {
    const [core, apps, policy] = await Promise.all(["v1", "apps/v1", "policy/v1"].map(models));
    const kinds = { ...core, ...apps, ...policy };
    const names = ["Namespace", "ConfigMap", "Service", "PodDisruptionBudget", "StatefulSet"];
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
    }
  });
});

const hasAnalyze = spawnSync("systemd-analyze", ["--version"]).status === 0;

test.skipIf(!hasAnalyze)("the systemd unit has nothing that systemd-analyze minds", () => {
  const directory = mkdtempSync(join(tmpdir(), "tsbgp-unit-"));
  const unit = text("configs/systemd/ts-bgp@.service").replaceAll(
    "/opt/ts-bgp/node_modules/.bin/node /opt/ts-bgp/packages/cli/src/main.ts",
    process.execPath,
  );
  const file = join(directory, "ts-bgp@rs1.service");
  writeFileSync(file, unit);
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], {
    encoding: "utf8",
  });
  rmSync(directory, { recursive: true });
  expect(stderr.split("\n").filter((line) => line.includes("ts-bgp@"))).toEqual([]);
  expect(status).toBe(0);
});
