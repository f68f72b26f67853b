# An nginx with those who follow it, as two tests have it: upstreams app, whose
# port is closed, and search, which resets, behind /app and /search.

package Upstream502::Followed;

use v5.36;

use Exporter qw(import);
use Upstream502::Clock;
use Upstream502::Follow;
use Upstream502::Http qw(connect_to);
use Upstream502::Test;

our @EXPORT = qw(follow ask start_afresh);

my ( $t, $clock );

# With more in its server; returns the harness, the clock and its parts.
sub start ( $class, $server = '' ) {
    $t     = Upstream502::Test->new;
    $clock = Upstream502::Clock->new( $t->dir );
    $t->tcp( rst => [ 'read', 'rst' ] );
    my %conf = (
        http => 'upstream app { server %%closed%% max_fails=0; }
            upstream search { server %%rst%% max_fails=0; }',
        server => "listen 127.0.0.1:%%PORT_h2%% http2;
            keepalive_requests 100000;
            location /app { access_log off; proxy_pass http://app; }
            location /search { access_log off; proxy_pass http://search; }
            location = /count { access_log off; stub_status; }
            $server",
    );
    return ( $t, $clock, \%conf );
}

sub follow ( $arguments = '', %o ) {
    return Upstream502::Follow->new( $t, $arguments, %o );
}

# So many requests that fail, one behind the other.
sub ask ( $uri, $times = 1 ) {
    my $socket = connect_to( $t->port('http') );
    for ( my $left = $times ; $left > 0 ; $left -= 50 ) {
        my $batch = $left < 50 ? $left : 50;
        syswrite $socket,
          "GET $uri HTTP/1.1\r\nHost: localhost\r\n\r\n" x $batch;
        my $answers = '';
        while ( $batch > ( () = $answers =~ /^HTTP\/1.1 502 /mg ) ) {
            sysread $socket, $answers, 65536, length $answers
              or die "nginx has gone\n";
        }
    }
}

# Nothing is on record, and what comes is no incident's of before.
sub start_afresh () {
    $t->request( '/status', method => 'DELETE' );
    $clock->forward(600);
}

1;
