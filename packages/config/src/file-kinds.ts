/** What files of all kinds have in common: how it is seen which kind one is, and how what it says comes out. */

import { type Checker, checkFolder } from "./checker.ts";
import type { FileShape } from "./file-shape.ts";
import { type Mistake, sortMistakes } from "./mistakes.ts";
import { checkShape, type FileKind } from "./schema.ts";
import type { LogConfig } from "./types.ts";
import { isSection, type Section, YamlFile } from "./yaml-file.ts";

/** What the text of a file becomes. */
export interface Loaded<C> {
  /** Null when there are mistakes. */
  readonly config: C | null;
  /** All of them, in the order of the file; those of the files that it names too. */
  readonly mistakes: readonly Mistake[];
  /** What is allowed but looks unintended; empty when there are mistakes. */
  readonly warnings: readonly Mistake[];
}

/** The section that only a file of the kind has. */
const SECTIONS = { protects: "spare", follow: "mirror", servers: "forward" } as const;
/** Most files are not looked into any further. */
const MAY_BE_OTHER = /(^|[{,\s"'])(protects|follow|servers)["']?\s*:/;

/** @returns what kind of file a text is; that of a speaker is one that is no other */
export function fileKind(text: string): FileKind {
  if (!MAY_BE_OTHER.test(text)) return "speaker";
  const { value } = new YamlFile("", text);
  for (const [section, kind] of Object.entries(SECTIONS)) {
    if (isSection(value) && section in value) return kind;
  }
  return "speaker";
}

/**
 * Holds a file against the schema of its kind, and has the rest checked.
 *
 * @param check - given what the schema has found right; mistakes of the file itself it notes there
 */
export function loadKind<C>(
  kind: FileKind,
  yaml: YamlFile,
  check: (section: Section) => {
    readonly config: C;
    /** Beside those of the file itself. */
    readonly found: {
      readonly mistakes: readonly Mistake[];
      readonly warnings: readonly Mistake[];
    };
  },
): Loaded<C> {
  const { file } = yaml;
  const section = yaml.broken ? null : checkShape(yaml, kind);
  if (section === null) {
    return { config: null, mistakes: sortMistakes(yaml.mistakes, file), warnings: [] };
  }
  const { config, found } = check(section);
  const mistakes = sortMistakes([...yaml.mistakes, ...found.mistakes], file);
  if (mistakes.length > 0) return { config: null, mistakes, warnings: [] };
  return { config, mistakes, warnings: sortMistakes(found.warnings, file) };
}

/** Socket of a file that names none, where no other one was handed in. */
const CONTROL_SOCKET = "/run/ts-bgp/ts-bgp.sock";

/** @param fallback - of a file that names none */
export function checkControl(
  { control }: Pick<FileShape, "control">,
  checker: Checker,
  fallback = checker.sources.controlSocket ?? CONTROL_SOCKET,
): string {
  const socket = control?.socket;
  if (socket === undefined) return fallback;
  // Any other is where the process is started.
  if (socket.startsWith("/")) {
    checkFolder(socket, checker.yaml.valueAt(control!, "socket"), checker);
  }
  return socket;
}

/** @returns the settings of the log, with their defaults */
export function logOf({ log }: Pick<FileShape, "log">): LogConfig {
  return { level: log?.level ?? "info", file: log?.file ?? null };
}
