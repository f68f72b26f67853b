# With and without, side by side: throughput, latencies and the CPU time of
# the workers. Bursts go to each nginx by turns (load.cc), so that what else
# the machine does meets all of them; the CPU time leaves out even that.

package Bench::Throughput;

use v5.36;

use Bench::Nginx     qw(median slurp);
use Exporter         qw(import);
use IO::Socket::IP   ();
use POSIX            ();
use Time::HiRes      qw(sleep);
use Upstream502::Net qw(reserve_port);

our @EXPORT_OK = qw(compare scraped requests);

use constant { CONNECTIONS => 16, PAIRS => 15, BURSTS => 80, REQUESTS => 100 };

# nginx gives its first worker the first processor: client and backend keep
# out of its way.
sub elsewhere () {
    state $last = qx(nproc) - 1;
    return $last > 0 ? ( 'taskset', '-c', $last ) : ();
}

# What all of them pass to: a bare nginx that answers at once.
sub backend ($dir) {
    my $backend = Bench::Nginx->new(
        $dir,
        { name => 'backend', load => '', http => '' },
        server => 'location / { return 200 ok; }'
    );
    $backend->start( elsewhere() );
    return $backend;
}

sub servers ( $dir, $workers, @variants ) {
    my $backend = backend($dir);
    my ( $refused, $held ) = reserve_port();
    my @servers = map {
        Bench::Nginx->new(
            $dir, $_,
            workers => $workers,
            main    => 'worker_cpu_affinity auto;',
            http    => "upstream ok { server 127.0.0.1:${\$backend->port};
                keepalive 32; keepalive_requests 100000000; }
                upstream refused { server 127.0.0.1:$refused max_fails=0; }",
            server => 'proxy_http_version 1.1; proxy_set_header Connection "";
                location = /ok { proxy_pass http://ok; }
                location = /refused { proxy_pass http://refused; }',
        )
    } @variants;
    $servers[$_]->start( @{ $variants[$_]{wrapper} // [] } ) for 0 .. $#servers;
    return { backend => $backend, held => $held, servers => \@servers };
}

sub stop ($farm) {
    $_->stop for @{ $farm->{servers} }, $farm->{backend};
}

# Nanoseconds on a CPU.
sub cpu_time ($server) {
    my $sum = 0;
    $sum += ( split ' ', slurp("/proc/$_/schedstat") )[0] for $server->workers;
    return $sum;
}

# Runs the client: rounds of seconds, and latencies of each server.
sub load ( $client, $requests, $rounds, $percent, @servers ) {
    my @ports = map { $_->port } @servers;
    open my $pipe, '-|', elsewhere(), $client, CONNECTIONS, $requests, $rounds, '/ok',
      '/refused', $percent, @ports
      or die "$client: $!\n";
    my ( @rounds, %latency );
    while ( my $line = <$pipe> ) {
        if ( $line =~ /^port (\d+) (\d+) (\d+) (\d+)/ ) {
            $latency{$1} = { p50 => $2, p99 => $3, failed => $4 };
        }
        else {
            push @rounds, [ split ' ', $line ];
        }
    }
    close $pipe or die "the client failed\n";
    return ( \@rounds, map { $latency{$_} } @ports );
}

# For each server: the median over PAIRS of its throughput's ratio to the first
# one's and of its latencies, and CPU time per request in nanoseconds. One side
# of a pair is worth the lower quartile of its bursts: interrupted ones say
# nothing. Each pair has connections of its own, which the workers share out
# anew.
sub compare ( $dir, $client, $workers, $percent, @variants ) {
    my $farm    = servers( $dir, $workers, @variants );
    my @servers = @{ $farm->{servers} };
    load( $client, REQUESTS, 2, $percent, @servers );    # warm up
    my @before = map { cpu_time($_) } @servers;
    my ( @all, @results );
    for ( 1 .. PAIRS ) {
        my ( $rounds, @each ) =
          load( $client, REQUESTS, BURSTS, $percent, @servers );
        my @times = map { my $i = $_; quick( map { $_->[$i] } @$rounds ) }
          0 .. $#servers;
        for my $i ( 0 .. $#servers ) {
            check( $each[$i]{failed}, $percent );
            push @{ $all[$i]{ratio} }, $times[0] / $times[$i];
            push @{ $all[$i]{$_} }, $each[$i]{$_} for qw(p50 p99);
        }
    }
    for my $i ( 0 .. $#servers ) {
        my $cpu = cpu_time( $servers[$i] ) - $before[$i];
        $results[$i] = {
            cpu => $cpu / ( REQUESTS * BURSTS * PAIRS ),
            map { $_ => median( @{ $all[$i]{$_} } ) } qw(ratio p50 p99)
        };
    }
    stop($farm);
    return @results;
}

# The lower quartile.
sub quick (@seconds) {
    return ( sort { $a <=> $b } @seconds )[ $#seconds / 4 ];
}

sub check ( $failed, $percent ) {
    die "$failed responses failed at $percent %\n"
      if ( $failed > 0 ) != ( $percent > 0 );
}

# The same while the status page of the module is read ten times a second:
# bursts long enough that the reading meets those of the module alone.
sub scraped ( $dir, $client, @variants ) {
    my $requests = 10_000;
    my $farm     = servers( $dir, 1, @variants );
    my @servers  = @{ $farm->{servers} };
    my ( @ratios, @p50, @p99 );
    load( $client, $requests, 1, 0, @servers );
    for my $pair ( 1 .. PAIRS ) {
        my @seconds;
        for my $i ( $pair % 2 ? ( 0, 1 ) : ( 1, 0 ) ) {
            my $reader = $i == 1 ? scraper( $servers[$i]->port ) : undef;
            my ( $rounds, $latency ) =
              load( $client, $requests, 1, 0, $servers[$i] );
            $seconds[$i] = $rounds->[0][0];
            push @{ $p50[$i] }, $latency->{p50};
            push @{ $p99[$i] }, $latency->{p99};
            if ($reader) {
                kill 'KILL', $reader;
                waitpid $reader, 0;
            }
        }
        push @ratios, $seconds[0] / $seconds[1];
    }
    stop($farm);
    return {
        ratio => median(@ratios),
        p50   => [ map { median(@$_) } @p50 ],
        p99   => [ map { median(@$_) } @p99 ],
    };
}

sub scraper ($port) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    while (1) {
        my $socket = IO::Socket::IP->new("127.0.0.1:$port")
          // POSIX::_exit(1);
        syswrite $socket,
          "GET /status?format=prometheus HTTP/1.0\r\nHost: localhost\r\n\r\n";
        while ( sysread $socket, my $data, 65536 ) { }
        sleep 0.1;
    }
}

# The private memory of a worker, in KiB, after a warm-up and after so many
# requests more, one in a hundred of which fails. Shared memory is not
# anonymous.
sub requests ( $dir, $client, $variant, $requests ) {
    my $farm   = servers( $dir, 1, $variant );
    my $server = $farm->{servers}[0];
    my @memory;
    for my $count ( $requests / 20, $requests ) {
        load( $client, 5000, $count / 5000, 1, $server );
        my ($worker) = $server->workers;
        push @memory,
          slurp("/proc/$worker/smaps_rollup") =~ /^Anonymous: +(\d+)/m;
    }
    stop($farm);
    return @memory;
}

1;
