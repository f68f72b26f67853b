#!/usr/bin/perl
# Rules, alerts and dashboard against the real things: promtool judges the
# rules, a real Prometheus scrapes a real nginx and evaluates every expression.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Nginx ();
use Upstream502::Prometheus;
use Upstream502::Test  qw(wait_for decode_json);

my $contrib   = "$FindBin::Bin/../contrib";
my $rules     = "$contrib/prometheus/upstream-502.rules.yml";
my $dashboard = decode_json(
    Upstream502::Nginx::slurp("$contrib/grafana/upstream-502.json") );

if ( my $reason = Upstream502::Prometheus->missing ) {
    plan skip_all => $reason;
}

subtest 'promtool' => sub {
    for my $arguments (
        "check rules $rules",
        "test rules $contrib/prometheus/upstream-502_test.yml",
        "check rules $contrib/fleet/prometheus.rules.yml",
        "test rules $contrib/fleet/prometheus_test.yml",
      )
    {
        my $output = qx{promtool $arguments 2>&1};
        is( $?, 0, "promtool $arguments" ) or diag $output;
    }
};

my $all_rules = Upstream502::Nginx::slurp($rules);

subtest 'every runbook_url has its heading' => sub {
    my @links = $all_rules =~ m{(docs/\w+\.md#\w+)$}gm;
    cmp_ok( scalar @links, '>', 0 );
    for my $link (@links) {
        my ( $page, $anchor ) = split /#/, $link;
        like( Upstream502::Nginx::slurp("$FindBin::Bin/../$page"),
            qr/^#+ \Q$anchor\E$/m, $link );
    }
};

# Those of a cause alone; what only many failures show is no metric.
subtest 'findings are told of the causes that have them' => sub {
    my $page = Upstream502::Nginx::slurp("$FindBin::Bin/../docs/findings.md");
    my %documented;
    for my $section ( grep { !/\(diagnoses only\)/ } split /^## /m, $page ) {
        my ($finding) = $section =~ /^(\w+)\n/         or next;
        my ($causes)  = $section =~ /^- Of causes: (.*)/m or next;
        push @{ $documented{$_} }, $finding for $causes =~ /\[`(\w+)`\]/g;
    }
    my %told =
      reverse $all_rules =~ /finding=~"([\w|]+)"\},\s+"cause", "(\w+)"/g;
    is_deeply( { map { $_ => [ split /\|/, $told{$_} ] } keys %told },
        \%documented );
};

# A server with something for every panel: a peer that refuses and is made
# good by another, one upstream that is down, a body cut short.
my $t = Upstream502::Test->new( status => 0 );
$t->tcp( good => [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ] );
$t->tcp(
    cut => [
        'read', [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok" ]
    ]
);
$t->conf(
    http => <<'END',
upstream app {
    server %%closed%% max_fails=0;
    server %%good%%;
}
END
    server => <<'END',
location /app { proxy_pass http://app; }
location /down { proxy_pass http://%%closed_too%%; }
location /cut { proxy_pass http://%%cut%%; }
location = /metrics { access_log off; upstream_502_status prometheus; }
END
);
$t->start;

sub traffic () {
    $t->get($_) for qw(/app /app /down /cut);
}
traffic();

my $metrics = $t->get('/metrics')->{body};
my %known   = map { $_ => 1 } $metrics =~ /^(nginx_upstream_502_\w+)/gm;

# The metrics an expression names; recorded series have a colon.
sub metrics_of ($expression) {
    return $expression =~ /(?<![:\w])(nginx_upstream_502_\w+)(?![:\w])/g;
}

# Title of the panel, expression as Grafana would send it.
my @expressions = map {
    my $panel = $_;
    map { [ $panel->{title}, $_->{expr} ] } @{ $panel->{targets} // [] }
} @{ $dashboard->{panels} };
push @expressions, map { [ $_->{name}, $_->{expr} ] }
  @{ $dashboard->{annotations}{list} };
for my $expression (@expressions) {
    $expression->[1] =~ s/\$__(?:rate_)?interval|\$__range/10s/g;
    $expression->[1] =~ s/\$(?:upstream|instance)/.*/g;
}

subtest 'rules and dashboard name metrics that exist' => sub {
    for my $named (
        [ rules     => $all_rules ],
        [ variables => $dashboard->{templating}{list}[1]{definition} ],
        @expressions
      )
    {
        my ( $name, $text ) = @$named;
        my @unknown = grep { !$known{$_} } metrics_of( $text =~ s/#.*//gr );
        is_deeply( \@unknown, [], $name );
    }
};

subtest 'a part of the requests has nothing that is no request' => sub {
    my $page = Upstream502::Nginx::slurp("$FindBin::Bin/../docs/metrics.md");
    my %parts;
    for my $named ( [ rules => $all_rules ], [ page => $page ], @expressions ) {
        my ( $name, $text ) = @$named;
        push @{ $parts{$name} }, $1
          while $text =~ m~_502_responses_total\{([^}]*)\}[^/#]*/\s*sum[^/#]*_502_requests_total~g;
    }
    is( scalar @{ $parts{rules} }, 5, 'rules have such a part' );
    is( keys %parts,               4, 'the page and two panels too' );
    for my $name ( sort keys %parts ) {
        my @bad = grep { !/\borigin!~"config\|cache"/ } @{ $parts{$name} };
        is_deeply( \@bad, [], $name );
    }
};

my $prometheus = Upstream502::Prometheus->new($t);
$prometheus->start(<<"END");
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [$rules]
scrape_configs:
  - job_name: nginx
    static_configs: [{targets: ["127.0.0.1:%%PORT_http%%"]}]
END

subtest 'Prometheus reads the metrics' => sub {
    my ($target) = @{
        wait_for 'a scrape', sub {
            my @up = @{ $prometheus->api('targets')->{activeTargets} };
            return @up && $up[0]{health} ne 'unknown' && \@up;
        }
    };
    is( $target->{health},    'up' );
    is( $target->{lastError}, '' );
};

# rate() needs two scrapes with a failure between them.
subtest 'every panel of the dashboard shows something' => sub {
    my @pending = @expressions;
    eval {
        wait_for 'all panels', sub {
            traffic();
            @pending = grep { !@{ $prometheus->value_of( $_->[1] ) // [] } }
              grep { $_->[0] ne 'Statistics restarted' } @pending;
            return !@pending;
        }, 40;
    };
    is_deeply( \@pending, [] );
};

subtest 'the annotation of restarts is valid' => sub {
    my ($restarted) = grep { $_->[0] eq 'Statistics restarted' } @expressions;
    ok( defined $prometheus->value_of( $restarted->[1] ) );
};

subtest 'Prometheus evaluates every rule' => sub {
    my @bad = @{
        wait_for 'the rules', sub {
            my @all = map { @{ $_->{rules} } } @{ $prometheus->api('rules')->{groups} };
            return if !@all || grep { $_->{health} eq 'unknown' } @all;
            return [ grep { $_->{health} ne 'ok' } @all ];
        }
    };
    is_deeply( \@bad, [] );
};

$prometheus->stop;
$t->finish;
done_testing;
