#!/usr/bin/perl

# Where a right cause came with a wrong or an idle word: what is said now, and
# that the checks lead on.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Diagnosis qw(edits usual_time);
use Upstream502::Net qw(listen_tcp listen_unix);
use Upstream502::Test;
use Upstream502::Wire;

my $t   = Upstream502::Test->new;
my $dir = $t->dir;
$t->tcp( once    => [ 'read', 'rst' ] );
$t->tcp( closes  => [ 'read', 'close' ] );
$t->tcp(
    login => [ 'read', [ write => http_status( 302, '', 'Location: /login' ) ] ],
    well => [ 'read', [ write => http_last() ], 'close' ]
);
$t->tcp( ok      => [ 'read', [ write => http_last() ], 'close' ] );
$t->tcp( refuses => [ 'read', [ write => http_status( 502, 'no', 'Connection: close' ) ], 'close' ] );
$t->tcp(
    ssh  => [ 'read', [ write => "SSH-2.0-OpenSSH_9.2\r\n" ], 'close' ],
    well => [ 'read', [ write => http_last() ], 'close' ]
);
$t->tcp(
    after => [ 'read', [ pause => 0.6 ], 'close' ],
    well => [ 'read', [ write => http_last() ], 'close' ]
);
$t->udp( dns => \&answer_query );
$t->conf( http => <<'CONF', server => <<'CONF2' );
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
upstream app { server %%closed%%; server %%closed2%%; }
upstream full { server %%ok%% down; }
upstream pages { server %%once%%; }
upstream fresh { server %%refuses%%; }
upstream gone { server unix:%%DIR%%/gone.sock; }
upstream closes { server %%closes%%; }
upstream auth { server %%login%%; }
upstream ssh { server %%ssh%%; }
upstream after { server %%after%%; }
upstream many { server %%refuses%%; server %%ok%%; }
CONF
location /app { proxy_pass http://app; }
location /full { proxy_pass http://full; }
location /pages { proxy_cache c; proxy_cache_valid any 1h; proxy_pass http://pages; }
location /fresh { proxy_cache c; proxy_cache_valid 200 1h; proxy_pass http://fresh; }
location /gone { proxy_pass http://gone; }
location /closes { proxy_pass http://closes; }
location /asked { auth_request /auth; proxy_pass http://many; }
location = /auth { internal; proxy_pass http://auth; }
location /posted { proxy_next_upstream off; proxy_pass http://app; }
location /many { proxy_pass http://many; }
location /ssh { proxy_pass http://ssh; }
location /after { proxy_pass http://after; }
location /hosts { resolver %%dns%% ipv6=off; set $to localhost; proxy_pass http://$to; }
location /dns { set $to localhost; proxy_pass http://$to:80; }
CONF2
$t->start;
my $checks = Upstream502::Diagnosis->new($t);

# The name is in /etc/hosts only, until it is in the DNS too.
sub answer_query ($query) {
    return dns_answers( -e "$dir/known" ? ( localhost => '127.0.0.1' ) : () )->($query);
}

# The backend's service is repaired.
sub repairs ($name) {
    return sub { $t->{farm}->repair($name); return };
}

# The statuses of so many requests.
sub ask ( $uri, $times, %o ) {
    return map { $t->request( $uri, %o )->{status} } 1 .. $times;
}

# A group without a live server: no row, no series and no peer of a diagnosis.
sub is_no_peer ( $group, $name ) {
    my $status = $t->status;
    my $found  = $t->upstream( $group, $status );
    ok $found->{causes}{no_live_upstreams}, "$group had no live server";
    is_deeply [ grep { $_->{addr} eq $name } @{ $found->{peers} } ], [], 'no row';
    unlike $t->get('/status?format=prometheus')->{body},
      qr/upstream="\Q$group\E",peer="\Q$name\E"/, 'no series';
    my ($d) = grep { $_->{upstream} eq $group } @{ $status->{diagnoses} };
    is_deeply [ grep { $_ eq $name } @{ $d->{peers} } ], [], 'no peer that fails';
    unlike $_, qr/error\.log/, "no idle check: $_" for @{ $d->{checks} };
    is $t->upstream( $group, $status )->{failures},
      eval { my $n = 0; $n += $_ for values %{ $found->{causes} }; $n },
      'the failures are counted all the same';
    return $d;
}

subtest 'a group is no peer of its own' => sub {
    ask( '/app', 4 );
    my $d = is_no_peer( app => 'app' );
    is $d->{cause}, 'connection_refused', 'the cause is that of its servers';
};

subtest 'servers that are marked down have not failed before' => sub {
    ask( '/full', 4 );
    my $d = is_no_peer( full => 'full' );
    unlike $d->{summary} . $d->{hint}, qr/failures before/, 'nothing of that kind';
    like $d->{summary}, qr/down/, 'but that';
    $checks->run_all(
        $d,
        checks => [
            [ qr/grep -FA 20/ => qr/^upstream full .* down;/m, qr/^upstream full \{ server \S+; \}/m ],
            [ qr/max_conns/   => qr/ down;/, qr/\A\z/ ],
        ],
        repair => edits( ' down;' => ';' ),
    );
};

subtest 'POSTs to a port nobody listens on' => sub {
    my $before = $t->status->{events}[0]{id};
    ask( '/posted', 5, method => 'POST', body => 'order' );
    my ($d) = grep { $_->{upstream} eq 'app' } @{ $t->status->{diagnoses} };
    unlike $d->{summary}, qr/\(POST\)/, 'nginx would have repeated them';
};

subtest 'an error that the cache replays' => sub {
    ask( '/pages', 13 );
    my $d = $checks->expect(
        pages => summary => qr/^an error is replayed from nginx's cache: 12 of 13 /,
        confirm => [ qr/^nginx -T .*proxy_cache_valid/ => qr/proxy_cache_valid any 1h;/ ],
    );
    isnt $d->{severity}, 'info', 'most clients get it';
    is $d->{findings}[0]{name}, 'from_cache', 'the first finding';
    $checks->run_all(
        $d,
        checks => [
            [
                qr/^nginx -T .*proxy_cache_valid/ => qr/proxy_cache_valid any 1h;/,
                qr/proxy_cache_valid 200 1h;/
            ]
        ],
        repair => edits( 'valid any' => 'valid 200' ),
    );
};

subtest 'an error that the cache does not keep' => sub {
    ask( '/fresh', 5 );
    my ($d) = grep { $_->{upstream} eq 'fresh' } @{ $t->status->{diagnoses} };
    is $d->{cause}, 'error_status', 'the upstream says it, each time';
    is_deeply [ grep { $_->{name} eq 'from_cache' } @{ $d->{findings} } ], [],
      'it is not replayed';
    unlike $_, qr/proxy_cache_valid/, "no check of the cache: $_"
      for @{ $d->{checks} };
};

subtest 'auth_request cannot use the answer' => sub {
    is_deeply [ ask( '/asked', 3 ) ], [ 500, 500, 500 ], 'clients get 500';
    my $event = $t->status('limit=1')->{events}[0];
    is $event->{upstream}, 'auth', 'the upstream of the subrequest';
    like $event->{message}, qr/^auth request unexpected status: 302/, 'message';
    like $event->{hint}, qr/2xx, 401 and 403 only/, 'hint';
    my ($d) = grep { $_->{upstream} eq 'auth' } @{ $t->status->{diagnoses} };
    $checks->run_all(
        $d,
        checks => [
            [ qr/^curl /    => qr{^HTTP/1\.1 302 }, qr{^HTTP/1\.1 200 } ],
            [ qr/^nginx -T/ => qr{auth_request /auth;}, \'the service is repaired' ],
        ],
        repair => repairs('login'),
    );
};

subtest 'an upstream that says 502 stays in the group' => sub {
    ask( '/many', 8 );
    my ($event) = grep { $_->{upstream} eq 'many' } @{ $t->status->{events} };
    like $event->{hint}, qr/goes on asking it, proxy_next_upstream has no http_502/,
      'hint';
};

subtest 'a port that speaks SSH' => sub {
    ask( '/ssh', 3 );
    my $d = $checks->of('ssh');
    like $d->{summary}, qr/SSH/, 'the summary says so';
    $checks->run_all(
        $d,
        checks => [
            [ qr/^curl /    => qr{^SSH-2\.0}m, qr{^HTTP/1\.1 200 } ],
            [ qr/^ss /      => qr/^LISTEN .*"perl"/m, \'the other service has the same name here' ],
            [ qr/^nginx -T/ => qr{proxy_pass http://ssh;|server 127}, \'the address is right' ],
        ],
        repair => repairs('ssh'),
    );
};

subtest 'a limit on the other side' => sub {
    ask( '/after', 6 );
    my $d = $checks->of('after');
    my $time = usual_time( $t, 'after' );
    like $d->{summary}, qr/^nearly all failed after $time, .* no limit of nginx's/,
      'the summary says so';
    $checks->run_all(
        $d,
        checks => [ [ qr/^curl .*time_total/ => qr/ all after (?:0\.[6-9]|1\.)/m, qr/ all after 0\.[0-5]\d+ s, /m ] ],
        repair => repairs('after'),
    );
};

# Asked of the name server that the configuration has somewhere.
sub knows_no_name ($cause) {
    plan skip_all => 'no dig' if !grep { -x "$_/dig" } split /:/, $ENV{PATH};
    ask( $cause eq 'dns_error' ? '/hosts' : '/dns', 3 );
    my ($d) = grep { $_->{cause} eq $cause } @{ $t->status->{diagnoses} };
    unlink "$dir/known";
    $checks->run_all(
        $d,
        checks => [
            [
                qr/dig localhost/ => qr/status: NXDOMAIN.*^\d+:127\.0\.0\.1\s.*\blocalhost\b/ms,
                qr/^localhost\.\s.*\sA\s+127\.0\.0\.1$/m
            ],
        ],
        repair => sub { return $t->write( 'known', '' ) },
    );
}

subtest 'a name that is in /etc/hosts only' => sub { knows_no_name('dns_error') };
subtest 'no resolver' => sub { knows_no_name('resolver_missing') };

# An image without ss: what stands in for it shows the same.
subtest 'without ss' => sub {
    my $stale = listen_unix("$dir/gone.sock");
    close $stale;
    ask( '/gone',   1 );
    ask( '/closes', 3 );
    $checks->command( ss => 'exit 127;:', '' );
    my %d = map { $_->{upstream} => $_ } @{ $t->status->{diagnoses} };
    my ($port) = $t->address('closed') =~ /(\d+)$/;
    my ($check) = grep { /^ss -H?lt.*sport = :\d/ } @{ $d{app}{checks} };
    ($port) = $check =~ /sport = :(\d+)/;
    is $checks->run($check), '', "nobody listens: $check";
    my $socket = listen_tcp( port => $port );
    like $checks->run($check), qr{^/proc/net/tcp:.* 0A }m, 'somebody does';
    ($check) = grep { /^ss -H?lx/ } @{ $d{gone}{checks} };
    is $checks->run($check), '', "nobody listens: $check";
    unlink "$dir/gone.sock";
    $socket = listen_unix("$dir/gone.sock");
    like $checks->run($check), qr{ \Q$dir\E/gone\.sock$}m, 'somebody does';
};

$t->finish;
done_testing;
