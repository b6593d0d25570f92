/**
 * Numbers that stand in images for classes, and for their fields: what a class or a field is called decides
 * nothing between two versions.
 *
 *     number Class: fields
 *
 * A field's number is its place, from 1. A number is never given to something else:
 *
 *     - a new class gets the next number, and a new field the next place behind all others of its class;
 *     - `-` keeps the place of a field that is gone, which is skipped where it comes;
 *     - `now=then` is a class or a field that has another name than in images of the first releases, which
 *       have names in the place of numbers. `-then` is one of those that is gone.
 *
 * `field(table)` is a list of names of fields of what stands in the field `table`.
 */
export const NUMBERS = `
1 Machine: router ledger history isDigested
2 Ledger: connections attempts
3 LedgerConnection: id tcp send received sent closing
4 SendBuffer: appended acked isKept pieces skip
5 ReasonTable: reasons numbers
6 Connection: id neighbor localAddress otherAddress remotePort input timers backlogOctets octetsReceived
     octetsSent isReadable isBulk marks hungUp closed openSent openReceived updateEvent keepaliveEvent outputs
     durationsMs
7 ConnectionSink:
8 Dispose: group
9 Fold: stale paths fresh walk
10 Forget: neighbor
11 GroupExporter: mitigatesPathHiding pathsMax isShuttingDown rib settings filter everyone factsByAs directory
     factNumbers exceptionAs toldApart reason
12 Jitter: state
13 Jobs: jobs
14 MaxPrefix: family options warned reached
15 Move: session state
16 Neighbor: row tables config facts state session stale log disabled lastDown lastFailure quarantine
     establishedCount madeMs isGuest rejudged received sent faults fsm attempt connections timers
     heard
17 NeighborDirectory: byRow byAs byClass byValue
18 NeighborLog: address outputs windows
19 Numbers: last
20 OriginValidation: validation config gate gateEndsMs judged changed outputs isWorking
21 Outputs: list
22 OwnRestart: waiting sinceMs completeMs outputs origins groups
23 Rejudge: neighbor family paths walk turn
24 RemoveAll: stale rib row
25 RemoveOtherRounds: stale rib round decides walk count
26 Revalidation: tables neighbors walk families
27 RouteImport: own families importer neighbor negotiated
28 Router: tables neighbors connections small bulk slowed
29 Session: neighbor connection negotiated octetsMax sinceMs families own import tables context
30 SessionImporter: attr reason perPrefix isBarred keepsRejected attrs settings peer filter ruleLog family base
     ownsBase isKept isStale marked
31 SessionMember: cls peer connection entry owner messages
32 StaleRoutes: tables row log kept spent decides removals folds
33 Tables: config isLongLived policies oldPolicies attrs peers reasons directory jobs groups outputs origins
     restart reader jitter factNumbers connectionNumbers opens wants bfd staticPeer emptySet nowMs compactAtMs
     sizeTried ribs addresses vars members kernelPeer
34 Timers: deadlines
35 UpdateGroups: entries byKey directory jobs factNumbers sink held over isShuttingDown numbers turn urgentTurn
36 AdjRibOut: rows digest attr source extra nodeNext nodePathId nodeClass nodeSource nodeAttr nodeColumns
     freeNodes nodes attrs prefixes addPath defaults classDelta disposed own theirs ids
     limit beyond beyondFrom
37 AttrStore: localPref med origin asPathLength firstAs originAs flags staleSets originatorId clusterListLength
     handle octetCount refs hash serial seed index store rows columns serials facts
38 Audience: only classes without peer bits
39 AudienceTable: audiences one many ofPeers lastClass lastAudience
40 Batch: octetsEstimate members size rows pathIds nextItem buckets attr audience first last nextBucket slots
     recent audiences audienceFirst audienceLast
41 CatchUp: members pending held keptSource kind waits gone known stalls
42 ChangeLog: urgent bulk last cursors positionMax
43 ClassSet: items count place
44 Columns: capacity fields names(fields) target left
45 Compaction: rib sinceMs table at kept moves recent movedMs
46 Decision: attrs peers paths list tied count lowest ordered
47 Digest: frontier low high
48 HashIndex: segments used size unseen
49 Lane: name mark ring begin base end live
50 NlriReader: pathId w0 w1 w2 w3 bits bitsMax
51 NumberStack: items length
52 NextHopPeers: attrs peers byHash foundFor found hasFound withheld isUsed
53 OctetPages: pages pageClass used freed fresh open freePages
54 PathTable: prefix peer pathId sentPathId attrIn attr reason round sinceSeconds next peerNext peerPrevious
     peerHead received accepted surplus surplusAccepted size attrs rows columns walks
55 PeerTable: as external identifier a0 a1 a2 a3 key local freeRows columns rows kernel
56 PendingRows: words size at urgent
57 PrefixTable: w0 w1 w2 w3 bits head best dirty rows bitsMax seed index columns
58 Rib: family attrs peers prefixes paths decision log counts rowHolders digest notes compaction dirty taken
     attr reason others othersAccepted nlri
59 RouteSelector: rib form rules evaluations classes scratch probe
60 RowCircle: words size at
61 RowSet: words size
62 Rows: limit free kept hasGrown look
63 UpdateGroup: rib form adjRibOut sink selector cursor scanRow isFresh members catchUps joining joinsAfterScan
     unsynced turn isUrgent batch audiences writer old view oldPathIds apart nextHops
64 View: attr source listed attrs
65 AspaTable: customers changed taken before used digest
66 PrefixTree: w0 w1 w2 w3 bits zero one head marks root isWide rows columns
67 SlurmFilters: ipv4 ipv6 ases
68 Source: name kind preference bit end endedMs staged stagedOctets ipv4 ipv6 aspas misfit isGone -mismatches
69 Validation: ipv4 ipv6 aspas sources slurm filters tasks free counting dead pass follows
70 VrpTable: tree as maxLength sources isUsed node next size used digest rows columns changed taken ahead hides
71 UpdateReader:
72 UpdateWriter:
73 InputQueue:
74 Policies:
75 AcceptAll:
76 ChainFilter:
77 RemoveUnheard: member rib paths walk copies
78 DecideAgain: rib paths walk
`;
