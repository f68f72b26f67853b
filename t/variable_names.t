#!/usr/bin/perl

# A target that holds a variable is counted under the place that asks, so that
# no client makes rows, labels or series; or under what it resolved to, where the
# configuration says so, and then within a share of the zone.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::More;
use Upstream502::Http qw(request);
use Upstream502::Test;

my $t    = Upstream502::Test->new;
my $tiny = 'upstream_502_zone tiny:8k events=16;';
my ( undef, $output ) = $t->check_config( http => $tiny );
my ($least) = $output =~ /at least (\d+)k/;
my $size    = $least + 160;

$t->tcp( ok  => [ 'read', [ write => "HTTP/1.0 200 OK\r\n\r\nok" ], 'close' ] );
$t->tcp( bad => [ 'read', [ write => "HTTP/1.0 502 Bad\r\n\r\n" ],  'close' ] );

my $PASS = 'proxy_pass http://$http_x_to;';
$t->conf(
    http => "upstream_502_zone tiny:${size}k events=64;
        upstream first { server %%closed%%; }
        upstream second { server %%closed%%; server %%ok%%; }",
    server => "resolver 127.0.0.1:%%PORT_nobody%%; resolver_timeout 50ms;
        location /api/ { $PASS }
        location /resolved/ { upstream_502_variable_names resolved; $PASS }
        location = /first { proxy_pass http://first; }
        location = /second { proxy_pass http://second; }
        location ~ ^/regex { proxy_intercept_errors on; error_page 502 /else;
            $PASS }
        location /else { return 503; }
        location \@named { $PASS }
        location /named { try_files /none \@named; }
        keepalive_requests 100000;",
);
$t->start;

my $socket;

sub ask ( $uri, $to = '' ) {
    my $r = request(
        $t->port('http'),
        uri     => $uri,
        keep    => 1,
        headers => [ 'X-To: ' . $to ],
        defined $socket ? ( socket => $socket ) : ()
    );
    $socket =
      ( $r->{headers}{connection} // 'close' ) eq 'close'
      ? undef
      : $r->{socket};
    return $r->{status};
}

sub names { return map { $_->{name} } @{ $t->status->{upstreams} } }

sub rows ( $name, $status = $t->status ) {
    return grep { $_->{name} eq $name } @{ $status->{upstreams} };
}

sub metrics {
    return request( $t->port('http'), uri => '/status?format=prometheus' )
      ->{body};
}

subtest 'the place that asks' => sub {
    is ask( '/api/x', $t->expand('%%closed%%') ), 502, 'refused';
    is ask( '/api/x', $t->expand('%%ok%%') ),     200, 'answered';
    my $api = $t->upstream('(localhost /api/)');
    is $api->{requests},             2, 'requests under the place';
    is $api->{failures},             1, 'failures under the place';
    is $api->{responses}{502},       1, 'responses under the place';
    is scalar @{ $api->{peers} },    2, 'its peers have rows';
    my $event = $t->status->{events}[0];
    is $event->{upstream}, '(localhost /api/)',      'the event names it';
    is $event->{target},   $t->expand('%%closed%%'), 'and the target';
    is $event->{peer},     $t->expand('%%closed%%'), 'and the peer';
    my $text = request( $t->port('http'), uri => '/status?format=text' );
    my $told = 'target ' . $t->expand('%%closed%%');
    like $text->{body}, qr/^ +\Q$told\E$/m, 'the text report tells it';
    my @series = metrics() =~ /^nginx_upstream_502_attempts_total\{(upstream=
        "\(localhost\ \/api\/\)".*)$/gmx;
    is_deeply \@series, ['upstream="(localhost /api/)",peer="(variable)"} 2'],
      'one series for all its peers';
};

subtest 'each kind of place' => sub {
    is ask( '/regex', $t->expand('%%bad%%') ), 503, 'intercepted';
    my ($regex) = rows('(localhost ^/regex)');
    is $regex->{failures}, 1, 'the location that asked, not the one it led to';
    is ask( '/named', $t->expand('%%closed%%') ), 502, 'a named location';
    is rows('(localhost @named)'),                1,   'under its name';
    is ask( '/api/', 'no.such.test' ),            502, 'a name that is none';
    is ask( '/api/', '127.0.0.1:99999' ),         500, 'a target that is none';
    is $t->upstream('(localhost /api/)')->{failures}, 3, 'all of them there';
    is ask( '/api/', 'first' ), 502, 'a configured upstream by a variable';
    my ($event) = @{ $t->status->{events} };
    is $event->{upstream}, 'first', 'is counted under its own name';
    is $event->{target},   undef,   'and has no target';
};

subtest 'what it resolved to' => sub {
    is ask( '/resolved/', $t->expand('%%closed%%') ), 502, 'an address';
    my ($row) = rows( $t->expand('%%closed%%') );
    is $row->{failures}, 1, 'has its row';
    like metrics(), qr/^nginx_upstream_502_attempts_total\{
        upstream="([^"]*)",peer="\1"\}\ 1$/mx, 'and its series';
    is ask( '/resolved/', 'no.such.test' ), 502, 'a name that does not resolve';
    is rows('no.such.test'), 0, 'has none';
    is $t->upstream('(localhost /resolved/)')->{failures}, 1,
      'it is counted under the place';
};

# TEST_HOSTS=100000 tries more of them.
my $HOSTS = $ENV{TEST_HOSTS} // 3000;

# What the access log has of a configured upstream: requests that ended there,
# and their failed attempts.
sub logged ($name) {
    my @of = grep {
             $_->{upstream_502_upstream} eq $name
          || $_->{uri} eq "/$name"
    } $t->rows;
    return {
        requests      => scalar @of,
        responses_502 => scalar( grep { $_->{status} == 502 } @of ),
        failures => sum0( map { $_->{upstream_502_failures} =~ s/-/0/r } @of ),
    };
}

# Its incident, its last event and its history by the minute, whoever else
# failed meanwhile.
sub keeps_its_memory ( $name, $status ) {
    my $logged = logged($name);
    my ($row)  = rows( $name, $status );
    my $counted =
      { map { $_ => sum0( @{ $row->{history}{$_} } ) } keys %$logged };
    is_deeply $counted, $logged, "$name: the last minutes are all there";
    is $row->{failures}, $logged->{failures}, "$name: and all failures";
    return if $logged->{responses_502} == 0;
    my @incidents =
      grep { $_->{upstream} eq $name } @{ $status->{incidents} };
    is scalar @incidents, 1, "$name: one incident";
    my $one = $incidents[0];
    is $one->{state}, 'open', "$name: which is open";
    is $one->{failures}, $logged->{failures}, "$name: with all failures";
    is_deeply [ map { @$_{qw(addr failures)} } @{ $one->{peers} } ],
      [ $t->expand('%%closed%%'), $logged->{failures} ], "$name: of its peer";
    my ($event) = grep { $_->{upstream} eq $name } @{ $status->{events} };
    is $event->{id}, $one->{last_event}, "$name: its last event is on record";
    is_deeply [ @$event{qw(incident cause peer uri)} ],
      [ $one->{id}, 'connection_refused', $t->expand('%%closed%%'), "/$name" ],
      "$name: word by word";
}

# Clients that try to fill the zone, beside two upstreams at work.
sub attack ( $location, $from ) {
    my ( $wrong, %sent ) = (0);
    for my $n ( $from .. $from + $HOSTS - 1 ) {
        my $host = sprintf '127.%d.%d.%d:%s', 1 + $n / 60000, $n / 250 % 250,
          1 + $n % 250, $t->port('nobody');
        $wrong++ if ask( $location, $host ) != 502;
        if ( $n % 100 == 0 ) {
            $wrong++ if ask('/first') != 502;
            $wrong++ if ask('/second') != 200;
            $sent{$_}++ for qw(first second);
        }
    }
    is $wrong, 0, 'every request got what it should';
    return %sent;
}

my $max = $t->status->{zone}{peers_max};
my $events;
for my $location ( '/api/', '/resolved/' ) {
    subtest "an attack on $location" => sub {
        my $before = $t->status;
        my %sent   = attack( $location, $location eq '/api/' ? 0 : 60000 );
        $sent{first}++;
        is ask('/first'), 502, 'one more';
        my $after = $t->status('limit=1000');
        for my $name (qw(first second)) {
            my ($was) = rows( $name, $before );
            my ($is)  = rows( $name, $after );
            is $is->{requests} - ( $was ? $was->{requests} : 0 ),
              $sent{$name}, "$name: every request under its own name";
            ok !( grep { $_->{addr} eq '(other)' } @{ $is->{peers} } ),
              "$name: its peers have rows";
        }
        keeps_its_memory( $_, $after ) for qw(first second);
        my $chosen =
          grep { $_->{name} =~ /^127\./ } @{ $after->{upstreams} };
        ok $chosen <= $max / 3 / 4, "$chosen names that clients chose"
          or diag "of $max peers";
        my $peers = 0;
        $peers += grep { $_->{addr} ne '(other)' } @{ $_->{peers} }
          for grep { $_->{name} !~ /^(?:first|second)$/ }
          @{ $after->{upstreams} };
        ok $peers <= $max / 4, "$peers peers that clients chose";
        my $sum = 0;
        $sum += $_->{requests} for @{ $after->{upstreams} };
        is $sum, $after->{totals}{requests}, 'no request is lost';
        my $series = () = metrics() =~ /^\w+\{.*peer="/gm;
        ok $series <= 3 * ( $location eq '/api/' ? 12 : 12 + 2 * $chosen ),
          "$series series with a peer";
    };
}

subtest 'a peer of a configured upstream that comes late' => sub {
    $t->conf(
        http => "upstream_502_zone tiny:${size}k events=64;
            upstream third { server 127.0.0.9:%%PORT_nobody%%; }",
        server => 'location = /third { proxy_pass http://third; }'
    );
    $t->reload;
    undef $socket;
    is ask('/third'), 502, 'is refused';
    is_deeply [ map { $_->{addr} } @{ $t->upstream('third')->{peers} } ],
      [ $t->expand('127.0.0.9:%%PORT_nobody%%') ], 'and has its row';
};

subtest 'values' => sub {
    for my $value (qw(location resolved)) {
        my ($code) =
          $t->check_config( http => "upstream_502_variable_names $value;" );
        is $code, 0, $value;
    }
    my ( $code, $said ) =
      $t->check_config( server => 'upstream_502_variable_names any;' );
    is $code, 1, 'another one is refused';
    like $said, qr/invalid\ value\ "any"\ in\ "upstream_502_variable_names"
        \ directive,\ it\ must\ be\ "location"\ or\ "resolved"/x, 'and told';
};

$t->finish;
done_testing;
