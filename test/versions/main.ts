/**
 * `npm run versions`: pairs of two programs, each of which takes over from the other.
 *
 *     main ---> matrix ---> tree            copies of the program, of a release or changed on purpose
 *                     |---> variants        what is changed
 *                     |---> trial           one takeover
 *                     |        '----------> learned   what peers were told
 *                     '---> among-daemons   two takeovers, with peers that others have written
 */
import { enterOwnNetwork } from "../../testkit/own-network.ts";
import { labAvailable } from "../lab/install.ts";
import { allCases, runCases } from "./matrix.ts";

const HELP = `Usage: npm run versions -- [WORD]

Takeovers between this program and others: releases (releases.json), and variants that behave
otherwise on purpose; in both directions, by a kill and by a switchover: with scripted peers, and among
BIRD, FRR and GoBGP. Those with WORD in their name, or all. Needs Linux and root.
`;

async function main([word = ""]: readonly string[]): Promise<number> {
  if (word.startsWith("-")) {
    process.stdout.write(HELP);
    return 0;
  }
  const obstacle = labAvailable() ?? enterOwnNetwork();
  if (obstacle !== null) throw new Error(obstacle);
  let passed = 0;
  let failed = 0;
  await runCases(
    allCases().filter(({ title }) => title.includes(word)),
    (title, problem) => {
      if (problem === null) passed++;
      else failed++;
      console.log(problem === null ? `passed ${title}` : `FAILED ${title}: ${problem}`);
    },
  );
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
