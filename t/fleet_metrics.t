#!/usr/bin/perl

# Twenty nginx before the same two services, one of which is broken, and one
# Prometheus over all of them: its rules say whether a service fails or the way
# to it from one nginx, with the numbers.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Namespace;
use Upstream502::Nginx ();
use Upstream502::Prometheus;
use Upstream502::Test qw(wait_for);

use constant FLEET => 20;

if ( my $reason = Upstream502::Prometheus->missing ) {
    plan skip_all => $reason;
}
plan skip_all => 'the same without sanitizers' if $ENV{TEST_NGINX_ASAN};
enter_namespace();

my $root  = "$FindBin::Bin/..";
my $rules = Upstream502::Nginx::slurp("$root/contrib/fleet/prometheus.rules.yml")
  =~ s/\[5m\]/[8s]/gr =~ s/^(\s+for:) 1m$/$1 1s/gmr;

# The healthy service and the port of the broken one; each nginx has an address
# of its own to come from.
my $services = Upstream502::Test->new;
$services->tcp( good => [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ] );
my $good = $services->address('good');
my $bad  = $services->expand('%%closed%%');

my @fleet = map {
    my $number = $_;
    my $t      = Upstream502::Test->new;
    $t->conf(
        http => 'upstream_502_zone upstream_502:1m events=64;'
          . " upstream good { server $good; } upstream bad { server $bad; }",
        server => <<"END" );
proxy_bind 127.0.1.$number;
location /good { proxy_pass http://good; }
location /bad  { proxy_pass http://bad; }
END
    $t->start;
    $t;
} 1 .. FLEET;

sub traffic () {
    for my $t (@fleet) {
        $t->get($_) for qw(/good /bad);
    }
}

my ( $port ) = $good =~ /:(\d+)$/;
my $targets = join ',', map { '"127.0.0.1:' . $_->port('http') . '"' } @fleet;
$services->conf;
$services->start;
$services->write( 'fleet.rules.yml', $rules );
my $prometheus = Upstream502::Prometheus->new($services);
$prometheus->start(<<"END");
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [fleet.rules.yml]
scrape_configs:
  - job_name: nginx
    metrics_path: /status
    params: {format: [prometheus]}
    static_configs: [{targets: [$targets]}]
END

# The alert's annotations by peer, while requests go on.
sub fires ($name) {
    my %found;
    wait_for "$name to fire", sub {
        traffic();
        %found = map { $_->{labels}{peer} => $_->{annotations} }
          grep { $_->{labels}{alertname} eq $name && $_->{state} eq 'firing' }
          @{ $prometheus->api('alerts')->{alerts} };
        return scalar %found;
    }, 60;
    return \%found;
}

subtest 'all fail with the broken service' => sub {
    my $all = fires('Upstream502PeerFailsForAll');
    is_deeply( [ keys %$all ], [$bad], 'that one only' );
    is( $all->{$bad}{summary},
        "$bad of bad fails for 20 of 20 nginx: the service itself" );
    is( $all->{$bad}{finding}, 'port_closed' );
};

SKIP: {
    skip 'no iptables here', 1
      if !firewall( "OUTPUT -s 127.0.1.7 -p tcp --dport $port"
          . ' -j REJECT --reject-with tcp-reset' );
    subtest 'one fails with the healthy service: its own network' => sub {
        my $some = fires('Upstream502PeerFailsForSome');
        is_deeply( [ keys %$some ], [$good], 'that one only' );
        is( $some->{$good}{summary},
                "$good of good fails for 1 of 20 nginx:"
              . ' the network or the configuration of these' );
        is( $some->{$good}{instances},
            '127.0.0.1:' . $fleet[6]->port('http') );
        is( $some->{$good}{finding}, 'rejected' );
    };
}

$prometheus->stop;
$_->finish for @fleet, $services;
done_testing;
