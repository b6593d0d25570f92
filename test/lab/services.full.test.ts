/** Services of an exchange: graceful shutdown, blackholing and dynamic neighbors, as real daemons see it. */
import { bird } from "./bird.ts";
import { frr } from "./frr.ts";
import { sceneTests } from "./scene-tests.ts";
import {
  checkBlackholes,
  checkBrakes,
  checkDynamicNeighbors,
  checkShutdownReceived,
  checkShutdownSent,
  checkStaticRoutes,
  setServiceScene,
} from "./services.ts";

sceneTests([bird, frr], setServiceScene, [
  ["the speaker is about to shut down", checkShutdownSent],
  ["a member is about to shut down", checkShutdownReceived],
  ["the speaker has routes of its own", checkStaticRoutes],
  ["a member is stopped by limits", checkBrakes],
  ["members come by themselves", checkDynamicNeighbors],
  ["a member has traffic to a host of its own thrown away", checkBlackholes],
]);
