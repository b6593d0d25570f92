/** Run before every test file. */
import { endWithThisProcess } from "./watchdog.ts";

endWithThisProcess();
