#!/usr/bin/perl

# What an operator is told about the course of things: who fails, since when,
# how often. Each fault is put into real traffic; the checks that come with
# the diagnosis are run and confirm it. Minutes pass on the server's clock.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Backend;
use Upstream502::Clock;
use Upstream502::Diagnosis;
use Upstream502::Test;
use Upstream502::Wire;

my $t      = Upstream502::Test->new;
my $clock  = Upstream502::Clock->new( $t->dir );
my $app    = Upstream502::Backend->new( $t->dir );
my $OK     = [ 'read', [ write => http_last() ] ];
my $listen = qr/^LISTEN\s/m;

$t->tcp( good  => $OK );
$t->tcp( flaky => sequence( map { $_ % 3 ? $OK : [ 'read', 'rst' ] } 1 .. 30 ) );
$t->tcp(
    paths => sub ($c) {
        Upstream502::Steps::fill($c) while $c->{in} !~ /\r\n\r\n/;

        # Slower than nginx waits, and yet an answer for the check that asks.
        Time::HiRes::sleep(0.5) if $c->{in} =~ m{^GET /report};
        Upstream502::Steps::put( $c, http_last() );
        Upstream502::Steps::leave( $c, 0 );
    }
);
$t->tcp( race => [ 'read', [ write => http_ok() ], 'read', 'close' ] );
my %conf = (
    http => <<'CONF', server => <<'CONF2' );
upstream app { server 127.0.0.1:%%PORT_app%%; }
upstream pair { server %%good%%; server %%closed_one%% max_fails=0; }
upstream dead { server %%closed_two%%; }
upstream flaky { server %%flaky%%; }
upstream paths { server %%paths%%; }
upstream race { server %%race%%; keepalive 4; }
upstream few { server %%closed_three%%; }
upstream moved { server %%good%%; }
CONF
location / { proxy_pass http://app; }
location /pair { proxy_pass http://pair; }
location /dead { proxy_pass http://dead; }
location /flaky { proxy_pass http://flaky; }
location /fine { proxy_pass http://paths; }
location /report { proxy_pass http://paths; proxy_read_timeout 200ms; }
location /race {
    proxy_pass http://race; proxy_http_version 1.1;
    proxy_set_header Connection "";
}
location /few { proxy_pass http://few; }
location /moved { proxy_pass http://moved; }
CONF2
$t->conf(%conf);
$t->start;
my $checks = Upstream502::Diagnosis->new($t);

sub ask ( $uri, $times = 5, %o ) {
    return map { $t->request( $uri, %o )->{status} } 1 .. $times;
}

sub start_app () {
    $app->tcp( app => $OK, port => $t->port('app') );
    $app->start;
}

start_app();

subtest 'nothing is wrong' => sub {
    ask($_) for qw(/ /moved);
    is_deeply $t->status->{diagnoses}, [], 'nothing is said';
};

subtest 'too few attempts: nobody is blamed' => sub {
    ask( '/few', 2 );
    $checks->expect(
        few => severity => 'info',
        summary => qr/\b2 of 2 attempts failed .*too few to tell a pattern/,
    );
};

subtest 'an outage' => sub {
    ask('/dead');
    my $port = $t->port('closed_two');
    $checks->expect(
        dead => severity => 'outage',
        pattern          => 'outage',
        cause            => 'connection_refused',
        peers            => ["127.0.0.1:$port"],
        summary => qr/^nothing listens on .* \(5 of 5\); all 5 attempts of the last .* failed: connection refused/,
        confirm => [
            qr/^ss -Hltnp 'sport = :$port'/ => qr/\A\z/,
            qr/^nginx -T.*grep -nwF/        => qr/server 127\.0\.0\.1:$port;/,
        ],
    );
    like $checks->run("ss -Hltnp 'sport = :@{[ $t->{ports}{good} ]}'"), $listen,
      'where somebody listens the check says so';
};

subtest 'one dead peer' => sub {
    my @statuses = ask( '/pair', 10 );
    is_deeply [ grep { $_ != 200 } @statuses ], [], 'clients see none of it';
    my $port = $t->port('closed_one');
    $checks->expect(
        pair => severity => 'degraded',
        pattern          => 'partial',
        cause            => 'connection_refused',
        peers            => ["127.0.0.1:$port"],
        summary          => [
            qr/^nothing listens on .*; 127\.0\.0\.1:$port failed (\d+) of \1 attempts/,
            qr/while other servers answer/,
            qr/clients saw none of it/,
        ],
        confirm => [ qr/^ss -Hltnp 'sport = :$port'/ => qr/\A\z/ ],
    );
};

subtest 'now and then' => sub {
    ask( '/flaky', 12 );
    my $port = $t->{ports}{flaky};
    $checks->expect(
        flaky => severity => 'degraded',
        pattern           => 'intermittent',
        cause             => 'reset_before_response',
        peers             => [ $t->address('flaky') ],
        summary => qr/still listens on .*; 4 of 12 attempts failed.*the others did not fail/,
        confirm => [
            qr/^ss -Hltnp .* ps -o pid,lstart/ => qr/^\s*\d+ \w{3} \w{3} .*\d{4} /m,
            qr/systemctl --no-pager -l status/ => qr/\S/,
        ],
    );
};

subtest 'one URI, and the timeout that it runs into' => sub {
    ask( '/fine',   10 );
    ask( '/report', 6 );
    ask( '/fine',   1 );
    $checks->expect(
        paths => severity => 'degraded',
        pattern           => 'single_uri',
        cause             => 'read_timeout',
        peers             => [ $t->address('paths') ],
        summary           => [
            qr{and no answer came within 200ms \((\d+) of \1\); all failures on record are on /report },
            qr/proxy_read_timeout \(200ms\) ran out$/,
        ],
        confirm => [
            qr/time_starttransfer/ => qr/^status \d+, header after (?:0\.[5-9]|[1-9])/,
        ],
    );
};

subtest 'a keep-alive race that only POSTs show' => sub {
    my $failed = 0;
    for ( 1 .. 6 ) {
        is_deeply [ ask( '/race', 1 ) ], [200], 'a GET is asked again';
        $failed++ if ( ask( '/race', 1, method => 'POST', body => 'x' ) )[0] == 502;
    }
    cmp_ok $failed, '>=', 3, 'POSTs fail';
    ask( '/race', 1 );
    my $port = $t->{ports}{race};
    my $d = $checks->expect(
        race => severity => 'degraded',
        pattern          => 'intermittent',
        cause            => 'keepalive_race',
        peers            => [ $t->address('race') ],
        summary => qr/only requests that nginx does not repeat \(POST\)/,
        confirm => [
            qr/^ss -Hltnp .* ps -o pid,lstart/ => qr/^\s*\d+ \w{3} \w{3} /m,
        ],
    );
    unlike $d->{summary}, qr/closes idle connections/,
      'it was closed in use: nobody says it was idle';
};

subtest 'recovered' => sub {
    $app->stop;
    ask('/');
    is $checks->of('app')->{cause}, 'connection_refused', 'it fails';
    start_app();
    for ( 1 .. 2 ) {
        $clock->forward(65);
        ask('/');
    }
    my $port = $t->port('app');
    $checks->expect(
        app => severity => 'info',
        pattern         => 'recovered',
        cause           => 'connection_refused',
        summary => qr/^Recovered: 5 of 20 attempts failed, the last one \d+ (?:sec|min)/,
        confirm => [ qr/^ss -Hltnp 'sport = :$port'/ => $listen ],
    );
};

subtest 'flapping' => sub {
    for ( 1 .. 2 ) {
        $app->stop;
        ask('/');
        start_app();
        $clock->forward(60);
        ask('/');
        $clock->forward(60);
    }
    $checks->expect(
        app => severity => 'degraded',
        pattern         => 'intermittent',
        cause           => 'connection_refused',
        peers           => [ '127.0.0.1:' . $t->port('app') ],
        summary => qr/in 3 bursts over the last hour as if it restarts/,
    );
};

subtest 'began with the reload' => sub {
    $clock->forward(180);
    ask('/moved');
    is $checks->of('moved'), undef, 'it was well';
    $clock->forward(60);
    $conf{http} =~ s/(upstream moved \{ server )%%good%%/$1%%closed_four%%/;
    $t->conf(%conf);
    $t->reload;
    ask('/moved');
    my $port = $t->port('closed_four');
    $checks->expect(
        moved => severity => 'outage',
        pattern           => 'since_reload',
        cause             => 'connection_refused',
        peers             => ["127.0.0.1:$port"],
        summary           => [
            qr/; every attempt fails since the configuration was loaded .* ago/,
            qr/, none of the 10 requests before did: connection refused$/,
        ],
        confirm => [
            qr/^nginx -T/ => qr/upstream moved \{ server 127\.0\.0\.1:$port;/
        ],
    );
};

$app->stop;
$t->finish;
done_testing;
