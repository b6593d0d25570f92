/** Both sides of a pair are gone, and come back: what is left then is graceful restart. */
import { expect, test } from "vitest";
import { createPair, pairAvailable } from "../../chaos/pair.ts";
import { activeOf, makeReady } from "../../chaos/sides.ts";
import { bird } from "../lab/bird.ts";
import { frr } from "../lab/frr.ts";
import { labAvailable } from "../lab/install.ts";
import { type Lab, withLab } from "../lab/netns.ts";
import { checkSpeakerRestarts, type Subject, setRestartScene } from "../lab/restart.ts";
import { until } from "../lab/until.ts";

const SPEAKER_AS = 65500;
const READY_MS = 60_000;
const reason = pairAvailable() ?? labAvailable();

async function pairSubject(lab: Lab): Promise<Subject> {
  const pair = await createPair(lab, "shared");
  const { address4, address6, sides } = pair;
  const ended = () =>
    until(
      async () => !(await Promise.all(sides.map((side) => side.isRunning()))).includes(true),
      READY_MS,
      "both sides are gone",
    );
  const order = async (...words: string[]) => {
    const active = await until(() => activeOf(pair), READY_MS, "a side is active");
    return active.tsbgp(...words);
  };
  return {
    ...{ as: SPEAKER_AS, address4, address6, order },
    configure: (sections) => pair.configure(sections),
    askJson: async (...words) => JSON.parse(await order(...words, "--json")),
    async start() {
      expect(await makeReady(pair, READY_MS)).toBe(true);
    },
    async kill() {
      await Promise.all(sides.map((side) => side.kill()));
      await ended();
    },
    stop: async () => {},
    ended: async () => {
      await ended();
    },
  };
}

test.skipIf(reason !== null).each([bird, frr])(
  "$name keeps all while both sides are gone",
  async (kind) => {
    await withLab("both sides gone", async (lab) => {
      const speaker = await pairSubject(lab);
      const scene = await setRestartScene(lab, kind, speaker);
      await checkSpeakerRestarts(scene, true);
    });
  },
);
