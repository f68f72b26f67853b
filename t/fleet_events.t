#!/usr/bin/perl

# What failed last night, from where: lines of $upstream_502_json of twenty nginx
# through a unix socket into rsyslog, over TCP into another, into ClickHouse, with
# the configurations, tables and queries that are shipped.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Upstream502::Http  ();
use Upstream502::Nginx ();
use Upstream502::Test  qw(wait_for decode_json);

use constant FLEET => 20;

my $fleet = "$FindBin::Bin/../contrib/fleet";

sub program ($name) {
    my ($path) = grep { -x } map { "$_/$name" } split( /:/, $ENV{PATH} ),
      '/usr/sbin';
    return $path;
}

for my $name (qw(rsyslogd clickhouse-server clickhouse-client)) {
    plan skip_all => "no $name here" if !program($name);
}
plan skip_all => 'rsyslogd wants to be root'   if $> != 0;
plan skip_all => 'the same without sanitizers' if $ENV{TEST_NGINX_ASAN};

my $t   = Upstream502::Test->new;
my $dir = $t->dir;
my @daemons;

sub daemon ($name, @command) {
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>',  "$dir/$name.out";
        open STDERR, '>&', \*STDOUT;
        exec program( $command[0] ), @command[ 1 .. $#command ]
          or POSIX::_exit(127);
    }
    push @daemons, $pid;
    return $pid;
}

my $owner = $$;

sub end_daemon ($pid) {
    local $?;
    @daemons = grep { $_ != $pid } @daemons;
    kill TERM => $pid;
    waitpid $pid, 0;
}

END {
    if ( defined $owner && $$ == $owner ) {
        end_daemon( $daemons[-1] ) while @daemons;
    }
}

# ClickHouse, with nothing but what it needs.
mkdir "$dir/$_" for qw(clickhouse edge collector);
$t->write( 'users.xml', <<'END' );
<?xml version="1.0"?>
<yandex>
  <profiles><default/></profiles>
  <users><default>
    <password/><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota>
  </default></users>
  <quotas><default/></quotas>
</yandex>
END
$t->write( 'clickhouse.xml', <<'END' );
<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>%%PORT_http_clickhouse%%</http_port>
  <tcp_port>%%PORT_clickhouse%%</tcp_port>
  <path>%%DIR%%/clickhouse/</path>
  <tmp_path>%%DIR%%/clickhouse/tmp/</tmp_path>
  <mark_cache_size>16777216</mark_cache_size>
  <users_config>%%DIR%%/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
</yandex>
END
$t->expand("%%PORT_collector%%");

sub start_clickhouse () {
    my $pid = daemon( 'clickhouse-log', 'clickhouse-server',
        "--config-file=$dir/clickhouse.xml" );
    wait_for 'ClickHouse', sub {
        my $r = eval {
            Upstream502::Http::request( $t->port('http_clickhouse'), uri => '/' );
        };
        return $r && $r->{status} == 200;
    }, 60;
    return $pid;
}

# Rows of a query, each a list.
sub ask ($sql) {
    my $path = $t->write_raw( 'question.sql', $sql );
    my $port = $t->port('clickhouse');
    my $text = qx(clickhouse-client --port $port --multiquery <$path 2>&1);
    is( $?, 0, 'a query goes well' ) or diag "$sql\n$text";
    return map { [ split /\t/ ] } split /\n/, $text;
}

# rsyslog with a configuration of contrib/, at places of our own.
sub start_rsyslog ( $name, $config ) {
    my $port = $t->port('collector');
    $config =~ s/\bPort="5502"/Port="$port"/;
    $config =~ s/collector\.example\.com/127.0.0.1/;
    $config =~ s/action\.resumeInterval="5"/action.resumeInterval="1"/;
    $config =~ s{/usr/local/bin/}{$fleet/};
    my $http = $t->port('http_clickhouse');
    $config =~ s/127\.0\.0\.1:8123/127.0.0.1:$http/;
    my $path =
      $t->write_raw( "$name.conf",
        qq{global(workDirectory="$dir/$name")\n$config} );
    my $check = qx(rsyslogd -N1 -f $path 2>&1);
    is( $?, 0, "$name: rsyslogd accepts it" ) or diag $check;
    return daemon( "rsyslog-$name", 'rsyslogd', '-n', '-f', $path, '-i',
        "$dir/$name.pid" );
}

my $clickhouse = start_clickhouse();
ask( Upstream502::Nginx::slurp("$fleet/clickhouse.sql") );
my $collector = start_rsyslog( 'collector',
    Upstream502::Nginx::slurp("$fleet/rsyslog-collector.conf") );
my $edge_config = Upstream502::Nginx::slurp("$fleet/rsyslog-nginx.conf");

# One machine stands for twenty: a socket, and so a name, for each nginx.
my ($input) = $edge_config =~ /^(input\(.*?\)\n)/ms;
my $inputs = join '', map {
    $input =~ s{/run/upstream_502\.sock"}{$dir/web$_.sock" Hostname="web$_"}r
} 1 .. FLEET;
$edge_config =~ s/\Q$input\E/$inputs/;
start_rsyslog( 'edge', $edge_config );

# A broken service and one that answers twice in three times.
$t->tcp( good => [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ] );
my $format = Upstream502::Nginx::slurp("$fleet/../log_format.conf");
$t->conf(
    http => "$format upstream_502_zone upstream_502:1m events=64;"
      . ' upstream good { server %%good%%; } upstream bad { server %%closed%%; }',
    server => join '',
    map { <<"END" } 1 .. FLEET
location /web$_/ {
    access_log syslog:server=unix:%%DIR%%/web$_.sock,nohostname
               upstream_502_json if=\$upstream_502_json;
    proxy_set_header X-Request-Id \$request_id;
    location /web$_/good { proxy_pass http://good; }
    location /web$_/bad  { proxy_pass http://bad; }
}
END
);
wait_for 'the sockets', sub {
    return FLEET == grep { -S } glob "$dir/web*.sock";
};
$t->start;

# With what has to be escaped on the way in the path.
sub traffic () {
    for my $number ( 1 .. FLEET ) {
        $t->get("/web$number/good");
        $t->get("/web$number/bad/\"\\x\xff");
    }
}
traffic();

sub rows_arrive ($count) {
    return wait_for "$count rows", sub {
        my ($found) = ask('SELECT count() FROM upstream_502');
        return $found->[0] == $count;
    }, 60;
}

subtest 'every failure comes, with its columns' => sub {
    rows_arrive(FLEET);
    my @rows = ask( 'SELECT upstream, peer, cause, client_status,'
          . ' rescued, uniq(nginx), uniq(event), count() FROM upstream_502'
          . ' GROUP BY upstream, peer, cause, client_status, rescued' );
    is_deeply( \@rows,
        [ [
            'bad', $t->address('closed'), 'connection_refused', 502, 0,
            FLEET, FLEET, FLEET
        ] ] );

    # Who listens is asked twice a second only.
    my @findings = ask('SELECT DISTINCT finding FROM upstream_502');
    ok( ( grep { $_->[0] eq 'port_closed' } @findings ), 'what was seen' );
    my ($names) =
      ask('SELECT arrayStringConcat(arraySort(groupArray(nginx)), \' \') FROM upstream_502');
    is( $names->[0], join ' ', sort map { "web$_" } 1 .. FLEET );
    my ($line) = ask('SELECT line FROM upstream_502 LIMIT 1 FORMAT TabSeparatedRaw');
    my $event = decode_json( $line->[0] );
    like( $event->{uri}, qr{^/web\d+/bad/"\\x}, 'the line is what nginx wrote' );
};

subtest 'a collector that was away gets what it missed' => sub {
    end_daemon($clickhouse);
    traffic();
    $clickhouse = start_clickhouse();
    rows_arrive( 2 * FLEET );
    end_daemon($collector);
    traffic();
    start_rsyslog( 'collector',
        Upstream502::Nginx::slurp("$fleet/rsyslog-collector.conf") );
    rows_arrive( 3 * FLEET );
};

subtest 'the questions of the morning after' => sub {
    my $failed = 3 * FLEET;
    my @queries = split /;\n/,
      Upstream502::Nginx::slurp("$fleet/queries.sql");
    my ( $what, $where, $before, $which ) =
      map { [ ask("$_;") ] } grep { /SELECT/ } @queries;
    is( $what->[0][0], 'bad' );
    is( $what->[0][1], 'connection_refused' );
    is_deeply( [ @{ $what->[0] }[ 5 .. 8 ] ], [ $failed, 0, 1, FLEET ],
        'how many, saved, on how many peers, seen from how many nginx' )
      if @$what == 1;
    is( $where->[0][1], $t->address('closed'), 'which peer' );
    is_deeply( [ @{ $where->[0] }[ 3, 4 ] ], [ $failed, FLEET ] );
    is( $before->[0][1], 'bad', 'what came first' );
    is( scalar @$which, 50, 'which requests' );
    my ( undef, $nginx, undef, $method, undef, $uri ) = @{ $which->[0] };
    like( $nginx, qr/^web\d+$/ );
    is( $method, 'GET' );
    like( $uri, qr{^/$nginx/bad/} );
};

subtest 'a day is dropped at once' => sub {
    my ($day) = ask('SELECT toYYYYMMDD(max(time)) FROM upstream_502');
    ask("ALTER TABLE upstream_502 DROP PARTITION $day->[0]");
    my ($left) = ask('SELECT count() FROM upstream_502');
    cmp_ok( $left->[0], '<', 3 * FLEET );
    my ($kept) = ask('SELECT countMerge(failures) FROM upstream_502_minutes');
    is( $kept->[0], 3 * FLEET, 'what was counted by the minute stays' );
};

end_daemon( $daemons[-1] ) while @daemons;
$t->finish;
done_testing;
