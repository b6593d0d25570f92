/**
 * Debian's fort-validator as a cache. It serves nothing before it has validated a repository, so it has one
 * of its own, without a network: a trust anchor with all resources, an empty list of what it has published
 * (RFC 9286), and a revocation list. What it says comes from its local assertions (RFC 8416).
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { untilReady } from "./daemon.ts";
import type { LabNode } from "./netns.ts";
import type { Roa } from "./rpki-scene.ts";

const FORT = "/usr/bin/fort";
const RTR_PORT = 3323;
/** Where the objects would be if anybody fetched them. */
const TA_URI = "rsync://localhost/ta/ta.cer";
const REPOSITORY_URI = "rsync://localhost/repo";
const MANIFEST_CONTENT = "1.2.840.113549.1.9.16.1.26";
const HOUR_MS = 3_600_000;

/** Of openssl: the two certificates (RFC 6487), and the revocation list. */
const OPENSSL_CONFIG = `
[req]
distinguished_name = name
prompt = no
[name]
CN = anchor
[anchor]
basicConstraints = critical, CA:TRUE
subjectKeyIdentifier = hash
keyUsage = critical, keyCertSign, cRLSign
certificatePolicies = critical, 1.3.6.1.5.5.7.14.2
subjectInfoAccess = caRepository;URI:${REPOSITORY_URI}/, 1.3.6.1.5.5.7.48.10;URI:${REPOSITORY_URI}/ta.mft
sbgp-ipAddrBlock = critical, IPv4:0.0.0.0/0, IPv6:0::/0
sbgp-autonomousSysNum = critical, AS:0-4294967295
[signer]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
keyUsage = critical, digitalSignature
certificatePolicies = critical, 1.3.6.1.5.5.7.14.2
crlDistributionPoints = URI:${REPOSITORY_URI}/ta.crl
authorityInfoAccess = caIssuers;URI:${TA_URI}
subjectInfoAccess = 1.3.6.1.5.5.7.48.11;URI:${REPOSITORY_URI}/ta.mft
sbgp-ipAddrBlock = critical, IPv4:inherit, IPv6:inherit
sbgp-autonomousSysNum = critical, AS:inherit
[ca]
default_ca = lists
[lists]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 1
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
`;

export class Fort {
  readonly node: LabNode;
  readonly port: number = RTR_PORT;
  private readonly slurm: string;
  private readonly tals: string;
  private readonly repository: string;

  constructor(node: LabNode, roas: readonly Roa[]) {
    this.node = node;
    const [slurm, tals, repository] = ["fort.slurm", "tals", "repository"].map((name) =>
      join(node.directory, name),
    );
    this.slurm = slurm!;
    this.tals = tals!;
    this.repository = repository!;
    this.assert(roas);
  }

  get address(): string {
    return this.node.address4;
  }

  /** Has other assertions, which it finds when it validates again: once a minute, which is its least. */
  assert(roas: readonly Roa[]): void {
    const prefixAssertions = roas.map(({ prefix, asn, maxLength }) => ({
      ...{ asn, prefix },
      ...(maxLength === undefined ? {} : { maxPrefixLength: maxLength }),
    }));
    const json = {
      slurmVersion: 1,
      validationOutputFilters: { prefixFilters: [], bgpsecFilters: [] },
      locallyAddedAssertions: { prefixAssertions, bgpsecAssertions: [] },
    };
    writeFileSync(`${this.slurm}.new`, JSON.stringify(json));
    renameSync(`${this.slurm}.new`, this.slurm);
  }

  async start(): Promise<void> {
    await this.publish();
    const running = this.node.spawn([
      ...[FORT, "--mode=server", "--work-offline", `--tal=${this.tals}`],
      ...[`--local-repository=${this.repository}`, `--slurm=${this.slurm}`],
      ...[`--server.address=${this.address}`, `--server.port=${this.port}`],
      ...["--server.interval.validation=60", "--log.output=console"],
    ]);
    await untilReady("fort", running, async () =>
      /validation cycle successfully ended/.test(running.output()),
    );
  }

  /** Makes a trust anchor, and what it publishes. */
  private async publish(): Promise<void> {
    const at = (name: string) => join(this.node.directory, name);
    writeFileSync(at("fort.cnf"), OPENSSL_CONFIG);
    writeFileSync(at("index.txt"), "");
    writeFileSync(at("crlnumber"), "01\n");
    const newKey = "-newkey rsa:2048 -nodes -config fort.cnf";
    await this.openssl(`req -x509 ${newKey} -keyout ta.key -out ta.pem -days 3 -extensions anchor`);
    await this.openssl(`req ${newKey} -keyout signer.key -out signer.csr -subj /CN=signer`);
    await this.openssl(
      "x509 -req -in signer.csr -CA ta.pem -CAkey ta.key -set_serial 2 -days 2 " +
        "-extfile fort.cnf -extensions signer -out signer.pem",
    );
    await this.openssl("ca -gencrl -config fort.cnf -cert ta.pem -keyfile ta.key -out crl.pem");
    await this.openssl("crl -in crl.pem -outform DER -out ta.crl");
    await this.openssl("x509 -in ta.pem -outform DER -out ta.cer");
    writeFileSync(at("manifest.cnf"), manifestOf("ta.crl", readFileSync(at("ta.crl"))));
    await this.openssl("asn1parse -genconf manifest.cnf -noout -out manifest.der");
    await this.openssl(
      "cms -sign -nosmimecap -keyid -md sha256 -binary -nodetach -outform DER " +
        `-econtent_type ${MANIFEST_CONTENT} -signer signer.pem -inkey signer.key ` +
        "-in manifest.der -out ta.mft",
    );
    const key = await this.openssl("x509 -in ta.pem -noout -pubkey");
    const folders = ["ta", "repo"].map((name) => join(this.repository, "localhost", name));
    for (const folder of [this.tals, ...folders]) mkdirSync(folder, { recursive: true });
    copyFileSync(at("ta.cer"), join(folders[0]!, "ta.cer"));
    for (const name of ["ta.crl", "ta.mft"]) copyFileSync(at(name), join(folders[1]!, name));
    writeFileSync(join(this.tals, "ta.tal"), `${TA_URI}\n\n${key.replace(/-----.*\n/g, "")}`);
  }

  private async openssl(words: string): Promise<string> {
    const { directory } = this.node;
    const argv = ["env", "-C", directory, "openssl", ...words.split(" ")];
    const { code, stdout, stderr } = await this.node.run(argv);
    expect(code, stderr).toBe(0);
    return stdout;
  }
}

/** What openssl makes a manifest of one file from. */
function manifestOf(name: string, octets: Uint8Array): string {
  const time = (ms: number) => `${new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
  const hash = createHash("sha256").update(octets).digest("hex");
  return `
asn1 = SEQUENCE:manifest
[manifest]
number = INTEGER:1
thisUpdate = GENERALIZEDTIME:${time(Date.now() - HOUR_MS)}
nextUpdate = GENERALIZEDTIME:${time(Date.now() + 24 * HOUR_MS)}
algorithm = OID:2.16.840.1.101.3.4.2.1
files = SEQUENCE:files
[files]
first = SEQUENCE:file
[file]
name = IA5STRING:${name}
hash = FORMAT:HEX,BITSTRING:${hash}
`;
}
