/** Where recorded data and vectors of others are, which are no part of this repository. */
import { fileURLToPath } from "node:url";

/** Beside the repository, unless TSBGP_DATA says otherwise; ends with a slash, and need not be there. */
export const DATA_FOLDER: string =
  process.env["TSBGP_DATA"] === undefined
    ? fileURLToPath(new URL("../../shared/data/", import.meta.url))
    : `${process.env["TSBGP_DATA"]}/`;
