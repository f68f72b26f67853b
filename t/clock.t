#!/usr/bin/perl

# A clock that is set back: nothing in a report lies in its future, what was
# counted at hours that have not come yet crowds into no minute, and counting
# goes on as ever.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max sum0);
use Test::More;
use Upstream502::Clock;
use Upstream502::Test;

my $HOUR = 3600;
my $DAY  = 24 * $HOUR;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
$t->tcp(
    good => [ 'read', [ write => "HTTP/1.0 200 OK\r\n\r\nfine" ], 'close' ] );
$t->conf(
    http => 'upstream app { server %%closed%% max_fails=0; }
        upstream mixed { server %%closed%% max_fails=0; server %%good%%; }',
    server => 'location /app { proxy_pass http://app; }
        location /mixed { proxy_pass http://mixed; }',
);
$t->start;

my %IS_TIME = map { $_ => 1 } qw(time since start end start_time load_time
  first_failure last_failure last_success);

# The places in a report whose time lies behind that of the report.
sub ahead ( $now, $value, $path = '' ) {
    if ( ref $value eq 'HASH' ) {
        return map {
            my $at = "$path/$_";
            my $time = $value->{$_};
            ( $IS_TIME{$_} && !ref $time && ( $time // 0 ) > $now
                ? "$at: +" . ( $time - $now ) : () ),
              ahead( $now, $time, $at )
        } sort keys %$value;
    }
    return ref $value eq 'ARRAY'
      ? map { ahead( $now, $value->[$_], "$path/$_" ) } 0 .. $#$value
      : ();
}

sub report ( $name, $arguments = 'limit=1000' ) {
    my $status = $t->status($arguments);
    my @ahead = ahead( $status->{server}{time}, $status );
    is "@ahead", '', "$name: nothing lies in the future";
    my ($app) = grep { $_->{name} eq 'app' } @{ $status->{upstreams} };
    return ( $status, $app );
}

sub ask ( $uri, $times ) { $t->get($uri) for 1 .. $times }

# To its beginning: it is not over before what comes is counted and reported.
sub next_minute () { $clock->forward( 60 - ( time + $clock->ahead ) % 60 ) }

# One failure a minute, in each of the last `minutes`.
sub fail_for ($minutes) {
    for ( 1 .. $minutes ) {
        ask( '/app', 1 );
        $clock->forward(60);
    }
}

subtest 'by a day' => sub {
    ask( '/mixed', 4 );
    ask( '/app', 5 );
    report('before');
    $clock->forward( -$DAY );
    my ( $status, $app ) = report('set back');
    is $app->{failures}, 5, 'what was counted is still there';
    is scalar @{ $status->{events} }, 9 - 2, 'and all events';
    my ($incident) = grep { $_->{upstream} eq 'app' } @{ $status->{incidents} };
    is $incident->{state}, 'over', 'an incident of before is over';
    report( "in a window of $_", "window=$_" ) for qw(1d 7d);
    like $t->get('/status?format=text')->{body}, qr/^first failure /m,
      'the text';
    unlike $t->get('/status?format=text')->{body}, qr/-\d+(?:ms|s|m|h|d)\b/,
      'tells of no negative time';

    ask( '/app', 4 );
    ( $status, $app ) = report('failing on');
    is $app->{failures}, 9, 'failures are counted';
    is sum0( @{ $app->{history}{failures} } ), 4, 'in their minute';
    my ($diagnosis) = grep { $_->{upstream} eq 'app' }
      @{ $status->{diagnoses} };
    is $diagnosis->{pattern}, 'outage', 'and diagnosed';
    ok abs( $diagnosis->{since} - $status->{server}{time} ) < 60_000,
      'since the first of them';
    is scalar( grep { $_->{upstream} eq 'app' && $_->{state} eq 'open' }
          @{ $status->{incidents} } ), 1, 'an incident opens';

    ask( '/mixed', 4 );
    ( $status, $app ) = report('both');
    my ($mixed) = grep { $_->{name} eq 'mixed' } @{ $status->{upstreams} };
    ok !grep( { $_->{upstream} eq 'mixed' && $_->{pattern} eq 'outage' }
        @{ $status->{diagnoses} } ), 'what goes well is no outage';
};

subtest 'an hour forth and back' => sub {
    $t->request( '/status', method => 'DELETE' );
    fail_for(41);
    my ( undef, $app ) = report('41 minutes');
    is max( @{ $app->{history}{failures} } ), 1, 'one failure a minute';
    $clock->forward($HOUR);
    ask( '/app', 1 );
    $clock->forward( -$HOUR );
    ask( '/app', 1 );
    ( undef, $app ) = report('forth and back');
    is $app->{failures}, 43, 'all are counted';
    cmp_ok max( @{ $app->{history}{failures} } ), '<=', 2,
      'none crowd into a minute';
};

for my $minutes ( 5, 20, 41, 59, 60, 90 ) {
    subtest "$minutes minutes back" => sub {
        $t->request( '/status', method => 'DELETE' );
        fail_for(41);
        $clock->forward( -60 * $minutes );
        ask( '/app', 1 );
        my ( $status, $app ) = report('set back');
        is $app->{failures}, 42, 'all are counted';
        cmp_ok max( @{ $app->{history}{failures} } ), '<=', 2,
          'none crowd into a minute';
        for my $cause ( values %{ $status->{totals}{history}{causes} } ) {
            cmp_ok max(@$cause), '<=', 2, 'nor of the whole server';
        }
        next_minute();
        ask( '/app', 1 );
        ( undef, $app ) = report('a minute later');
        is $app->{history}{failures}[-1], 1, 'the next minute counts on';
    };
}

$t->finish;
done_testing;
