<?php
/**
 * Clients of one protocol of a route server, with their policies and lists, as a file that the
 * configuration of ts-bgp includes. See README.md beside the folder "api".
 *
 * IXP Manager gives: handle, ints (sessions by address), router, vlan.
 */

use IXP\Models\Aggregators\IrrdbAggregator;
use IXP\Models\Customer;
use IXP\Models\RouteServerFilterProd;

$router   = $t->router;
$protocol = (int)$router->protocol;
$v        = 'v' . $protocol;
$longest  = (int)config( "ixp.irrdb.min_{$v}_subnet_size", $protocol === 6 ? 48 : 24 );
$rpki     = $router->rpki && config( 'ixp.rpki.rtr1.host' );

// Everything that is not a number is written as JSON, which is YAML as well.
$json = fn( $value ) => json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR );
$cut  = fn( string $text ) => preg_match( '/^.{0,200}/us', trim( preg_replace( '/\s+/', ' ', $text ) ), $m ) ? $m[0] : '';

// Networks without transit: nobody on an exchange has a way to them for others.
$transitFree = [ 174, 701, 1299, 2914, 3257, 3320, 3356, 3491, 4134, 5511, 6453, 6461, 6762, 6830, 7018 ];
if( is_array( config( 'ixp.no_transit_asns.override' ) ) ) {
    $transitFree = config( 'ixp.no_transit_asns.override' );
} else {
    $transitFree = array_diff( $transitFree, config( 'ixp.no_transit_asns.exclude' ) ?: [] );
}

// What members have chosen in the portal.
$filtersOf = fn( array $int ) => RouteServerFilterProd::whereCustomerId( $int['cid'] )
    ->where( 'enabled', 1 )
    ->where( fn( $query ) => $query->whereNull( 'vlan_id' )->orWhere( 'vlan_id', $int['vlanid'] ) )
    ->where( fn( $query ) => $query->whereNull( 'protocol' )->orWhere( 'protocol', $protocol ) )
    ->orderBy( 'order_by' )
    ->get();
$prepends   = [ 'PREPEND_ONCE' => 1, 'PREPEND_TWICE' => 2, 'PREPEND_THRICE' => 3 ];
$conditions = function( array $found ) use ( $json ) {
    $found = array_filter( $found, fn( $each ) => $each !== null );
    return count( $found ) === 0 ? '' : "if: {$json( $found )}, ";
};

$advertised = [];   // policies of what members send, by their names
$received   = [];   // and of what they are sent
$origins    = [];   // AS numbers and prefixes of the registries, by name of the list
$prefixes   = [];
$neighbors  = [];
$uses       = [];   // which of the policies of registries are

foreach( $t->ints as $int ) {
    $as = (int)$int['autsys'];
    // No session with the route server itself.
    if( $as === (int)$router->asn ) {
        continue;
    }
    $name   = "as{$as}-{$v}";
    $import = [ "checks-{$v}" ];
    $export = $router->bgp_lc ? [ "prepend-{$v}", "communities-{$v}" ] : [ "communities-{$v}" ];

    foreach( $filtersOf( $int ) as $filter ) {
        $peer = $filter->peer_id ? (int)Customer::find( $filter->peer_id )->autsys : null;
        $to   = $peer ?? 0;
        $if   = $conditions( [ 'prefix' => $filter->advertised_prefix ?: null ] );
        if( $filter->action_advertise === 'NO_ADVERTISE' ) {
            $advertised[$name][$filter->id] = "{ {$if}set: { large-community: { add: [ \"\$local-as:0:{$to}\" ] } } }";
        } elseif( isset( $prepends[$filter->action_advertise] ) ) {
            $n = 100 + $prepends[$filter->action_advertise];
            $advertised[$name][$filter->id] = "{ {$if}set: { large-community: { add: [ \"\$local-as:{$n}:{$to}\" ] } } }";
        }
        $if = $conditions( [
            'prefix'  => $filter->received_prefix ?: null,
            'as-path' => $peer === null ? null : [ 'first' => $peer ],
        ] );
        if( $filter->action_receive === 'AS_IS' ) {
            $received[$name][$filter->id] = "{ {$if}then: return }";
        } elseif( $filter->action_receive === 'NO_ADVERTISE' ) {
            $received[$name][$filter->id] = "{ {$if}then: reject }";
        } elseif( isset( $prepends[$filter->action_receive] ) ) {
            $received[$name][$filter->id] = "{ {$if}set: { prepend: { as: first, count: {$prepends[$filter->action_receive]} } } }";
        }
    }
    if( isset( $advertised[$name] ) ) {
        array_unshift( $import, "advertised-{$name}" );
    }
    if( isset( $received[$name] ) ) {
        $export[] = "received-{$name}";
    }
    $export[] = "rest-{$v}";

    // Addresses of the AS on the VLAN, those without a session here as well.
    $hops            = "hops-{$name}";
    $prefixes[$hops] = array_map( fn( $ip ) => $ip . ( $protocol === 6 ? '/128' : '/32' ), $int['allpeeringips'] );
    $vars            = [ 'hops' => $hops ];
    if( $int['irrdbfilter'] ?? true ) {
        $import[] = "registered-{$v}";
        $uses['registered'] = true;
        $vars    += [ 'origins' => $name, 'prefixes' => $name ];
        if( !isset( $origins[$name] ) ) {
            $origins[$name]  = IrrdbAggregator::asnsForRouterConfiguration( $int['cid'], $protocol ) ?: [ $as ];
            $prefixes[$name] = array_map( function( $prefix ) use ( $int, $longest ) {
                $more = $int['rsmorespecifics'] && (int)explode( '/', $prefix )[1] < $longest;
                return $more ? "{$prefix} le {$longest}" : $prefix;
            }, IrrdbAggregator::prefixesForRouterConfiguration( $int['cid'], $protocol ) );
        }
    } else {
        $import[] = "not-registered-{$v}";
        $uses['not-registered'] = true;
    }

    $password    = $int['bgpmd5secret'] && !$router->skip_md5 ? ', password: ' . $json( (string)$int['bgpmd5secret'] ) : '';
    $description = $json( $cut( "AS{$as} - {$int['cname']} - VLAN Interface {$int['vliid']}" ) );
    $neighbors[] = "  - { address: {$json( $int['address'] )}, as: {$as}, group: clients-{$v}, description: {$description}"
        . ", import: {$json( $import )}, export: {$json( $export )}, max-prefix: " . (int)$int['maxprefixes'] . "{$password}, vars: {$json( $vars )} }";
}

// Names and their items, one a line.
$lists = function( array $all, callable $line ) {
    $text = '';
    foreach( $all as $name => $items ) {
        $text .= count( $items ) === 0 ? "  {$name}: []\n" : "  {$name}:\n";
        foreach( $items as $item ) {
            $text .= '    - ' . $line( $item ) . "\n";
        }
    }
    return $text;
};
$policies = fn( string $kind, array $all ) => $lists(
    array_combine( array_map( fn( $name ) => "{$kind}-{$name}", array_keys( $all ) ), $all ),
    fn( $rule ) => $rule
);
$section = fn( string $key, string $text, string $empty ) => $text === '' ? "{$key}: {$empty}\n" : "{$key}:\n{$text}";
?>
# Generated by IXP Manager for ts-bgp: do not edit.
#
# Router <?= $t->handle ?>, VLAN <?= $cut( (string)$t->vlan->name ) ?> (tag <?= $t->vlan->number ?>), IPv<?= $protocol ?>


groups:
  clients-<?= $v ?>:
    route-server-client: true
    passive: true
    local-address: <?= $json( $router->peering_ip ) ?>

    max-prefix: { action: restart }
    honor-graceful-shutdown: true
    honor-well-known-communities: <?= $router->rfc1997_passthru ? 'false' : 'true' ?>


<?= $section( 'neighbors', implode( "\n", $neighbors ) . ( count( $neighbors ) > 0 ? "\n" : '' ), '[]' ) ?>

policies:
  # What is asked of every route.
  checks-<?= $v ?>:
<?php if( $longest < ( $protocol === 6 ? 128 : 32 ) ): ?>
    - { name: longer than /<?= $longest ?>, if: { prefix-length: { min: <?= $longest + 1 ?> } }, then: reject, reason: prefix-too-long }
<?php endif; ?>
    - { name: bogon, if: { prefix: "@bogons" }, then: reject, reason: bogon-prefix }
    - { name: no AS in the path, if: { as-path: { length: 0 } }, then: reject, reason: as-path-too-short }
    - { name: next hop of another AS, if: { not: { next-hop: [ peer-address, $hops ] } }, then: reject, reason: next-hop }
    - { if: { not: { next-hop: peer-address } }, set: { large-community: { add: [ "$local-as:1001:1200" ] } } }
<?php if( count( $transitFree ) > 0 ): ?>
    - { name: network without transit in the path, if: { as-path: { contains: transit-free-<?= $v ?> } }, then: reject, reason: transit-free }
<?php endif; ?>
    - { name: more than 64 ASes in the path, if: { as-path: { length: { min: 65 } } }, then: reject, reason: as-path-too-long }
<?php foreach( array_filter( [ 'registered' => true, 'not-registered' => false ], fn( $kind ) => isset( $uses[$kind] ), ARRAY_FILTER_USE_KEY ) as $kind => $isFiltered ): ?>
  <?= $kind ?>-<?= $v ?>:
<?php if( $isFiltered ): ?>
    - { name: origin is not registered, if: { not: { as-path: { origin: $origins } } }, then: reject, reason: irr-origin }
<?php endif; ?>
<?php if( $rpki ): ?>
    - { name: RPKI invalid, if: { rpki: invalid }, then: reject, reason: rpki-invalid }
    - { name: RPKI valid, if: { rpki: valid }, set: { large-community: { add: [ "$local-as:1000:1" ] } }, then: accept }
    - set: { large-community: { add: [ "$local-as:1000:2" ] } }
<?php else: ?>
    - set: { large-community: { add: [ "$local-as:1000:3" ] } }
<?php endif; ?>
<?php if( $isFiltered ): ?>
    - { name: prefix is not registered, if: { not: { prefix: $prefixes } }, then: reject, reason: irr-prefix }
    - { set: { large-community: { add: [ "$local-as:1001:1" ] } }, then: accept }
<?php else: ?>
    - { set: { large-community: { add: [ "$local-as:1001:2" ] } }, then: accept }
<?php endif; ?>
<?php endforeach; ?>
<?php if( $router->bgp_lc ): ?>
  # What senders ask for with communities: the first one of these counts,
  prepend-<?= $v ?>:
<?php foreach( [ '$peer-as', '0' ] as $whom ): ?>
<?php foreach( [ 3, 2, 1 ] as $n ): ?>
    - { if: { large-community: "$local-as:10<?= $n ?>:<?= $whom ?>" }, set: { prepend: { as: first, count: <?= $n ?> } }, then: return }
<?php endforeach; ?>
<?php endforeach; ?>
<?php endif; ?>
  # and the first one of these.
  communities-<?= $v ?>:
<?php if( $router->bgp_lc ): ?>
    - { name: not to this client, if: { large-community: "$local-as:0:$peer-as" }, then: reject }
    - { name: to this client, if: { large-community: "$local-as:1:$peer-as" }, then: return }
    - { name: to nobody, if: { large-community: "$local-as:0:0" }, then: reject }
    - { name: to all, if: { large-community: "$local-as:1:0" }, then: return }
<?php endif; ?>
<?php if( $router->asn <= 65535 ): ?>
    - { name: not to this client by 16 bits, if: { community: "0:$peer-as" }, then: reject }
    - { name: to this client by 16 bits, if: { community: "$local-as:$peer-as" }, then: return }
    - { name: to nobody by 16 bits, if: { community: "0:$local-as" }, then: reject }
<?php endif; ?>
    - then: return
  rest-<?= $v ?>:
    - set:
        large-community: { remove: [ "$local-as:*:*" ] }
<?php if( $router->asn <= 65535 ): ?>
        community: { remove: [ "$local-as:*" ] }
<?php endif; ?>
      then: accept
<?= $policies( 'advertised', $advertised ) ?>
<?= $policies( 'received', $received ) ?>

<?= $section( 'prefix-lists', $lists( $prefixes, fn( $prefix ) => $prefix ), '{}' ) ?>

<?= $section( 'as-lists', $lists( $origins, fn( $as ) => (int)$as ) . ( count( $transitFree ) > 0 ? "  transit-free-{$v}: {$json( array_values( $transitFree ) )}\n" : '' ), '{}' ) ?>

## END_OF_CONFIG_MARKER_FOR_<?= $t->handle ?>

