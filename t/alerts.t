#!/usr/bin/perl

# Real faults in a real nginx, scraped by a real Prometheus in both formats:
# the right alert fires for each, and for no other upstream. The rules are
# those that are shipped, with shorter times.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Nginx ();
use Upstream502::Prometheus;
use Upstream502::Test;
use Upstream502::Tls qw(make_certificates);
use Upstream502::Wire;

if ( my $reason = Upstream502::Prometheus->missing ) {
    plan skip_all => $reason;
}
plan skip_all => 'the same without sanitizers' if $ENV{TEST_NGINX_ASAN};

my $contrib = "$FindBin::Bin/../contrib/prometheus";
my $shipped = Upstream502::Nginx::slurp("$contrib/upstream-502.rules.yml");

# Minutes and hours become seconds; nothing else changes.
my %seconds = ( '2m' => 6, '5m' => 12, '30m' => 12, '1h' => 15, '6h' => 20 );
my $rules =
  $shipped =~ s/\[(\w+)\]/"[" . ( $seconds{$1} \/\/ 15 ) . "s]"/ger
  =~ s/^(\s+for:) \w+$/$1 1s/gmr;

# One answer for each path.
sub by_path (%answers) {
    return sub ($c) {
        Upstream502::Steps::fill($c) while $c->{in} !~ /\r\n\r\n/;
        my ($path) = $c->{in} =~ m{^\w+ (/\w+)};
        Upstream502::Steps::put( $c, $answers{$path} // http_last() );
        Upstream502::Steps::leave( $c, 0 );
    };
}

my $t   = Upstream502::Test->new;
my $dir = $t->dir;
make_certificates($dir);
my %certificate = (
    SSL_cert_file => "$dir/stranger.pem",
    SSL_key_file  => "$dir/stranger.key",
    SSL_version   => 'TLSv1_2',
);
$t->tcp(
    good => by_path(
        '/big' => http_ok( 'ok', 'X-Long: ' . 'x' x 9000 ),
        '/cut' => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        '/kept' => http_status( 502, 'theirs' ),
    )
);
$t->tcp( tls  => [ [ tls => sub { return %certificate } ], 'hold' ] );
$t->tcp( race => [ 'read', [ write => http_ok() ], 'read', 'close' ] );
$t->conf( http => <<'CONF', server => <<'CONF2' );
proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;
upstream fine { server %%good%%; }
upstream down { server %%closed%%; }
upstream pair { server %%good%%; server %%closed2%% max_fails=0; }
upstream nobody { server %%closed3%%; server %%closed4%%; }
upstream race { server %%race%%; keepalive 4; }
upstream big { server %%good%%; }
upstream cut { server %%good%%; }
upstream secure { server %%tls%%; }
upstream first { server %%closed5%%; }
upstream kept { server %%good%%; }
CONF
location /fine { proxy_pass http://fine; }
location /down { proxy_pass http://down; }
location /pair { proxy_pass http://pair; }
location /nobody { proxy_pass http://nobody; }
location /race {
    proxy_pass http://race; proxy_http_version 1.1;
    proxy_set_header Connection "";
}
location /big { proxy_pass http://big; }
location = /big/fine { proxy_pass http://big/fine; }
location /cut { proxy_pass http://cut; }
location = /cut/fine { proxy_pass http://cut/fine; }
location /secure {
    proxy_pass https://secure; proxy_ssl_verify on;
    proxy_ssl_trusted_certificate %%DIR%%/ca.pem;
}
location /first { proxy_pass http://first; }
location /kept {
    proxy_pass http://kept; proxy_cache cache; proxy_cache_valid 502 1h;
}
location = /kept/fine { proxy_pass http://kept/fine; }
location = /metrics { access_log off; upstream_502_status prometheus; }
location = /fpm { access_log off; default_type text/plain; return 200
"phpfpm_active_processes{pool=\"www\"} 9
phpfpm_total_processes{pool=\"www\"} 10
phpfpm_max_children_reached{pool=\"www\"} 1
phpfpm_active_processes{pool=\"spare\"} 5
phpfpm_total_processes{pool=\"spare\"} 10
phpfpm_max_children_reached{pool=\"spare\"} 1
"; }
location = /text {
    access_log off; upstream_502 off; proxy_pass http://127.0.0.1:%%PORT_http%%/metrics;
    proxy_set_header Accept "text/plain;version=0.0.4";
}
CONF2
$t->start;

# Another machine, which is short of connections and of memory.
my $poor =
  Upstream502::Test->new( allow => [qr/worker_connections are not enough/] );
$poor->tcp( ok => [ 'read', [ write => http_last() ], 'close' ] );
my ( undef, $complaint ) =
  $poor->check_config( http => 'upstream_502_zone tiny:8k events=16;' );
my ($least) = $complaint =~ /at least (\d+k)/;
$poor->conf(
    events => 'worker_connections 16;',
    http   => "upstream_502_zone tiny:$least events=16;
        upstream exhausted { server %%ok%%; }",
    server => 'location = /ok { proxy_pass http://exhausted; }
        location = /upstream {
            proxy_pass http://127.0.2.$arg_n:%%PORT_nobody%%; }
        location = /metrics { access_log off; upstream_502_status prometheus; }',
);
$poor->start;

my $prometheus = Upstream502::Prometheus->new($t);
my $target     = $t->address('http');
my $other      = $poor->address('http');
$t->write( 'rules.yml', $rules );
$prometheus->start(<<"END");
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 500ms
rule_files: [$dir/rules.yml]
scrape_configs:
  - job_name: openmetrics
    static_configs: [{targets: ["$target", "$other"]}]
  - job_name: text
    metrics_path: /text
    static_configs: [{targets: ["$target"]}]
  - job_name: php
    metrics_path: /fpm
    static_configs: [{targets: ["$target"]}]
END

subtest 'only times differ from what is shipped' => sub {
    my $plain = sub ($text) { $text =~ s/\[\w+\]|(?<=for: )\w+/TIME/gr };
    is $plain->($rules), $plain->($shipped), 'the rules';
    isnt $rules, $shipped, 'which are shorter';
};

subtest 'both formats are read' => sub {
    my $up = wait_for 'a scrape of each', sub {
        my $up = $prometheus->value_of(
            'nginx_upstream_502_zone_overflow_total == 0 and on (job, instance) up == 1');
        return @{ $up // [] } == 3 ? $up : 0;
    }, 60;
    is @$up, 3, 'without an error';
    my %name = ( openmetrics => 'requests', text => 'requests_total' );
    for my $job ( sort keys %name ) {
        my ($known) = @{ $prometheus->api( 'targets/metadata?'
                  . "match_target=%7Bjob%3D%22$job%22%7D"
                  . "&metric=nginx_upstream_502_$name{$job}" ) };
        is $known->{type}, 'counter', "$job it is";
    }
};

subtest 'the first failure is seen' => sub {
    is $t->get('/first')->{status}, 502, 'one request';
    for my $function (qw(increase rate)) {
        my $result = wait_for "$function()", sub {
            my $all = $prometheus->value_of( "$function("
                  . 'nginx_upstream_502_failures_total{upstream="first",'
                  . 'cause="connection_refused",job="text"}[1m]) > 0' );
            return @{ $all // [] } ? $all : 0;
        }, 60;
        is scalar @$result, 1, "$function() is above zero";
    }
};

# Everything that fails, once.
sub traffic () {
    $t->get($_)
      for qw(/fine /down /nobody /race /big /big/fine /cut /cut/fine /secure),
      qw(/kept/fine /kept /kept),
      ('/pair') x 2;
    $t->post('/race');
}

sub exhaust () {
    my ( @held, $failed );
    for ( 1 .. 60 ) {
        last if $failed;
        push @held, $poor->send( '/', raw => "GET / HTTP/1.1\r\n" )->{socket};
        $failed = $poor->get('/ok')->{status} == 500;
    }
    close $_ for @held;
    return $failed;
}

sub overflow () {
    my $room = $poor->status->{zone}{peers_max};
    $poor->get("/upstream?n=$_") for 1 .. $room + 5;
}

# What has to fire: upstream, alert, cause, and what the runbook is of where that
# is not the cause; '' is a server's.
my %expected = map { join( ' ', @$_[ 0, 1 ] ) => [ @$_[ 2, 3 ] ] } (
    [ down      => 'Outage',              'connection_refused', 'port_closed' ],
    [ down      => 'ErrorBudgetBurnFast', 'connection_refused', 'port_closed' ],
    [ down      => 'ErrorBudgetBurnSlow', 'connection_refused', 'port_closed' ],
    [ pair      => 'PeerDead',            'connection_refused' ],
    [ nobody    => 'NoLivePeers',         'no_live_upstreams', 'peers_down' ],
    [ race      => 'KeepaliveRace',       'keepalive_race', 'closed_in_use' ],
    [ big       => 'HeaderTooBig',        'header_too_big', 'header_size' ],
    [ cut       => 'ResponsesCutShort',   'body_incomplete', 'still_listening' ],
    [ secure => 'CertificateInvalid', 'tls_certificate_invalid', 'certificate_untrusted' ],
    [ kept      => 'FromCache',       '', 'from_cache' ],
    [ exhausted => 'LocalExhaustion', 'local_exhausted', 'connections_used' ],
    [ down      => 'Incident',        '' ],
    [ ''        => 'ZoneFull',        '' ],
    [ ''        => 'PoolNearlyFull',  '' ],
);

# Of each alert, where it has fired: upstream => annotations. Both jobs have
# the first machine's.
my %fired;

# Whether it has fired and leads where it should.
sub is_told ($key) {
    my $known = $fired{$key} // return 0;
    my ( $cause, $finding ) = @{ $expected{$key} // [] };
    my $anchor = $finding // $cause;
    return $known->{summary} !~ /unknown/
      && ( !$anchor || $known->{runbook_url} =~ /#\Q$anchor\E$/ )
      && ( $known->{incident} // 'none is told' ) ne '';
}

sub look () {
    for my $alert ( @{ $prometheus->api('alerts')->{alerts} // [] } ) {
        next if $alert->{state} ne 'firing';
        my $name = $alert->{labels}{alertname} =~ s/^Upstream502//r;
        my $upstream = $alert->{labels}{upstream} // '';
        my $known = \$fired{"$upstream $name"};
        # What decides may be known a moment later than the alert.
        $$known = $alert->{annotations}
          if !$$known || !is_told("$upstream $name");
    }
}

# What happens once does not fire for long: it happens again.
my $round = 0;
eval {
    wait_for 'all alerts', sub {
        if ( $round++ % 50 == 0 ) {
            exhaust();
            overflow();
        }
        traffic();
        look();
        return !grep { !is_told($_) } keys %expected;
    }, 150;
};

subtest 'the right alerts fire' => sub {
    for my $key ( sort keys %expected ) {
        my $annotations = $fired{$key};
        my ( $cause, $finding ) = @{ $expected{$key} };
        my ($upstream) = split / /, $key;
        ok $annotations, $key or next;
        my ( $summary, $runbook ) = @$annotations{qw(summary runbook_url)};
        like $summary, qr/\b\Q$upstream\E\b.*: \Q$cause\E$/,
          "$summary: names upstream and cause"
          if $cause;
        like $annotations->{incident}, qr/^\?incident=\d+ on /,
          'and names the incident'
          if $key eq 'down Outage';
        my ( $page, $anchor ) = split /#/, $runbook;
        like Upstream502::Nginx::slurp("$FindBin::Bin/../$page"),
          qr/^#+ \Q$anchor\E$/m, "$runbook is there";
        is $runbook,
          $finding ? "docs/findings.md#$finding" : "docs/causes.md#$cause",
          'and about what was found, else the cause'
          if $cause;
    }
};

subtest 'no alert fires elsewhere' => sub {
    is_deeply [ grep { /^fine / } sort keys %fired ], [], 'nor where all is well';
    ok !$fired{'kept Outage'}, 'what the cache replays is no outage';
    my %named;
    push @{ $named{ ( split / / )[1] } }, ( split / / )[0] for sort keys %fired;
    for my $name (
        qw(PeerDead NoLivePeers KeepaliveRace HeaderTooBig ResponsesCutShort
        CertificateInvalid LocalExhaustion FromCache ZoneFull)
      )
    {
        my @where = map { ( split / / )[0] // '' }
          grep { /\b$name$/ } sort keys %expected;
        is_deeply $named{$name}, \@where, "$name fires there alone";
    }
};

$prometheus->stop;
$poor->finish;
$t->finish;
done_testing;
