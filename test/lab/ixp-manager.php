<?php
/**
 * Renders the template of integrations/ixp-manager with sample data, for what IXP Manager gives it: objects
 * with the same names that have just what the template asks of them. The first argument says which protocol.
 */

namespace IXP\Models\Aggregators {
    class IrrdbAggregator
    {
        public static function asnsForRouterConfiguration( int $cid, int $protocol ): array
        {
            return [ 1 => [ 64501, 64511 ], 3 => [] ][$cid];
        }

        public static function prefixesForRouterConfiguration( int $cid, int $protocol ): array
        {
            $v4 = [ 1 => [ '11.1.0.0/16', '11.2.3.0/24' ], 3 => [] ];
            $v6 = [ 1 => [ '2a00:1::/32' ], 3 => [ '2a00:3::/48' ] ];
            return ( $protocol === 6 ? $v6 : $v4 )[$cid];
        }
    }
}

namespace IXP\Models {
    class Customer
    {
        public static function find( int $id ): object
        {
            return (object)[ 'autsys' => [ 1 => 64501, 2 => 64502, 3 => 4200000003 ][$id] ];
        }
    }

    /** The rows of a member, whatever else is asked for. */
    class RouteServerFilterProd
    {
        private array $rows;

        public static function whereCustomerId( int $cid ): self
        {
            $row  = fn( array $values ) => (object)( $values + [
                'peer_id' => null, 'received_prefix' => null, 'advertised_prefix' => null,
                'action_advertise' => null, 'action_receive' => null,
            ] );
            $all = [
                2 => [
                    $row( [ 'id' => 1, 'peer_id' => 3, 'action_advertise' => 'NO_ADVERTISE', 'action_receive' => 'NO_ADVERTISE' ] ),
                    $row( [ 'id' => 2, 'advertised_prefix' => '11.9.0.0/16', 'action_advertise' => 'PREPEND_TWICE', 'action_receive' => 'AS_IS', 'received_prefix' => '11.1.0.0/16' ] ),
                    $row( [ 'id' => 3, 'action_receive' => 'PREPEND_ONCE' ] ),
                ],
            ];
            $query = new self();
            $query->rows = $all[$cid] ?? [];
            return $query;
        }

        public function where( mixed ...$any ): self
        {
            return $this;
        }

        public function orderBy( string $column ): self
        {
            return $this;
        }

        public function get(): array
        {
            return $this->rows;
        }
    }
}

namespace {
    function config( string $key, mixed $default = null ): mixed
    {
        return [
            'ixp.irrdb.min_v4_subnet_size'   => 24,
            'ixp.irrdb.min_v6_subnet_size'   => 48,
            'ixp.rpki.rtr1.host'             => '192.0.2.53',
            'ixp.no_transit_asns.override'   => false,
            'ixp.no_transit_asns.exclude'    => [ 6762 ],
        ][$key] ?? $default;
    }

    $protocol = (int)$argv[1];
    $address  = fn( int $host ) => $protocol === 6 ? "2001:db8::{$host}" : "192.0.2.{$host}";
    $int      = fn( int $cid, int $as, int $host, array $more = [] ) => $more + [
        'cid' => $cid, 'cname' => "Member {$cid}", 'autsys' => $as, 'vliid' => $host, 'vlanid' => 1,
        'address' => $address( $host ), 'bgpmd5secret' => false, 'maxprefixes' => 20,
        'irrdbfilter' => 1, 'rsmorespecifics' => 0,
        'allpeeringips' => $as === 64501 ? [ $address( 11 ), $address( 12 ), $address( 19 ) ] : [ $address( $host ) ],
    ];
    $t = (object)[
        'handle' => "rs1-ipv{$protocol}",
        'vlan'   => (object)[ 'name' => 'Peering LAN #1', 'number' => 10 ],
        'router' => (object)[
            'asn' => 64500, 'peering_ip' => $address( 8 ), 'protocol' => $protocol, 'bgp_lc' => true,
            'skip_md5' => false, 'rpki' => true, 'rfc1997_passthru' => 1,
        ],
        'ints'   => [
            $int( 9, 64500, 8 ),
            $int( 1, 64501, 11, [ 'cname' => "Member \"One\": #1\n", 'bgpmd5secret' => 'se"cret', 'rsmorespecifics' => 1 ] ),
            $int( 1, 64501, 12 ),
            $int( 2, 64502, 13, [ 'irrdbfilter' => 0 ] ),
            $int( 3, 4200000003, 14 ),
        ],
    ];
    require __DIR__ . '/../../integrations/ixp-manager/api/v4/router/server/ts-bgp/standard.foil.php';
}
