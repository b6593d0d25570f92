/** `tsbgp inject`: the load and replay tool, see the inject package. */

import { type Command, EXIT, print, UsageError } from "./command.ts";

export const injectCommand: Command = {
  name: "inject",
  usage: "TARGET --mrt FILE|--updates FILE|--synthetic N ...",
  summary: "open a session with TARGET and announce routes to it, for labs",
  options: {},
  ownArguments: true,
  run: async (_args, raw) => {
    const inject = await import("@ts-bgp/inject");
    const parsed = inject.parseInjectArguments([...raw]);
    if (parsed.kind === "help") {
      process.stdout.write(inject.INJECT_HELP);
      return EXIT.OK;
    }
    if (parsed.kind === "error")
      throw new UsageError(`${parsed.message} (see tsbgp inject --help)`);
    const end = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => end.abort());
    const report = parsed.json
      ? inject.jsonReport(process.stdout)
      : inject.textReport(process.stderr, () => performance.now());
    const result = await inject.inject(parsed.options, report, end.signal);
    if (result.error !== null) process.stderr.write(`${inject.resultText(result)}\n`);
    else if (!parsed.json) print(inject.resultText(result));
    return result.exitCode;
  },
};
