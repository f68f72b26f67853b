#!/usr/bin/perl

# A name of several addresses is a group, and its own name none of its servers:
# where they are all out nginx names it as the peer.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Namespace;
use Upstream502::Test;

enter_namespace();

my @ADDRESSES = ( [qw(127.0.0.1 127.0.0.2)], [qw(127.0.0.1 ::1)] );

for my $addresses (@ADDRESSES) {
    subtest "localhost is @$addresses" => sub {
        plan skip_all => 'no IPv6' if "@$addresses" =~ /::1/ && !-e '/proc/net/if_inet6';
        my $t = Upstream502::Test->new;
        known( $t, @$addresses );
        $t->conf( server => 'location / { proxy_pass http://localhost:%%PORT_nobody%%; }' );
        $t->start;
        $t->get('/') for 1 .. 4;
        is_no_peer( $t, @$addresses );
        $t->finish;
        quietly('umount /etc/hosts') or die "umount fails\n";
    };
}
done_testing;

# What /etc/hosts says from now on.
sub known ( $t, @addresses ) {
    my $hosts = $t->write( 'hosts', join '', map { "$_ localhost\n" } @addresses );
    quietly("mount --bind $hosts /etc/hosts") or die "mount fails\n";
}

sub is_no_peer ( $t, @addresses ) {
    my $port  = $t->port('nobody');
    my $name  = "localhost:$port";
    my @peers = sort map { /:/ ? "[$_]:$port" : "$_:$port" } @addresses;
    my $status   = $t->status;
    my $upstream = $t->upstream( $name, $status );
    ok $upstream->{causes}{no_live_upstreams}, 'nginx had no live server';
    is_deeply [ sort map { $_->{addr} } @{ $upstream->{peers} } ], \@peers,
      'a row for each address, and for nothing else';
    my $metrics = $t->get('/status?format=prometheus')->{body};
    my %series  = map { $_ => 1 } $metrics =~ /upstream="\Q$name\E",peer="([^"]*)"/g;
    is_deeply [ sort keys %series ], \@peers, 'and a series';
    my ($d) = grep { $_->{upstream} eq $name } @{ $status->{diagnoses} };
    is $d->{cause}, 'connection_refused', 'the cause is that of the addresses';
    is_deeply [ sort @{ $d->{peers} } ], \@peers, 'which are the peers that fail';
    unlike $_, qr/error\.log/, "no idle check: $_" for @{ $d->{checks} };
    my $failures = 0;
    $failures += $_ for values %{ $upstream->{causes} };
    is $upstream->{failures}, $failures, 'the failures are counted all the same';
}
