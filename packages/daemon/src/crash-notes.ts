/** Notes of what the program died of. */

import type { Config } from "@ts-bgp/config";
import { lingerMs } from "@ts-bgp/nsr";
import { makePrivateFolder } from "@ts-bgp/nsr/private-folder";
import { Crash } from "@ts-bgp/speaker";
import type { Log } from "./logging.ts";
import { crashFileOf } from "./places.ts";

/**
 * @param side - name of this side, null where the configuration has it
 * @returns null where nothing can be noted, which is logged
 */
export function crashNotes(config: Config, side: string | null, log: Log): Crash | null {
  const { nsr, control } = config;
  // A name that is made of the number of the process is another one the next time.
  const name = side ?? nsr?.self ?? "";
  const shared = name === "" ? null : crashFileOf(config, name);
  const file = shared ?? `${control.socket}.notes`;
  try {
    makePrivateFolder(file);
    // Where the other side can look into the file, it need not be told.
    const warn = (text: string) => log.say("warn", "quarantine-file", text);
    return new Crash(file, nsr === null || shared !== null ? 0 : lingerMs(nsr), warn);
  } catch (error) {
    log.say("warn", "no-crash-notes", `${file}: ${(error as Error).message}`);
    return null;
  }
}
