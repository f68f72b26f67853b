#!/usr/bin/perl

# WebSockets and event streams on which nobody says anything: the end is told,
# with errno and nginx's text, and is no outage.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Diagnosis;
use Upstream502::Test;

my $SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
  . "Connection: Upgrade\r\n\r\n";
my @UPGRADE = ( headers => [ 'Upgrade: websocket', 'Connection: Upgrade' ] );

sub stream ($type) {
    return [ 'read',
        [ write => "HTTP/1.1 200 OK\r\nContent-Type: $type\r\n\r\ndata: x\n\n" ],
        'hold' ];
}

my $t = Upstream502::Test->new;
$t->tcp(
    ws   => [ 'read', [ write => $SWITCHED ], 'hold' ],
    well => [ 'read', [ write => $SWITCHED ], [ pause => 0.3 ], [ write => "\x89\x00" ], 'hold' ]
);
$t->tcp( events => stream('Text/Event-Stream; charset=utf-8') );
$t->tcp( page   => stream('text/html') );
my $idle = 'proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 300ms;';
$t->conf(
    http => join( "\n", map { "upstream $_ { server %%$_%%; }" } qw(ws events page) ),
    server => <<"CONF" );
location /ws { $idle proxy_set_header Upgrade \$http_upgrade;
    proxy_set_header Connection upgrade; proxy_pass http://ws; }
location /events { $idle proxy_pass http://events; }
location /page { $idle proxy_pass http://page; }
CONF
$t->start;
my $checks = Upstream502::Diagnosis->new($t);

# Four of them, and what is said of the last one.
sub falls_silent ( $name, %send ) {
    $t->observe( "/$name", %send ) for 1 .. 3;
    my ($event) = @{ $t->observe( "/$name", %send )->{events} };
    is $event->{cause},   'body_timeout', 'cause';
    is $event->{errno},   110,            'errno';
    like $event->{message}, qr/^upstream timed out \(110: /, 'message';
    return $event;
}

subtest 'a WebSocket' => sub {
    my $event = falls_silent( 'ws', @UPGRADE );
    like $event->{hint}, qr/nothing was said .*: pings/, 'hint';
    $checks->expect(
        ws => severity => 'info',
        cause          => 'body_timeout',
        summary        => qr/^4 idle connections ended .* \(101\)/,
    );
    $checks->run_all(
        $checks->of('ws'),
        checks => [
            [ qr/^curl .*Upgrade: websocket/ => qr/ s, 0 bytes$/m, qr/ s, 2 bytes$/m ],
            [ qr/Recv-Q wait/ => qr/^LISTEN +0 /m, \'it takes connections' ],
        ],
        repair => sub { $t->{farm}->repair('ws'); return },
    );
};

subtest 'an event stream' => sub {
    my $event = falls_silent('events');
    like $event->{hint}, qr/an event stream .* was silent/, 'hint';
    $checks->expect(
        events => severity => 'info',
        cause              => 'body_timeout',
        summary            => qr/^4 idle connections ended .*, of event streams/,
    );
};

subtest 'another body that stops is a fault' => sub {
    my $event = falls_silent('page');
    is $checks->of('page')->{severity}, 'outage', 'severity';
    unlike $event->{hint}, qr/an event stream .* was silent/, 'hint';
};

subtest 'the first is what is broken' => sub {
    my ( $head, @more ) = map { $_->{upstream} } @{ $t->status->{diagnoses} };
    is $head, 'page', 'first of ' . ( 1 + @more );
};

$t->finish;
done_testing;
