# Ten thousand peers in a thousand upstreams, and a full ring of events: how
# long nginx takes to start and to reload, how long one turn of a worker's
# event loop takes while somebody reads the statistics, and what memory that
# needs.

package Bench::Scale;

use v5.36;

use Bench::Nginx           qw(median slurp);
use Exporter               qw(import);
use IO::Socket::IP         ();
use List::Util             qw(min);
use Time::HiRes            qw(sleep time);
use Upstream502::H2        ();
use Upstream502::Http      ();
use Upstream502::Net       qw(reserve_port wait_for);

our @EXPORT_OK =
  qw(start_times scrapes crowds saves row_bytes @FORMATS @CROWDS);

use constant { UPSTREAMS => 1000, SERVERS => 10, STARTS => 7, SCRAPES => 5 };

our @FORMATS = qw(text json html prometheus);

# Readers at once, as many streams of one connection, and upstreams of three
# servers that fill a zone of 64 MiB.
our @CROWDS = ( 1, 16, 128, 600 );
use constant { STREAMS => 120, FULL => 7300 };

sub configuration ( $port, %more ) {
    my $upstreams = '';
    for my $u ( 0 .. UPSTREAMS - 1 ) {
        my $net = join '.', 127, 1 + ( $u >> 8 ), $u & 255;
        $upstreams .= "upstream backend-$u.example {"
          . join( '', map { " server $net.$_:$port;" } 1 .. SERVERS ) . " }\n";
    }
    return (
        http   => "variables_hash_max_size 2048;\n$upstreams",
        server => 'location = /fail { set $target backend-$arg_n.example;
            proxy_pass http://$target; }',
        %more
    );
}

sub get ( $port, $uri ) {
    return Upstream502::Http::request( $port, uri => $uri );
}

# name => [ milliseconds of each nginx ] for `nginx -t`, start and reload, by
# turns; the fastest of each, and the median of the ratios to the first.
sub start_times ( $dir, @variants ) {
    my ( $port, $held ) = reserve_port();
    my $zone    = 'upstream_502_zone large:32m;';
    my @servers = map {
        Bench::Nginx->new(
            $dir,
            { %$_, http => $_->{http} . ( $_->{status} ? $zone : '' ) },
            workers => 1,
            configuration($port)
        )
    } @variants;
    my %times;
    for my $round ( 1 .. STARTS ) {
        for my $i ( $round % 2 ? 0 .. $#servers : reverse 0 .. $#servers ) {
            my %took = start_once( $servers[$i] );
            push @{ $times{$_}[$i] }, $took{$_} for keys %took;
        }
    }
    my %result;
    for my $what ( keys %times ) {
        my @all = @{ $times{$what} };
        for my $i ( 0 .. $#all ) {
            my @ratios =
              map { $all[$i][$_] / $all[0][$_] } 0 .. STARTS - 1;
            $result{$what}[$i] = {
                ms    => 1000 * ( sort { $a <=> $b } @{ $all[$i] } )[0],
                ratio => median(@ratios)
            };
        }
    }
    return %result;
}

sub start_once ($server) {
    my %took;
    my $begin = time;
    system( 'sh', '-c', 'exec "$@" >"$0" 2>&1', "$server->{dir}/output",
        $server->command('-t') ) == 0
      or die slurp("$server->{dir}/output");
    $took{'nginx -t'} = time - $begin;
    $begin = time;
    $server->start;
    my $worker = get( $server->port, '/pid' )->{body};
    $took{start} = time - $begin;
    $begin = time;
    kill 'HUP', $server->pid;
    wait_for 'the new worker',
      sub { get( $server->port, '/pid' )->{body} != $worker }, 60;
    $took{reload} = time - $begin;
    $server->stop;
    return %took;
}

# Bytes of shared memory for a peer, an upstream, an event and an incident:
# nginx -t says.
sub row_bytes ( $dir, $variant ) {
    my $nginx = Bench::Nginx->new( $dir, $variant );
    my @command = $nginx->command('-t');
    my $said = qx(@command 2>&1);
    return map { ( $_ => $said =~ /(\d+) bytes per $_/ ? $1 : die $said ) }
      qw(peer upstream event incident);
}

# Reads the statistics a few times in each format: bytes, milliseconds of CPU
# that the longest turn of the event loop took, the least of the readings, and
# by how many KiB the worker's own memory rose at most.
sub scrapes ( $dir, $hold, $variant ) {
    my %result;
    for my $format (@FORMATS) {
        my ( $port, $held ) = reserve_port();
        my $file = "$dir/hold";
        hold_anew($file);
        my $server = Bench::Nginx->new(
            $dir,
            { %$variant, http => 'upstream_502_zone large:32m;' },
            workers => 1,
            configuration($port)
        );
        $server->start( 'env', "LD_PRELOAD=$hold", "HOLD_FILE=$file" );
        get( $server->port, "/fail?n=$_" ) for 0 .. UPSTREAMS - 1;
        $result{$format} = scrape( $server, $file, $format );
        $server->stop;
    }
    return %result;
}

sub scrape ( $server, $file, $format ) {
    my ($worker) = $server->workers;
    my %result = ( held => 1e9, ms => 1e9 );
    my $before = memory( $worker, 'RssAnon' );
    for my $n ( 1 .. SCRAPES ) {
        hold_anew($file);
        my $begin = time;
        my $r     = get( $server->port, "/status?format=$format&limit=1024" );
        my $ms    = 1000 * ( time - $begin );
        die "status: $r->{status}\n" if $r->{status} != 200;
        my $held = held( $file, $worker );
        $result{bytes} = length $r->{body};
        $result{held}  = $held if $held < $result{held};
        $result{ms}    = $ms   if $ms < $result{ms};
    }

    # What is mapped from files, as the zone is, never shrinks.
    $result{memory} = memory( $worker, 'VmHWM' ) - $before -
      memory( $worker, 'RssFile' ) - memory( $worker, 'RssShmem' );
    return \%result;
}

# Readers of the report of a full zone who read nothing of it: milliseconds of
# CPU that the longest turn of the event loop took, from the first of them until
# the last has gone, KiB by which the worker grew, and KiB that it keeps.
sub crowds ( $dir, $hold, $variant ) {
    my ( $port, $held ) = reserve_port();
    my ( $h2, $reserved ) = reserve_port();
    my $file = "$dir/hold";
    hold_anew($file);
    my $server = full_zone(
        $dir, $variant, $port, '',
        "listen 127.0.0.1:$h2 http2 sndbuf=16k;"
    );
    undef $reserved;
    $server->start( 'env', "LD_PRELOAD=$hold", "HOLD_FILE=$file" );
    get( $server->port, "/fail?n=$_" ) for 0 .. FULL - 1;
    get( $server->port, '/status?format=json' );
    my %result = map { $_ => crowd( $server, $h2, $file, $_ ) } @CROWDS;
    $server->stop;
    return %result;
}

# An nginx with as many upstreams as a zone of 64 MiB has room for.
sub full_zone ( $dir, $variant, $port, $state = '', $listen = '' ) {
    my $upstreams = join '', map {
        my $net = join '.', 127, 1 + ( $_ >> 8 ), $_ & 255;
        "upstream backend-$_.example {"
          . join( '', map { " server $net.$_:$port;" } 1 .. 3 ) . " }\n"
    } 0 .. FULL - 1;
    return Bench::Nginx->new(
        $dir,
        { %$variant, http => "upstream_502_zone full:64m $state;" },
        workers => 1,
        http    => "variables_hash_max_size 2048;\n$upstreams",
        server  => "$listen
            location = /fail { set \$target backend-\$arg_n.example;
                proxy_pass http://\$target; }",
    );
}

# A worker that answers requests, each of which fails, without state= and with it,
# while its file is written: milliseconds of CPU that the longest turn of the
# event loop took, the least of a few rounds; bytes of the file.
sub saves ( $dir, $hold, $clock, $variant ) {
    my ( $file, $time, $kept ) = map { "$dir/$_" } qw(hold clock kept);
    mkdir $kept;
    chmod 0777, $kept;
    my %result;
    for my $name (qw(without with)) {
        my ( $port, $held ) = reserve_port();
        hold_anew($file);
        write_file( $time, pack 'qq', 0, 0 );
        my $state  = $name eq 'with' ? "state=$kept/state" : '';
        my $server = full_zone( $dir, $variant, $port, $state );
        $server->start( 'env', "LD_PRELOAD=$hold $clock", "HOLD_FILE=$file",
            "TEST_CLOCK=$time" );
        get( $server->port, "/fail?n=$_" ) for 0 .. FULL - 1;
        $result{$name} = min( map { saved( $server, $file, $time, $state ) }
              1 .. SCRAPES );
        $server->stop;
    }
    $result{bytes} = ( stat "$kept/state" )[12] * 512;
    return %result;
}

# A minute passes; the longest turn of the worker until the file is new.
sub saved ( $server, $file, $time, $state ) {
    my ($worker)  = $server->workers;
    my ($manager) = grep { Upstream502::Nginx::title($_) =~ /cache manager/ }
      Upstream502::Nginx::children( $server->pid );
    my ($path) = $state =~ /state=(.+)/;
    my $written = sub { return ( Time::HiRes::stat($path) )[9] };
    my $before  = $path && wait_for 'a first file', $written;
    wait_for 'the end of what is being saved',
      sub { slurp("/proc/$manager/stat") =~ /\) S / }
      if $manager;
    my ($passed) = unpack 'q', slurp($time);
    write_file( $time, pack 'qq', ( $passed + 61 ) x 2 );
    get( $server->port, '/fail?n=0' );    # what waits for a new minute is done
    hold_anew($file);
    kill IO => $manager if $manager;      # it looks at the clock
    my $n = 0;
    while ( $n < 500 || ( $path && $written->() == $before ) ) {
        get( $server->port, '/fail?n=' . $n++ % FULL );
        die "$path is not written\n" if $n > 100_000;
    }
    return held( $file, $worker );
}

sub crowd ( $server, $h2, $file, $readers ) {
    my ($worker) = $server->workers;
    my $resident = sub { return memory( $worker, 'VmRSS' ) };
    my $before   = $resident->();
    hold_anew($file);
    my @clients;
    for ( my $left = $readers ; $left > 0 ; $left -= STREAMS ) {
        my $client = Upstream502::H2->new( $h2, window => 0 );
        $client->send( 2 * $_ - 1, '/status?format=json' )
          for 1 .. min( $left, STREAMS );
        push @clients, $client;
    }
    wait_for 'their header', sub {
        for my $client (@clients) {
            $client->take;
        }
        return $readers == grep { $_->{status} }
          map { values %{ $_->{streams} } } @clients;
    }, 60;
    settle($worker);
    my $more = $resident->() - $before;
    close $_->{socket} for @clients;
    settle($worker);
    return {
        held => held( $file, $worker ),
        more => $more,
        left => $resident->() - $before
    };
}

# Until the worker has had nothing to do for a while.
sub settle ($worker) {
    my ( $ticks, $quiet ) = ( -1, 0 );
    wait_for 'a worker with nothing to do', sub {
        my $now = ( split ' ', slurp("/proc/$worker/stat") =~ s/^.*\) //sr )[11];
        $quiet = $now == $ticks ? $quiet + 1 : 0;
        $ticks = $now;
        sleep 0.1;
        return $quiet > 10;
    }, 120;
}

# See hold.c.
sub hold_anew ($file) { write_file( $file, "\0" x 8192 ) }

sub held ( $file, $pid ) {
    return unpack( 'Q', substr slurp($file), $pid % 1024 * 8, 8 ) / 1e6;
}

sub memory ( $pid, $field ) {
    return slurp("/proc/$pid/status") =~ /^$field:\s+(\d+)/m ? $1 : 0;
}

sub write_file ( $path, $bytes ) {
    # One that is mapped must keep its length.
    my $mode = -e $path ? '+<' : '>';
    open my $file, $mode, $path or die "$path: $!\n";
    syswrite $file, $bytes;
    close $file;
    chmod 0666, $path;
}

1;
