# The keep-alive race, made sure: nginx finds a request on a connection that it
# takes from its cache before it finds that the backend has closed that one.
#
#   before => sub ( $t, $row ) { prime( $t, $row, $service, $port ) },
#   ask    => \&race
#
# The backend is stopped in its tracks while its connection is idle, then nginx
# is. The request arrives, the backend goes on and closes, and then nginx goes
# on as well: it handles the two in the order in which they came.

package Upstream502::Race;

use v5.36;

use Exporter           qw(import);
use Upstream502::Http  ();
use Upstream502::Net   qw(wait_for);
use Upstream502::Nginx ();

our @EXPORT = qw(prime race);

use constant { ESTABLISHED => 1, CLOSE_WAIT => 8 };

# Leaves nginx with an idle connection to the stopped `service` on `port`, and
# us with one to nginx.
sub prime ( $t, $row, $service, $port ) {
    wait_for 'an idle connection to a stopped backend', sub {
        my @like_it = map { $_ => $row->{$_} } qw(method headers body);
        $t->request( "/r$row->{number}", @like_it );
        $service->signal_all('STOP');
        return 1 if connections( $port, ESTABLISHED ) == 1;
        $service->signal_all('CONT');
        return 0;
    };
    my $kept = $t->get( '/status', keep => 1 );
    return { service => $service, port => $port, socket => $kept->{socket} };
}

# Sends the request so that it meets the race.
sub race ( $t, $row, $uri, %send ) {
    my $primed   = $row->{held};
    my ($worker) = $t->nginx->workers;
    my $client   = $primed->{socket}->sockport;
    kill STOP => $worker;
    my $sent = $t->send( $uri, %send, socket => $primed->{socket} );
    wait_for 'the request to arrive', sub { arrived($client) };
    $primed->{service}->signal_all('CONT');
    wait_for 'the backend to say something or to close', sub {
        connections( $primed->{port}, CLOSE_WAIT ) == 1
          || grep { $_->[0] == $primed->{port} && $_->[2] > 0 } sockets();
    };
    kill CONT => $worker;
    return $t->read($sent);
}

# [remote port, state, bytes to read, local port] of all TCP sockets
sub sockets () {
    my @sockets;
    for ( split /\n/, Upstream502::Nginx::slurp('/proc/net/tcp') ) {
        /^\s*\d+: \w+:(\w+) \w+:(\w+) (\w+) \w+:(\w+)/ or next;
        push @sockets, [ map { hex } $2, $3, $4, $1 ];
    }
    return @sockets;
}

# How many of nginx's connections to `port` are in this state.
sub connections ( $port, $state ) {
    return scalar grep { $_->[0] == $port && $_->[1] == $state } sockets();
}

sub arrived ($client) {
    return grep { $_->[0] == $client && $_->[2] > 0 } sockets();
}

1;
