#!/usr/bin/perl

# A client with many streams on one HTTP/2 connection.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::H2;
use Upstream502::Streams;
use Upstream502::Test;

my $t = Upstream502::Test->new;
add_backends($t);
$t->conf( server => "listen 127.0.0.1:%%PORT_h2%% http2; $LOCATIONS" );
$t->start;

my $client = Upstream502::H2->new( $t->port('h2') );
my $stream = 1;

check_streams(
    $t, 5,
    sub (@requests) {
        my %id;
        for my $request (@requests) {
            $id{$stream} = $request->[0];
            $client->send( $stream, "/$request->[1]", 'x-test' => $id{$stream} );
            $stream += 2;
        }
        my $streams = $client->read( keys %id );
        return map { $id{$_} => $streams->{$_}{status} } keys %id;
    }
);

check_cancelled(
    $t,
    sub ($arrived) {
        $client->send( $stream, '/waiting', 'x-test' => 'cancelled' );
        wait_for 'the request', $arrived;
        $client->cancel($stream);
    }
);

close $client->{socket};
$t->finish;
done_testing;
