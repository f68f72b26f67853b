#!/usr/bin/perl

# A client with many streams on one HTTP/3 connection. Needs an nginx with
# HTTP/3 and a curl with it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net qw(bind_udp);
use Upstream502::Streams;
use Upstream502::Test;
use Upstream502::Tls qw(make_certificates);

plan skip_all => 'no curl with HTTP/3' if `curl -V 2>&1` !~ /\bHTTP3\b/;
plan skip_all => 'IO::Socket::SSL is not installed'
  if !eval { require IO::Socket::SSL::Utils };

my $t = Upstream502::Test->new;
plan skip_all => 'nginx has no HTTP/3'
  if ( $t->nginx->run('-V') )[1] !~ /--with-http_v3_module/;

make_certificates( $t->dir );
add_backends($t);
my $udp = bind_udp();
$t->{ports}{h3} = $udp->sockport;
close $udp;
$t->conf(
    http => 'log_format connections "$http_x_test $http3 $remote_port";',
    server => "listen 127.0.0.1:%%PORT_h3%% quic;
        ssl_certificate %%DIR%%/good.pem;
        ssl_certificate_key %%DIR%%/good.key;
        access_log %%DIR%%/connections.log connections;
        access_log %%DIR%%/rows.log rows;
        access_log %%DIR%%/objects.log objects;
        $LOCATIONS"
);
$t->start;

# Gives curl requests to send at once, and returns what it says of them.
sub curl ( $seconds, @requests ) {
    my $base = "https://127.0.0.1:$t->{ports}{h3}";
    $t->write(
        'curl.conf',
        join "next\n",
        map {
            <<"CONF"
url = "$base/$_->[1]"
header = "X-Test: $_->[0]"
write-out = "$_->[0] %{http_code}\\n"
output = /dev/null
http3-only
insecure
max-time = $seconds
CONF
        } @requests
    );
    open my $output, '-|', 'curl', '-q', '--silent', '--parallel', '--config',
      $t->dir . '/curl.conf'
      or die "curl: $!\n";
    return map { split } <$output>;
}

# What curl has not read yet of a stream that is reset may be lost to it, even
# the status.
sub curl_all (@requests) {
    my %status = curl( 60, @requests );
    s/^000$/200/ for @status{ grep { /-cut$/ } keys %status };
    return %status;
}

check_streams( $t, 5, \&curl_all );

my @connections = map { [split] } split /\n/, $t->slurp('connections.log');
my %used        = map { $_->[2] => 1 } grep { $_->[1] eq 'h3' } @connections;
is_deeply [ scalar @connections, scalar keys %used ], [ 40, 1 ],
  'all of them were streams of one HTTP/3 connection';

check_cancelled(
    $t,
    sub ($arrived) {
        for my $seconds ( 1, 2, 4, 8, 16 ) {
            curl( $seconds, [ cancelled => 'waiting' ] );
            last if $arrived->();
        }
    }
);

$t->finish;
done_testing;
