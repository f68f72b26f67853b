#!/usr/bin/perl

# The books balance: under mixed load with two workers and reloads in the
# middle, what was counted equals what the access log says, request for
# request.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $CLIENTS = 4;
my $EACH    = 15;

my $t = Upstream502::Test->new;
$t->tcp( ok     => [ 'read', [ write => http_ok() ], 'close' ] );
$t->tcp( rst    => [ 'read', 'rst' ] );
$t->tcp( closed => [ 'read', 'close' ] );
$t->tcp( silent => [ 'read', 'hold' ] );
$t->tcp( theirs => [ 'read', [ write => http_status(502) ], 'close' ] );
$t->tcp( late   => [ 'read', [ write => http_status(504) ], 'close' ] );
$t->tcp(
    cut => [
        'read',
        [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab" ], 'close'
    ]
);
$t->conf(
    workers => 2,
    http    => <<'CONF', server => <<'CONF2' );
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
upstream dead { server 127.0.0.1:%%PORT_nobody%%; }
upstream pair { server %%rst%% max_fails=0; server %%ok%% max_fails=0; }
upstream three { server %%rst%% max_fails=0; server %%closed%% max_fails=0;
    server %%ok%% backup; }
CONF
proxy_read_timeout 300ms;
location = /ok { proxy_pass http://%%ok%%; }
location = /dead { proxy_pass http://dead; }
location = /rst { proxy_pass http://%%rst%%; }
location = /pair { proxy_pass http://pair; }
location = /three { proxy_pass http://three; }
location = /silent { proxy_pass http://%%silent%%; }
location = /theirs { proxy_pass http://%%theirs%%; }
location = /late { proxy_pass http://%%late%%; }
location = /cut { proxy_pass http://%%cut%%; }
location = /config { return 502; }
location = /config504 { return 504; }
location = /saved { error_page 502 = /ok; proxy_pass http://dead; }
location = /worse { error_page 502 = /late; proxy_pass http://dead; }
location = /cached { proxy_cache c; proxy_cache_key $uri;
    proxy_cache_valid 502 1h; proxy_pass http://%%theirs%%; }
location = /auth { auth_request /dead; proxy_pass http://%%ok%%; }
location = /mirror { mirror /dead; proxy_pass http://%%ok%%; }
location = /variable { set $target name.test; proxy_pass http://$target; }
location = /bind { proxy_bind 198.51.100.77; proxy_pass http://%%ok%%; }
CONF2
$t->start;

my @uris = qw(/ok /dead /rst /pair /three /theirs /late /cut /config /config504
  /saved /worse /cached /auth /mirror /variable /bind /nothing);

# Each client plays all URIs in an order of its own.
my @pids;
for my $client ( 1 .. $CLIENTS ) {
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        for my $round ( 1 .. $EACH ) {
            for my $i ( 0 .. $#uris ) {
                my $uri = $uris[ ( $i * 5 + $client + $round ) % @uris ];
                $t->get( $uri, id => "c$client-$round-$i" );
            }
            $t->get( '/silent', id => "c$client-$round-s" ) if $round <= 2;
        }
        POSIX::_exit(0);
    }
    push @pids, $pid;
}
wait_for 'traffic', sub { $t->slurp('rows.log') =~ /c1-3-/ };
$t->reload for 1 .. 2;
waitpid $_, 0 for @pids;

my $total = $CLIENTS * ( $EACH * @uris + 2 );
wait_for 'all log lines', sub { $t->rows >= $total };
my @rows = $t->rows;
is scalar @rows, $total, 'every request is in the log';

my $status = $t->status('limit=1');
my $totals = $status->{totals};

# The access log's own figures.
my ( %codes, %origins, %causes, $rescued );
for my $row (@rows) {
    my $code = $row->{status};
    if ( $row->{upstream_502} eq '1' ) {
        $codes{$code}++;
        $origins{ $row->{upstream_502_origin} }++;
    }
    elsif ( $code == 502 || $code == 504 ) {
        fail "$row->{uri} ended in $code and is no gateway response";
    }
    $rescued++ if $row->{upstream_502_rescued} eq '1';
    $causes{$_}++
      for grep { !/^-?$/ } split /[,: ]+/, $row->{upstream_502_causes};
}
is $totals->{responses}{$_}, $codes{$_} // 0, "responses $_" for 500, 502, 504;
is $totals->{origins}{$_}, $origins{$_} // 0, "origin $_"
  for qw(nginx upstream cache config);
is( ( grep { $_->{status} == 502 } @rows ),
    $codes{502}, 'every 502 of the log is one of ours' );

# auth_request and mirror fail in subrequests, which no log line counts.
my $hidden = $CLIENTS * $EACH * 2;
$causes{connection_refused} +=
  $hidden - grep { $_->{uri} eq '/auth' && $_->{upstream_502_causes} ne '-' }
  @rows;
is $totals->{causes}{$_} // 0, $causes{$_}, "cause $_" for sort keys %causes;

my $sum = 0;
$sum += $_ for values %{ $totals->{causes} };
is $sum, $totals->{failures}, 'the causes sum up to the failures';

sub sum ( $list, @path ) {
    my $result = 0;
    for my $item (@$list) {
        my $value = $item;
        $value = ( $value // {} )->{$_} for @path;
        $result += $value // 0;
    }
    return $result;
}

my $upstreams = $status->{upstreams};
is sum( $upstreams, $_ ), $totals->{$_}, "upstreams sum up: $_"
  for qw(attempts failures);
for my $upstream (@$upstreams) {
    is sum( $upstream->{peers}, 'attempts' ), $upstream->{attempts},
      "peers of $upstream->{name} sum up: attempts";
    my $no_attempt = $upstream->{causes}{resolver_missing} // 0;
    is sum( $upstream->{peers}, 'failures' ) + $no_attempt,
      $upstream->{failures}, "peers of $upstream->{name} sum up: failures";
}
my $history = 0;
$history += $_ for @{ $totals->{history}{requests} };
is $history, $totals->{requests}, 'the history sums up to the requests';

my $metrics = $t->get('/status?format=prometheus')->{body};
my %by_code;
while ( $metrics =~ /^nginx_upstream_502_responses_total\{([^}]*)\} (\d+)/mg ) {
    my ( $labels, $value ) = ( $1, $2 );
    my ($code) = $labels =~ /code="(\d+)"/;
    $by_code{$code} += $value;
}
is $by_code{$_} // 0, $codes{$_} // 0, "metrics agree: $_" for 500, 502, 504;

$t->finish;
done_testing;
