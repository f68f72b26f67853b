#!/usr/bin/perl

# tunnel_pass: a CONNECT that fails, and a tunnel that does.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Sites  ();
use Upstream502::Test;
use Upstream502::Wire;

my $t = Upstream502::Test->new;
plan skip_all => 'nginx has no tunnel'
  if Upstream502::Sites::version_number( $t->nginx->version ) <
  Upstream502::Sites::version_number('1.31.0');

# What is said through the tunnel ends with the backend's close.
$t->tcp( ok   => [ [ write => 'hello' ], 'close' ] );
$t->tcp( hold => [ [ write => 'hello' ], 'hold' ] );
$t->tcp( rst  => [ [ write => 'hello' ], [ pause => 0.1 ], 'rst' ] );
$t->udp( dns => dns_answers( 'host.test' => '127.0.0.1' ) );

# A server for each: CONNECT has no path to choose a location by.
my %servers = (
    ok       => 'tunnel_pass %%ok%%;',
    hold     => 'tunnel_read_timeout 300ms; tunnel_pass %%hold%%;',
    rst      => 'tunnel_pass %%rst%%;',
    dead     => 'tunnel_pass dead;',
    pair     => 'tunnel_pass pair;',
    down     => 'tunnel_pass down;',
    nx       => 'resolver %%dns%% ipv6=off; tunnel_pass nx.test:$request_port;',
    resolved =>
      'resolver %%dns%% ipv6=off; tunnel_pass host.test:$request_port;',
    unresolved => 'tunnel_pass $host:$request_port;',
    bad        => 'set $port 99999; tunnel_pass 127.0.0.1:$port;',
);
$t->conf(
    http => join "\n",
    'upstream dead { server %%closed%%; }',
    'upstream pair { server %%closed%% max_fails=0; server %%ok%% backup; }',
    'upstream down { server %%closed%% down; }',
    map {
        "server { listen 127.0.0.1:%%PORT_to_$_%%; server_name $_.test;
            $servers{$_} }"
    } sort keys %servers
);
$t->start;

# [server, client status, cause, phase, upstream, causes]
my @cases = (
    [ ok   => 200, '-', '-', '-', '-' ],
    [ dead => 502, 'connection_refused', 'connect', 'dead' ],
    [
        pair => 200,
        'connection_refused', 'connect', 'pair', 'connection_refused, -'
    ],
    [ down => 502, 'no_live_upstreams', 'select',  'down' ],
    [ nx   => 502, 'dns_error',         'resolve', '(nx.test)' ],
    [
        resolved => 502,
        'connection_refused', 'connect', '(resolved.test)'
    ],
    [ unresolved => 502, 'resolver_missing', 'resolve', '(unresolved.test)' ],
    [ bad        => 500, 'internal_error',   qr/./,     qr/./ ],
    [ hold       => 200, 'body_timeout',     'body',    '%%hold%%' ],
    [ rst        => 200, 'body_incomplete',  'body',    '%%rst%%' ],
);

sub matches ( $got, $want, $name ) {
    ref $want
      ? like( $got, $want, $name )
      : is( $got, $t->expand($want), $name );
}

for my $case (@cases) {
    my ( $name, $status, $cause, $phase, $upstream, $causes ) = @$case;
    subtest $name => sub {
        my $target = "$name.test:" . $t->port('nobody');
        my $seen   = $t->observe(
            $target,
            method => 'CONNECT',
            host   => $target,
            port   => $t->port("to_$name")
        );
        my $row = $seen->{row};
        is $seen->{r}{status}, $status, 'client status';
        is $seen->{r}{body}, 'hello', 'what came through the tunnel'
          if $status == 200;
        is $row->{upstream_502},       $status == 200 ? '-' : 1, 'gateway';
        is $row->{upstream_502_cause}, $cause,                   'cause';
        matches( $row->{upstream_502_phase},    $phase,    'phase' );
        matches( $row->{upstream_502_upstream}, $upstream, 'upstream' );
        is $row->{upstream_502_causes}, $causes // $cause, 'causes'
          if $phase ne 'resolve' && !ref $phase;
        my @events = @{ $seen->{events} };
        is scalar @events, $cause eq '-' ? 0 : 1, 'events';

        # Where the name is not valid, nginx has not said yet what it speaks.
        my $protocol = $name eq 'bad' ? 'unknown' : 'tunnel';
        is $_->{protocol}, $protocol, 'protocol' for @events;
        is $seen->{gained}->( 'totals', 'failures' ), scalar @events,
          'failures counted';
        is $seen->{gained}->( 'totals', 'requests' ), 1, 'request counted';
        is $seen->{gained}->( 'totals', 'responses', $status ),
          $status == 200 ? 0 : 1, 'response counted';
    };
}

$t->finish;
done_testing;
