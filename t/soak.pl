#!/usr/bin/perl

# Everything at once for as long as is wanted: `make soak MINUTES=30`. Requests
# of all kinds over HTTP/1.1 and HTTP/2, slow readers of the status location,
# reloads, binary upgrades, restarts, killed workers, a wall clock that jumps.
#
# Goes round in rounds. In most nobody is killed: then the books equal the
# access log, request for request. Where workers are killed, what was at work
# in them is all that may differ. In the end nginx holds no more descriptors and
# memory than it did in the beginning.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max);
use POSIX      ();
use Socket     qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(time);
use Upstream502::Books;
use Upstream502::Clients;
use Upstream502::Clock;
use Upstream502::H2;
use Upstream502::Http qw(connect_to);
use Upstream502::Load;
use Upstream502::Net  qw(reset_close);
use Upstream502::Test qw(:DEFAULT gained);

my $MINUTES  = shift // 1;
my $REQUESTS = 2000;                  # of a round
my $KILLERS  = 3;                     # clients while workers are killed
my $PATIENCE = 120;
my $REPORT   = '/status?format=json&limit=1000';
my @COUNTED  = qw(requests attempts failures rescued);

my $t     = Upstream502::Test->new( allow => [qr/exited on signal 9/] );
my $clock = Upstream502::Clock->new( $t->dir );
add_backends($t);
my $held = fill_queues($t);
mkdir $t->dir . '/kept';
chown( ( getpwnam 'nobody' )[2], -1, $t->dir . '/kept' ) if $> == 0;
$t->conf(
    workers   => 2,
    main      => 'env TEST_CLOCK;',
    events    => 'worker_connections 1024;',
    error_log => 'error_log %%DIR%%/error.log warn;',

    # The clock may jump over all that is kept for ten minutes.
    http => http() =~ s/keys_zone=c:1m/keys_zone=c:1m inactive=30d/r
      . 'upstream_502_zone soak:8m state=%%DIR%%/kept/state;
         upstream_502_record_uri full;',
    server => server()
      . 'listen 127.0.0.1:%%PORT_h2%% http2 sndbuf=16k;
         listen 127.0.0.1:%%PORT_narrow%% sndbuf=16k;',
);
$t->start;

# Those that any protocol's clients may ask for.
my @KINDS = grep { $_ ne 'aborted' && !/^post/ } sound(), failing();

# What the access log gains from now on.
sub open_books () {
    my $books = Upstream502::Books->new( $t->dir . '/load.log', \&want );
    $books->{at}     = -s $books->{path} // 0;
    $books->{before} = steady_status();
    return $books;
}

# The status when nothing is at work any more.
sub steady_status () {
    my $last = '';
    return wait_for 'nginx to come to rest', sub {
        my $status = eval { $t->status('limit=1000') } // return undef;
        my $now    = join ' ', @{ $status->{totals} }{@COUNTED};
        my $rest   = $now eq $last && $t->nginx->workers == 2;
        $last = $now;
        return $rest ? $status : undef;
    }, $PATIENCE;
}

sub check_books ( $books, $what ) {
    my $after;
    eval {
        wait_for 'the last requests to be counted', sub {
            $books->read;
            $after = $t->status;
            return gained( $books->{before}, $after, 'totals', 'requests' ) >=
              $books->{runs};
        };
    };
    my $of = sub (@path) { gained( $books->{before}, $after, 'totals', @path ) };
    is_deeply [ splice @{ $books->{wrong} }, 0, 10 ], [],
      "$what: each request once and with its own outcome";
    my %counted = map { $_ => $of->($_) } @COUNTED;
    my %logged =
      map { $_ => $books->{ $_ eq 'requests' ? 'runs' : $_ } } @COUNTED;
    for my $list (qw(causes responses origins)) {
        for my $key ( map { keys %{ $_->{$list} } } $books, $after->{totals} ) {
            $counted{"$list: $key"} = $of->( $list, $key );
            $logged{"$list: $key"}  = $books->{$list}{$key} // 0;
        }
    }
    is_deeply \%counted, \%logged, "$what: the books equal the access log";
}

# Over HTTP/2, each kind once; ids go on from `id`.
sub ask_h2 ($id) {
    my $client = Upstream502::H2->new( $t->port('h2') );
    my $stream = 1;
    my @streams;
    for my $kind (@KINDS) {
        $client->send( $stream, "/$kind", 'x-test' => $id++ );
        push @streams, $stream;
        $stream += 2;
    }
    eval { $client->read(@streams) };
    close $client->{socket};
    return scalar @streams;
}

# Readers that take almost nothing of the report, until they go.
sub slow_readers () {
    my $h2 = Upstream502::H2->new( $t->port('h2'), window => 100 );
    $h2->send( 2 * $_ - 1, $REPORT ) for 1 .. 8;
    my @sockets = ( $h2->{socket} );
    for ( 1 .. 4 ) {
        my $socket = connect_to( $t->port('narrow') );
        setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 4096;
        syswrite $socket, "GET $REPORT HTTP/1.1\r\nHost: localhost\r\n\r\n";
        push @sockets, $socket;
    }
    return @sockets;
}

# What is done to nginx amid a round that loses nothing.
my @ACTIONS = (
    [ 'a reload'          => sub { $t->reload } ],
    [ 'a binary upgrade'  => sub { $t->nginx->upgrade } ],
    [ 'a clock that jumps' => sub { $clock->forward(95) } ],
    [ 'one set back'       => sub { $clock->forward(-40) } ],
    [ 'two reloads'        => sub { $t->reload for 1 .. 2 } ],
);

sub sound_round ( $what, $action ) {
    my $books   = open_books();
    my @readers = slow_readers();
    my @kinds   = ( sound(), failing() );
    my $clients =
      Upstream502::Clients->new( $t->port('http'), \@kinds, $REQUESTS );
    wait_for 'a part of it', sub {
        $books->read;
        return $books->{lines} > $REQUESTS / 3;
    }, $PATIENCE;
    $action->();
    my $h2 = ask_h2($REQUESTS);
    reset_close($_) for splice @readers, 0, 2;
    ok $clients->wait, "$what: every request was answered";
    close $_ for @readers;
    wait_for 'all of it', sub {
        $books->read;
        return $books->{lines} >= $REQUESTS + $h2;
    }, $PATIENCE;
    check_books( $books, $what );
}

# A client that does not mind being cut off, until it is told to end.
sub careless_client ($number) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $end = 0;
    local $SIG{TERM} = sub { $end = 1 };
    for ( my $n = $number ; !$end ; $n += $KILLERS ) {
        eval { $t->get( "/$KINDS[ $n % @KINDS ]", id => $n, patience => 3 ) };
    }
    POSIX::_exit(0);
}

sub killing_round () {
    my $books   = open_books();
    my @clients = map { careless_client($_) } 1 .. $KILLERS;
    my $kills   = 4;
    my $last    = 0;
    for ( 1 .. $kills ) {
        my @workers = $t->nginx->workers;
        kill KILL => $workers[ rand @workers ];
        wait_for 'a new worker', sub {
            my @now = $t->nginx->workers;
            return @now == 2 && "@now" ne "@workers";
        };
        my $status = wait_for 'the status', sub { eval { $t->status } };
        my $failures = $status->{totals}{failures};
        ok $failures >= $last, 'a killed worker: counters never go back';
        $last = $failures;
    }
    kill TERM => @clients;
    waitpid $_, 0 for @clients;
    my $after = steady_status();
    $books->read;

    # A request has three runs at most, and three attempts in each.
    my $most = 9 * $kills * $KILLERS;
    for my $what (@COUNTED) {
        my $counted = gained( $books->{before}, $after, 'totals', $what );
        my $logged  = $books->{ $what eq 'requests' ? 'runs' : $what };
        cmp_ok abs( $counted - $logged ), '<=', $most,
          "killed workers: $what: $counted counted, $logged logged";
    }
}

sub restart () {
    my $before = steady_status();
    $t->nginx->stop;
    $t->nginx->start;
    my $after = $t->status('limit=1000');
    is_deeply $after->{totals}{causes}, $before->{totals}{causes},
      'a restart: the state has everything';
    is $after->{events}[0]{id}, $before->{events}[0]{id}, 'and the last event';
}

# Descriptors and KiB of the master and of fresh workers, always after the same
# round.
sub measure () {
    $t->reload;
    sound_round( 'a calm round', sub { } );
    steady_status();
    my $master  = $t->nginx->pid;
    my @workers = wait_for 'old workers to end', sub {
        my @children = Upstream502::Nginx::children($master);
        my @ending   = grep {
            Upstream502::Nginx::title($_) =~ /shutting down/
        } @children;
        return @ending ? undef : [ $t->nginx->workers ];
    }, $PATIENCE;
    my %of = ( master => [$master], worker => $workers[0] );
    my %found;
    for my $who ( keys %of ) {
        $found{"$who: descriptors"} =
          max map { scalar( () = glob "/proc/$_/fd/*" ) } @{ $of{$who} };
        $found{"$who: memory"} =
          max map { Upstream502::Nginx::anonymous($_) } @{ $of{$who} };
    }
    return \%found;
}

my $began = time;

# Until the report is as large as it gets, and so what its readers hold.
sound_round( 'the first round', sub { } );
my $first = measure();
my $round = 0;
while ( time - $began < 60 * $MINUTES - 15 ) {
    sound_round( @{ $ACTIONS[ $round % @ACTIONS ] } );
    killing_round() if $round % 3 == 1;
    restart()       if $round % 4 == 2;
    ++$round;
}
my $last = measure();
note sprintf '%d rounds in %d s; first %s; last %s', $round, time - $began,
  map {
    my $found = $_;
    join ', ', map { "$_ $found->{$_}" } sort keys %$found
  } $first, $last;

# Connections that are kept to backends come and go.
for my $who (qw(master worker)) {
    cmp_ok $last->{"$who: descriptors"}, '<=',
      $first->{"$who: descriptors"} + ( $who eq 'worker' ? 16 : 0 ),
      "$who: descriptors";
    cmp_ok $last->{"$who: memory"}, '<=', $first->{"$who: memory"} + 2048,
      "$who: memory"
      unless $ENV{TEST_NGINX_ASAN};
}

$t->finish;
done_testing;
