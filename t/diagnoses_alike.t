#!/usr/bin/perl

# What failures have in common, that no single one of them tells: a method, a
# size, kept connections, a time. Each beside failures that are not so alike.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);
use Upstream502::Diagnosis qw(usual_time);
use Upstream502::Net qw(idle_ms);
use Upstream502::Steps;
use Upstream502::Test;
use Upstream502::Wire;

my $t = Upstream502::Test->new;

# Reads a whole request and does as its path asks: closes after so many seconds;
# on a connection's second request, or with "hold", says nothing.
sub obey ($c) {
    for my $number ( 1 .. 2 ) {
        $c->{in} = '';
        Upstream502::Steps::fill($c) while $c->{in} !~ /\r\n\r\n/;
        my ($length) = $c->{in} =~ /^Content-Length: (\d+)/mi;
        my $head = index( $c->{in}, "\r\n\r\n" ) + 4;
        Upstream502::Steps::fill($c)
          while length( $c->{in} ) < $head + ( $length // 0 );
        my ( $close, $hold ) = $c->{in} =~ m{^\S+ /\S*?(?:close=([\d.]+)|(hold))? HTTP};
        if ( defined $close ) {
            sleep $close;
            return Upstream502::Steps::leave( $c, 0 );
        }
        if ( $hold || $number > 1 ) {
            Upstream502::Steps::fill($c) while 1;
        }
        sleep 0.3 if $c->{in} =~ m{^GET /(?:kept|mixed) };
        Upstream502::Steps::put( $c, http_ok( $c->{in} =~ /^HEAD/ ? '' : 'ok' ) );
    }
}

my @NAMES =
  qw(heads any large sizes kept mixed after times together silent mute known);
# One has a server of its own.
my %SERVER = ( silent => 'closes' );
$t->tcp( app    => \&obey );
$t->tcp( closes => [ 'read', 'close' ] );
$t->conf(
    http => join(
        '',
        map {
            my $server = $SERVER{$_} // 'app';
            "upstream $_ { server %%$server%%; keepalive 8; }\n"
        } @NAMES
    ),
    server => join(
        '',
        map {
            "location /$_ { proxy_pass http://$_; proxy_read_timeout "
              . ( /kept|mixed/ ? '500ms' : '10s' )
              . "; proxy_next_upstream off; proxy_http_version 1.1;
            proxy_set_header Connection "
              . ( /kept|mixed/ ? '""' : 'close' ) . "; }\n"
        } @NAMES
    )
);
$t->start;

# All at once; their statuses.
sub ask (@requests) {
    my @sent = map { $t->send( ref $_ ? @$_ : $_ ) } @requests;
    return map { $t->read($_)->{status} } @sent;
}

sub findings ($upstream) {
    my ($d) = grep { $_->{upstream} eq $upstream } @{ $t->status->{diagnoses} };
    ok $d, "$upstream has a diagnosis";
    return map { $_->{name} => $_->{text} } @{ $d->{findings} };
}

# The first upstream's failures have that in common, the second one's do not.
sub alike ( $name, $text, $upstream, $other ) {
    my %found = findings($upstream);
    like $found{$name}, $text, "$upstream: $name";
    my %others = findings($other);
    ok !exists $others{$name}, "$other: none" or diag $others{$name};
}

subtest 'one method' => sub {
    is_deeply [ ask( map { [ '/heads?close=0', method => 'HEAD' ] } 1 .. 6 ) ],
      [ (502) x 6 ], 'HEAD fails';
    ask( ('/heads') x 4 );
    ask( ( map { [ '/any?close=0', method => 'HEAD' ] } 1 .. 6 ), '/any?close=0', '/any' );
    alike(
        one_method => qr/^every failure on record is of a HEAD request$/,
        'heads', 'any'
    );
};

subtest 'large ones' => sub {
    my @large = ( method => 'POST', body => 'x' x 100_000 );
    is_deeply [ ask( map { [ '/large?close=0', @large ] } 1 .. 6 ) ],
      [ (502) x 6 ], 'they fail';
    ask( ('/large') x 4 );
    ask( ( map { [ '/sizes?close=0', @large ] } 1 .. 6 ), '/sizes?close=0', '/sizes' );
    alike(
        only_large => qr/^every failure on record had sent \d+ kB of its request or more$/,
        'large', 'sizes'
    );
};

subtest 'kept connections' => sub {
    for my $name (qw(kept mixed)) {
        is_deeply [ ask( ("/$name") x 6 ) ], [ (200) x 6 ], 'new ones do well';
        $t->nginx->wait_idle;
    }
    wait_for 'idleness that tells something', sub { idle_ms( $t->port('app') ) > 1000 };
    is_deeply [ ask( ('/kept') x 6 ) ], [ (504) x 6 ], 'kept ones do not';
    ask( ('/mixed') x 6, '/mixed?hold' );
    alike(
        only_reused =>
          qr/^every failure on record is on a connection that was kept and idle for 1(?:\.\d+)? ?s/,
        'kept', 'mixed'
    );
};

subtest 'a time that is no limit of nginx' => sub {
    ask( ('/after?close=0.7') x 2 ) for 1 .. 3;    # at more than one moment
    ask( map { '/times?close=' . 0.2 * $_ } 1 .. 6 );
    my $time = usual_time( $t, 'after' );
    alike(
        always_after => qr/^nearly all failed after $time, which is no limit of nginx's/,
        'after', 'times'
    );
    ask( ('/together?close=0.7') x 6 );
    my %together = findings('together');
    ok !exists $together{always_after}, 'what ends at one moment has another reason';
};

# What closes every connection may be no server of HTTP at all.
subtest 'never an answer' => sub {
    ask('/mute');
    ask( map { ("/$_?close=0") x 4 } qw(mute silent known) );
    my %hint = map { $_->{upstream} => $_->{hint} } @{ $t->status->{diagnoses} };
    my $asks = qr/^it has not answered once since counting began: check whether it speaks what proxy_pass speaks/;
    like $hint{silent}, $asks, 'one that never answered';
    unlike $hint{mute},  $asks, 'not one that did';
    unlike $hint{known}, $asks, 'nor one that did for another upstream';
    like $hint{mute}, qr/its worker crashed.*see its log/, 'whose log is looked at';
};

$t->finish;
done_testing;
