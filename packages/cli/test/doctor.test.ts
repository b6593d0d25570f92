/** `tsbgp doctor`: its table, and that it looks at this host. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateProblem } from "@ts-bgp/nsr";
import { afterAll, describe, expect, test } from "vitest";
import { type Issued, issuePair } from "../src/certificate.ts";
import { certificateRow, doctorLines } from "../src/doctor.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbgp-doctor-"));
afterAll(() => rmSync(folder, { recursive: true }));

const KEYS = ["what", "ok", "minor", "detail", "what_to_do"];
const GOOD = { what: "pidfd", ok: true, detail: "works", whatToDo: "" };
const BAD = { what: "gate rules", ok: false, detail: "no such file", whatToDo: "install nftables" };

test("a host that has everything", () => {
  expect(doctorLines([GOOD])).toEqual([
    "    Needed  Found",
    "ok  pidfd   works",
    "",
    "nonstop routing can run here",
  ]);
});

test("what is missing stands in the table, and below with what to do", () => {
  expect(doctorLines([GOOD, BAD])).toEqual([
    "    Needed      Found",
    "ok  pidfd       works",
    "NO  gate rules  no such file",
    "",
    "nonstop routing CANNOT run here, 1 of 2 missing:",
    "  gate rules: install nftables",
  ]);
});

test("without what it does not have to have it can run all the same", () => {
  const minor = { ...BAD, what: "real-time threads", isMinor: true } as const;
  expect(doctorLines([GOOD, minor])).toEqual([
    "    Needed             Found",
    "ok  pidfd              works",
    "--  real-time threads  no such file",
    "",
    "nonstop routing can run here, and better with:",
    "  real-time threads: install nftables",
  ]);
  expect(doctorLines([BAD, minor]).slice(-4)).toEqual([
    "nonstop routing CANNOT run here, 1 of 2 missing:",
    "  gate rules: install nftables",
    "and better with:",
    "  real-time threads: install nftables",
  ]);
});

describe("the certificate of the link", () => {
  const nowMs = Date.UTC(2026, 0, 31);
  const yearMs = 365 * 24 * 3600 * 1000;
  const pair = issuePair("rs1", ["a", "b"], nowMs, 2);
  const other = issuePair("rs1", ["a"], nowMs, 2);
  const [{ certificate: cert, key }, { key: otherKey }] = pair.sides as [Issued, Issued];
  const ca = pair.authority;

  const inYears = (years: number) => nowMs + years * yearMs;
  const rowOf = (papers: Parameters<typeof certificateProblem>[0], atMs: number) =>
    certificateRow(certificateProblem(papers, "rs1", atMs), papers.cert);

  test.each([
    [{ cert, key, ca }, nowMs, true, /^O=rs1, CN=a, valid until 2028-01-31$/],
    [{ cert: cert + ca, key, ca }, nowMs, true, /^O=rs1, CN=a, valid until 2028-01-31$/],
    [{ cert, key: otherKey, ca }, nowMs, false, /"key" is another one's$/],
    [{ cert, key, ca: other.authority }, nowMs, false, /^"ca" has not signed this certificate/],
    [{ cert: cert + ca, key, ca: other.authority }, nowMs, false, /^"ca" has not signed/],
    [{ cert, key, ca }, inYears(-1), false, /^the certificate holds from 2026-01-30 on/],
    [{ cert, key, ca }, inYears(3), false, /^the certificate has expired, .* since 2028-01-31$/],
    [{ cert: "x", key, ca }, nowMs, false, /^the certificate is of no use: it cannot be read$/],
  ])("is what the start says of it (%#)", (papers, atMs, ok, detail) => {
    const row = rowOf(papers, atMs);
    expect(row).toMatchObject({ what: "certificate", ok, detail: expect.stringMatching(detail) });
    expect([row.whatToDo === "", row.isMinor]).toEqual([ok, undefined]);
  });

  test("that expires soon is told of, and the host can run", () => {
    expect(rowOf({ cert, key, ca }, inYears(1.99))).toMatchObject({
      ...{ ok: false, isMinor: true, whatToDo: expect.stringMatching(/^tsbgp keys makes new/) },
      detail: expect.stringMatching(/^the certificate expires, .* from 2028-01-31$/),
    });
  });
});

test("an interface that the configuration names and the host lacks is missing: exit 1", async () => {
  const file = join(folder, "pair.yaml");
  writeFileSync(
    file,
    `router: { as: 64500, id: 192.0.2.1 }
neighbors: [ { address: 192.0.2.9, as: 64501, password: secret } ]
nsr:
  cluster: rs1
  listen: /run/nsr.sock
  peer: /run/nsr.sock
  mode: address
  service-addresses: [ { address: 192.0.2.1/24, interface: no-such-if0 } ]
`,
  );
  const { code, stdout, stderr } = await tsbgp(["doctor", "-c", file, "--json"]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  for (const row of rows) expect(Object.keys(row)).toEqual(KEYS);
  expect(rows.find(({ what }) => what === "interface no-such-if0")).toEqual({
    what: "interface no-such-if0",
    ok: false,
    minor: false,
    detail: "does not exist here",
    what_to_do: "correct the interface of the service address, or create it",
  });
  const memory = rows.find(({ what }) => what === "option memory");
  expect(memory?.["detail"]).toMatch(/^1 MD5 keys? needs? 144 octets/);
});

test("the file of a forwarding module has its own table", async () => {
  const file = join(folder, "forward.yaml");
  const interfaceName = "no-such-if0";
  const forward = { families: ["ipv4"], "link-local-interface": interfaceName };
  writeFileSync(file, JSON.stringify({ servers: "/run/none.sock", forward }));
  const { code, stdout, stderr } = await tsbgp(["doctor", "-c", file]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  expect(stdout).toContain("a forwarding module CANNOT run here");
  expect(stdout).toMatch(
    /^NO +interface no-such-if0 +is not there, or has no link-local address$/m,
  );
  expect(stdout).toMatch(/^(ok|--) +ipv4 forwarding/m);
});

test("without a configuration the exit code says what the table says", async () => {
  const { code, stdout, stderr } = await tsbgp(["doctor"]);
  expect(stderr).toBe("");
  const isMissing = linesOf(stdout).some((line) => line.startsWith("NO "));
  expect(code).toBe(isMissing ? 1 : 0);
  expect(stdout).toContain(isMissing ? "nonstop routing CANNOT run here" : "can run here");
});

test("a configuration with mistakes is told of as `tsbgp check` does: exit 1", async () => {
  const file = join(folder, "broken.yaml");
  writeFileSync(file, "router: { as: 0, id: 192.0.2.1 }\n");
  const { code, stdout, stderr } = await tsbgp(["doctor", "-c", file]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/broken\.yaml:1:15: "as" must be an AS number/);
});
