/** What a person gave is of no use: a file, or what stands in it. The message is for that person. */
export class InputError extends Error {
  override readonly name = "InputError";
}
