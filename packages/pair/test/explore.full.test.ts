/** The explorer finds each guard that is broken. */
import { test } from "vitest";
import { expectFound, SABOTAGES } from "./explore/run.ts";

test.each(SABOTAGES)("it is found that $title", expectFound);
