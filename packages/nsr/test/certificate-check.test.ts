/** What is told of a side's own certificate before anybody sees it. */
import { expect, test } from "vitest";
import { issuePair } from "../../cli/src/certificate.ts";
import { certificateProblem } from "../src/certificate-check.ts";

const DAY_MS = 24 * 3600 * 1000;
const NOW_MS = Date.UTC(2030, 5, 1);
const papersOf = (cluster: string) => {
  const { authority: ca, sides } = issuePair(cluster, ["a", "b"], NOW_MS, 1);
  return sides.map(({ certificate: cert, key }) => ({ cert, key, ca }));
};
const [a, b] = papersOf("rs1");
const [other] = papersOf("rs2");
const at = (days: number) => NOW_MS + days * DAY_MS;

/** An authority that was replaced, and is not yet taken out of the file. */
const past = issuePair("rs1", ["a"], at(-730), 1).authority;

test.each([
  ["is right", a!, 0, /^$/, /^$/],
  ["is signed by one of two authorities", { ...a!, ca: other!.ca + a!.ca }, 0, /^$/, /^$/],
  ["holds for a month more", a!, 364 - 30, /^$/, /^$/],
  ["has an old authority beside its own", { ...a!, ca: past + a!.ca }, 0, /^$/, /^$/],
  ["has its authority behind it", { ...a!, cert: a!.cert + a!.ca }, 0, /^$/, /^$/],
  [
    "has another that is signed behind it",
    { ...other!, cert: other!.cert + a!.cert, ca: a!.ca },
    0,
    /^$/,
    /^"ca" has not signed this/,
  ],
  [
    "holds for less",
    a!,
    364 - 10,
    /^$/,
    /^the certificate expires, .* from 2031-06-01: tsbgp keys makes new ones/,
  ],
  ["has expired", a!, 366, /^$/, /^the certificate has expired, .* since 2031-06-01: tsbgp keys/],
  [
    "is of the future",
    a!,
    -2,
    /^$/,
    /^the certificate holds from 2030-05-31 on, so the other side lets nobody in with it: set the clock/,
  ],
  ["is for another pair", other!, 0, /^$/, /^it is not for the pair "rs1", so the other side/],
  ["is of another authority", { ...a!, ca: other!.ca }, 0, /^$/, /^"ca" has not signed this/],
  ["has the other side's key", { ...a!, key: b!.key }, 0, /"key" is another one's$/, /^$/],
  ["is no certificate", { ...a!, cert: "x" }, 0, /^the certificate is of no use: it cannot/, /^$/],
])("one that %s", (_, papers, days, mistake, warning) => {
  const found = certificateProblem(papers, "rs1", at(days));
  const isRight = found.mistake === "" && found.warning === "";
  expect(found.mistake).toMatch(mistake);
  expect(isRight ? "" : `${found.warning}: ${found.remedy}`.replace(/^: .*/, "")).toMatch(warning);
  expect(found.isGood).toBe(isRight || found.warning.includes("expires"));
});
