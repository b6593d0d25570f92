/** `tsbgp keys`: the files, and a link between two sides that have them. */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import tls from "node:tls";
import { loadConfig } from "@ts-bgp/config";
import { afterAll, describe, expect, test } from "vitest";
import { issuePair } from "../src/certificate.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbgp-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the command", () => {
  test("makes a certificate of the authority, and certificate and key of each side", async () => {
    const directory = join(folder, "new/one");
    const { code, stdout, stderr } = await tsbgp(["keys", directory, "--cluster", "rs1"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(linesOf(stdout)).toEqual(
      ["a", "b"].map((side) => {
        const [cert, key, ca] = [`${side}.crt`, `${side}.key`, "ca.crt"].map((f) =>
          join(directory, f),
        );
        return `side ${side}: tls: { cert: ${cert}, key: ${key}, ca: ${ca} }`;
      }),
    );
    expect(readdirSync(directory).sort()).toEqual(["a.crt", "a.key", "b.crt", "b.key", "ca.crt"]);
    for (const name of ["a.key", "b.key"]) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  test("makes those of the sides that are named", async () => {
    const directory = join(folder, "named");
    const sides = ["--side", "east", "--side", "west", "--side", "north"];
    expect((await tsbgp(["keys", directory, "--cluster", "rs1", ...sides])).code).toBe(0);
    expect(readdirSync(directory)).toHaveLength(7);
    const east = new X509Certificate(readFileSync(join(directory, "east.crt")));
    expect(east.subject).toBe("O=rs1\nCN=east");
  });

  test.each(["ca.crt", "a.key", "b.crt"])(
    "overwrites nothing: %s is there: exit 1",
    async (name) => {
      const directory = mkdtempSync(join(folder, "full-"));
      writeFileSync(join(directory, name), "mine");
      const { code, stdout, stderr } = await tsbgp(["keys", directory, "--cluster", "rs1"]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toBe(`tsbgp: ${join(directory, name)} exists; nothing was written\n`);
      expect(readdirSync(directory)).toEqual([name]);
      expect(readFileSync(join(directory, name), "utf8")).toBe("mine");
    },
  );
});

const NOW_MS = Date.UTC(2026, 0, 31, 12);

describe("a certificate", () => {
  const { authority, sides } = issuePair("rs1", ["a", "b"], NOW_MS, 10);
  const ca = new X509Certificate(authority);

  test.each([0, 1])("of side %i is the authority's, and no authority itself", (k) => {
    const certificate = new X509Certificate(sides[k]!.certificate);
    expect(certificate.verify(ca.publicKey)).toBe(true);
    expect(certificate.checkIssued(ca)).toBe(true);
    expect([ca.ca, certificate.ca]).toEqual([true, false]);
    expect(certificate.subjectAltName).toBe("DNS:rs1");
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(certificate.validFrom).toBe("Jan 30 12:00:00 2026 GMT");
    expect(certificate.validTo).toBe("Jan 31 12:00:00 2036 GMT");
  });

  test("of a date that needs four digits for the year is read as well", () => {
    const late = issuePair("rs1", ["a"], Date.UTC(2045, 5, 1), 10);
    const { validFrom, validTo } = new X509Certificate(late.sides[0]!.certificate);
    expect([validFrom, validTo]).toEqual(["May 31 00:00:00 2045 GMT", "Jun  1 00:00:00 2055 GMT"]);
  });

  test("has room for the longest names", () => {
    const name = "x".repeat(63);
    const { sides: long } = issuePair(name, [name], NOW_MS, 10);
    expect(new X509Certificate(long[0]!.certificate).subject).toBe(`O=${name}\nCN=${name}`);
  });

  test("never has the serial number of another", () => {
    const all = [authority, ...sides.map(({ certificate }) => certificate)];
    expect(new Set(all.map((pem) => new X509Certificate(pem).serialNumber)).size).toBe(3);
  });
});

describe("a link with mutual TLS", () => {
  const pair = issuePair("rs1", ["a", "b"], Date.now(), 10);
  const another = issuePair("rs1", ["a", "b"], Date.now(), 10);
  const end = (from: typeof pair, k: number, trusted = from) => ({
    cert: from.sides[k]!.certificate,
    key: from.sides[k]!.key,
    ca: trusted.authority,
  });

  /** @returns what the listening side knows of the other; rejects when it is not let in */
  async function connect(
    listening: tls.TlsOptions,
    joining: tls.ConnectionOptions,
  ): Promise<string> {
    const server = tls.createServer({
      ...listening,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = new Promise<string>((resolve, reject) => {
      server.on("secureConnection", (socket) => {
        resolve(String(socket.getPeerCertificate().subject?.CN));
        socket.destroy();
      });
      server.on("tlsClientError", reject);
    });
    const { port } = server.address() as AddressInfo;
    const socket = tls.connect({ host: "127.0.0.1", port, ...joining });
    const refused = new Promise<never>((_, reject) => socket.on("error", reject));
    try {
      return await Promise.race([accepted, refused]);
    } finally {
      socket.destroy();
      server.close();
      accepted.catch(() => {});
      refused.catch(() => {});
    }
  }

  test("comes up, and each side knows the other by name and cluster", async () => {
    expect(await connect(end(pair, 0), { ...end(pair, 1), servername: "rs1" })).toBe("b");
  });

  test.each([
    ["another cluster's name", end(pair, 0), { ...end(pair, 1), servername: "rs2" }],
    ["a listening side of another authority", end(another, 0), end(pair, 1)],
    ["a joining side of another authority", end(pair, 0), end(another, 1, pair)],
    ["a joining side without a certificate", end(pair, 0), { ca: pair.authority }],
  ])("is refused: %s", async (_, listening, joining) => {
    await expect(connect(listening, { servername: "rs1", ...joining })).rejects.toThrow();
  });
});

test("configs/pair-two-hosts.yaml takes them as they are, and is refused without them", async () => {
  const directory = join(folder, "sample");
  expect((await tsbgp(["keys", directory, "--cluster", "rs1"])).code).toBe(0);
  const file = join(import.meta.dirname, "../../../configs/pair-two-hosts.yaml");
  const text = readFileSync(file, "utf8");
  const sources = {
    readFile: (path: string) => readFileSync(join(directory, basename(path)), "utf8"),
    env: () => undefined,
  };
  const open = loadConfig(file, text.replace("tls:", "# tls:"), sources).mistakes;
  expect(open.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^a TCP link needs "tls", also on one host/),
  ]);
  const closed = loadConfig(file, text, sources);
  expect(closed.mistakes).toEqual([]);
  expect(closed.config?.nsr?.tls?.key).toBe(readFileSync(join(directory, "a.key"), "utf8"));
});
