/** Paths and patterns of files, as a configuration has them. */

const PATTERN = /[*?[{]/;

/**
 * @param file - that names the other one
 * @param path - of the other one, relative to the first one's folder unless it begins at the root
 * @returns the other one as the first one is named, without parts that lead nowhere
 */
export function besides(file: string, path: string): string {
  const whole = path.startsWith("/") ? path : file.slice(0, file.lastIndexOf("/") + 1) + path;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "." || (part === "" && parts.length > 0)) continue;
    const last = parts.at(-1);
    const goesBack = part === ".." && last !== undefined && last !== ".." && last !== "";
    if (goesBack) parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

/** @returns whether a path stands for all files that are like it */
export function isPattern(path: string): boolean {
  return PATTERN.test(path);
}
