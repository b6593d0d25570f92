/** Classes that the state of a RIB is made of, for those who copy it. */

import { AdjRibOut, View } from "./adj-rib-out.ts";
import { AttrStore } from "./attr-store.ts";
import { Audience, AudienceTable } from "./audience.ts";
import { Batch } from "./batch.ts";
import { CatchUp } from "./catch-up.ts";
import { ChangeLog, Lane } from "./change-log.ts";
import { ClassSet } from "./class-set.ts";
import { Columns, NumberStack, Rows } from "./columns.ts";
import { Compaction } from "./compaction.ts";
import { Decision } from "./decision.ts";
import { Digest } from "./digest.ts";
import { HashIndex } from "./hash-index.ts";
import { NextHopPeers } from "./next-hop-peers.ts";
import { NlriReader } from "./nlri-reader.ts";
import { OctetPages } from "./octet-pages.ts";
import { PathTable } from "./path-table.ts";
import { PeerTable } from "./peer-table.ts";
import { PrefixTable } from "./prefix-table.ts";
import { Rib } from "./rib.ts";
import { RouteSelector } from "./route-selector.ts";
import { PendingRows, RowCircle, RowSet } from "./row-set.ts";
import { UpdateGroup } from "./update-group.ts";

/** Their objects have no functions and no state outside of their fields. */
export const RIB_STATE_CLASSES = [
  AdjRibOut,
  AttrStore,
  Audience,
  AudienceTable,
  Batch,
  CatchUp,
  ChangeLog,
  ClassSet,
  Columns,
  Compaction,
  Decision,
  Digest,
  HashIndex,
  Lane,
  NlriReader,
  NumberStack,
  NextHopPeers,
  OctetPages,
  PathTable,
  PeerTable,
  PendingRows,
  PrefixTable,
  Rib,
  RouteSelector,
  RowCircle,
  RowSet,
  Rows,
  UpdateGroup,
  View,
] as const;
