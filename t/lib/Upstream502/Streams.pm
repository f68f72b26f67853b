# Streams of one connection of a client that fail differently at the same time:
# each request gets its own cause.

package Upstream502::Streams;

use v5.36;

use Exporter qw(import);
use Test::More;
use Upstream502::Test qw(gained);
use Upstream502::Wire;

our @EXPORT = qw(add_backends check_streams check_cancelled $LOCATIONS);

# path => [client status, cause, errno]
my %EXPECTED = (
    refused => [ 502, 'connection_refused',     111 ],
    rst     => [ 502, 'reset_before_response',  104 ],
    closed  => [ 502, 'closed_before_response', '-' ],
    silent  => [ 504, 'read_timeout',           110 ],
    theirs  => [ 502, 'error_status',           '-' ],
    bad     => [ 502, 'header_invalid',         '-' ],
    cut     => [ 200, 'body_incomplete',        '-' ],
    ok      => [ 200, '-',                      '-' ],
);

our $LOCATIONS = ( join "\n", map { "location /$_ { proxy_pass http://%%$_%%; }" }
      grep { $_ ne 'silent' } sort keys %EXPECTED )
  =~ s/%%refused%%/127.0.0.1:%%PORT_nobody%%/r
  . "\nlocation /silent { proxy_pass http://%%silent%%;
    proxy_read_timeout 500ms; }
location /waiting { proxy_pass http://%%silent%%; }\n";

sub add_backends ($t) {
    my $cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
    my %answers = (
        ok     => http_ok('fine'),
        theirs => http_status(502),
        bad    => http_ok( '', 'A b: c' ),
        cut    => $cut,
    );
    $t->tcp( $_ => [ 'read', [ write => $answers{$_} ], 'close' ] )
      for sort keys %answers;
    $t->tcp( rst    => [ 'read', 'rst' ] );
    $t->tcp( closed => [ 'read', 'close' ] );
    $t->tcp( silent => [ 'read', 'hold' ] );
}

# `send` gets [id, path] of all requests and returns the status of each id.
sub check_streams ( $t, $rounds, $send ) {
    my @requests;
    for my $round ( 1 .. $rounds ) {
        push @requests, map { [ "s$round-$_", $_ ] } sort keys %EXPECTED;
    }
    my $before = $t->status;
    my %status = $send->(@requests);
    for my $request (@requests) {
        my ( $id,     $path )          = @$request;
        my ( $status, $cause, $errno ) = @{ $EXPECTED{$path} };
        my $row    = $t->row($id);
        my $object = $t->object($id) // {};
        is_deeply [
            $status{$id}, $row->{status}, $object->{cause} // '-',
            map { $row->{"upstream_502_$_"} } qw(cause errno failures)
          ],
          [ $status, $status, $cause, $cause, $errno, $cause eq '-' ? '-' : 1 ],
          "stream $id";
    }
    my $after = $t->status('limit=1000');
    for my $path ( grep { $_ ne 'ok' } sort keys %EXPECTED ) {
        my $cause = $EXPECTED{$path}[1];
        is gained( $before, $after, 'totals', 'causes', $cause ), $rounds,
          "$cause is counted $rounds times";
        my @uris = grep { $_->{cause} eq $cause } @{ $after->{events} };
        is_deeply {
            map { $_->{uri} => 1 } @uris
        }, { "/$path" => 1 }, "every event of $cause is about /$path";
    }
    is gained( $before, $after, 'totals', 'requests' ), scalar @requests,
      'every request is counted';
}

# `cancel` sends a request for /waiting with the id "cancelled" and breaks it
# off once it has arrived, which the function it gets tells.
sub check_cancelled ( $t, $cancel ) {
    subtest 'a stream that the client cancels is no failure' => sub {
        my $before  = $t->status;
        my $waiting = $t->farm->connections('silent');
        $cancel->( sub { $t->farm->connections('silent') > $waiting } );
        my $row = $t->row('cancelled');
        is $row->{status},             499, 'logged status';
        is $row->{upstream_502_cause}, '-', 'no cause';
        is gained( $before, $t->status, 'totals', 'failures' ), 0,
          'no failure';
    };
}

1;
