#!/usr/bin/perl

# The status that a call of gRPC ends with: a 200 for nginx, a failure for its
# client. It is counted, and no attempt failed.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Grpc;
use Upstream502::Test;
use Upstream502::Wire;

# A header field that HPACK does not compress.
sub field ( $name, $value ) {
    return "\x00" . chr( length $name ) . $name . chr( length $value ) . $value;
}

my $MESSAGE = h2( 0, 0, 1, "\0\0\0\0\4well" );

# A call that fails at once: header and trailers are one frame.
sub at_once ($status) {
    return h2_headers( "\x88" . field( 'grpc-status', $status ), 5 );
}

# A message, and then the trailers.
sub trailers (@fields) {
    return h2_headers() . $MESSAGE . h2_headers( join( '', @fields ), 5 );
}

sub frames (@frames) {
    return [ 'read_some', [ write => join '', h2_settings(), @frames ],
        'hold' ];
}

my $t = Upstream502::Test->new;
$t->tcp( once  => frames( at_once('14') ) );
$t->tcp( ended => frames( trailers( field( 'grpc-status', '13' ) ) ) );
$t->tcp( ok    => frames( trailers( field( 'grpc-status', '0' ) ) ) );
$t->tcp( silent  => frames( h2_headers() . h2( 0, 1, 1, 'x' ) ) );
$t->tcp( unknown => frames( at_once('17') ) );
$t->tcp( hostile => frames( at_once( "14\"}\x7f" . '9' x 90 ) ) );
$t->tcp( web => [ 'read', [ write => http_last( 'x', 'grpc-status: 14' ) ] ] );
my @scripted = qw(once ended ok silent unknown hostile);
my %target   = ( ( map { $_ => "grpc://$_" } @scripted ), later => 'grpc://later' );

my $missing = missing_grpc();
if ( !$missing ) {
    write_server($t);
    chmod 0777, $t->dir;
    $t->port('real');
    $t->service( real => [ $PYTHON, '%%DIR%%/server.py', '%%real%%' ] );
    $target{real} = 'grpc://real';
}
else {
    $t->{address}{real} = $t->address('closed');
}

$t->conf(
    http => join( "\n", map { "upstream $_ { server %%$_%%; }" } @scripted, 'web', 'real' )
      . 'upstream later { server %%closed%%; server %%once%% backup; }',
    server => join "\n",
    'location /web { proxy_pass http://web; }',
    'location /variable { set $to %%once%%; grpc_pass grpc://$to; }',
    map { "location /$_/ { rewrite ^/$_(/.*) \$1 break; grpc_pass $target{$_}; }" }
      sort keys %target
);
$t->start;

sub counted ( $upstream, $status = $t->status ) {
    my $found = $t->upstream( $upstream, $status );
    return $found->{grpc_responses};
}

sub call ($uri) {
    return $t->observe(
        $uri,
        method  => 'POST',
        headers => [ 'Content-Type: application/grpc', 'TE: trailers' ],
        body    => "\0\0\0\0\1x"
    );
}

# The first run of an upstream is accounted the long way, the next the short.
sub is_counted ( $name, $uri, $want ) {
    for my $times ( 1 .. 3 ) {
        my $seen = call($uri);
        is $seen->{r}{status}, 200, 'the client gets 200';
        is_deeply $seen->{events}, [], 'no event';
        is $seen->{gained}->( \$name, 'failures' ), 0, 'no failure';
        my %all = map { $_ => $times * $want->{$_} } keys %$want;
        is_deeply counted($name), \%all, "$name, $times times";
    }
}

subtest 'in the header'     => sub { is_counted( once  => '/once/x', { 14 => 1 } ) };
subtest 'in the trailers'   => sub { is_counted( ended => '/ended/x', { 13 => 1 } ) };
subtest 'a call that ends well' => sub { is_counted( ok => '/ok/x', {} ) };
subtest 'without any status'    => sub { is_counted( silent => '/silent/x', {} ) };
subtest 'a status of no meaning' => sub { is_counted( unknown => '/unknown/x', {} ) };
subtest 'hostile'                => sub { is_counted( hostile => '/hostile/x', {} ) };

subtest 'after another server was asked' => sub {
    my $seen = call('/later/x');
    is $seen->{r}{status}, 200, 'the client gets 200';
    is $seen->{gained}->( \'later', 'failures' ), 1, 'one failure';
    is_deeply counted('later'), { 14 => 1 }, 'the answer is counted';
};

subtest 'a target from a variable' => sub {
    call('/variable') for 1 .. 2;
    my ($found) = grep { %{ $_->{grpc_responses} } && $_->{name} !~ /^(once|ended|later)$/ }
      @{ $t->status->{upstreams} };
    is_deeply $found->{grpc_responses}, { 14 => 2 }, 'is counted, too';
};

subtest 'a field of that name in HTTP' => sub {
    is $t->get('/web')->{status}, 200, 'status' for 1 .. 2;
    is_deeply counted('web'), {}, 'is nothing to gRPC';
};

subtest 'a real server' => sub {
    plan skip_all => $missing if $missing;
    is_counted( real => '/real/well', {} );
    is_counted( real => '/real/fail', { 14 => 1 } );
    call('/real/fail_inside');
    is_deeply counted('real'), { 14 => 3, 15 => 1 }, 'in the trailers';
};

subtest 'is shown' => sub {
    my $metrics = $t->get('/status?format=prometheus')->{body};
    like $metrics,
      qr/^nginx_upstream_502_grpc_responses_total\{upstream="once",grpc_status="14"\} 3$/m,
      'in metrics';
    like $t->get('/status?format=text')->{body},
      qr/^answered by ended with a grpc-status that is not OK: INTERNAL \(13\) 3$/m,
      'in the text';
};

$t->finish;
done_testing;
