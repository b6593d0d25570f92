/** A pair whose link and heartbeats go through something that does to them what a test wants. */
import { LinkProxy, type Meddler } from "./link-proxy.ts";
import { type TestPair, withPair } from "./pair.ts";
import type { ConfigFile, SpeakerProcess } from "./speaker.ts";

export interface MeddledPair {
  readonly pair: TestPair;
  /** The link. */
  readonly proxy: LinkProxy;
  readonly heartbeats: LinkProxy;
  /** The active side. */
  readonly a: SpeakerProcess;
  /** Ready to take over, unless a meddler is against it. */
  readonly b: SpeakerProcess;
}

export interface MeddledOptions {
  /** Of the section `nsr` on both sides. */
  readonly nsr?: ConfigFile;
  /** Other sections. */
  readonly config?: ConfigFile;
  /** From the first frame on. */
  readonly meddler?: Meddler;
  /** The standby is started and not waited for. */
  readonly isHindered?: boolean;
}

/** Runs `body` with a pair, `a` active, and ends it afterwards; see `withPair`. */
export async function withMeddledPair(
  options: MeddledOptions,
  body: (scene: MeddledPair) => Promise<void>,
): Promise<void> {
  const { nsr = {}, config = {}, meddler = null, isHindered = false } = options;
  const only: { b: Record<string, unknown> } = { b: {} };
  await withPair({ nsr, config, only }, async (pair) => {
    const path = `${pair.link}.proxy`;
    only.b["peer"] = path;
    const proxy = LinkProxy.start(path, pair.link);
    const heartbeats = LinkProxy.start(`${path}.beat`, `${pair.link}.beat`);
    proxy.meddler = meddler;
    heartbeats.meddler = meddler;
    try {
      const a = await pair.startActive("a");
      const b = isHindered ? await pair.side("b") : await pair.startStandby("b");
      if (isHindered) await b.start();
      await body({ pair, proxy, heartbeats, a, b });
    } finally {
      proxy.close();
      heartbeats.close();
    }
  });
}
