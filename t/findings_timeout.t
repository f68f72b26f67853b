#!/usr/bin/perl

# Five reasons of a timeout, told apart by what the kernel knows.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(sleep);
use Upstream502::Namespace;
use Upstream502::Net qw(accept_from listen_tcp wait_for);
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Wire;

enter_namespace();

my $TIMEOUT  = "proxy_read_timeout 1s; $PASS";
my @UPLOAD   = ( method => 'POST', body => 'x' x ( 8 * 1024 * 1024 ) );
my $DROP     = 'OUTPUT -s 127.0.7.3 -p tcp -j DROP';
my $can_drop = firewall($DROP) && quietly("iptables -D $DROP");

# The way there is well, before and after.
my @WAY = (
    [ qr/^ip route get/        => qr/^local 127\.0\.7\.\d dev lo/, \'a firewall is no route' ],
    [ qr/^ip route show match/ => qr/\A\z/, \'it is an address of this machine' ],
    [ qr/^ip neigh/            => qr/\A\z/, \'it is an address of this machine' ],
);

# The service takes the connection, and reads when it is repaired.
my @READS_LATE = (
    b      => 'own',
    during => sub ( $t, $row ) { $row->{taken} = accept_from( $row->{listener}{b} ) },
    checks => [
        [
            qr/what the service has not read/ => qr/^(?:ESTAB|CLOSE-WAIT) +[1-9]/m,
            qr/\A(?!.*^\S+ +[1-9])/ms
        ]
    ],
    repair => sub ( $t, $row ) {
        1 while sysread $row->{taken}, my $bytes, 65536;
        close $row->{taken};
    },
);

# A worker more, of a service whose workers share its listener.
sub answer_all ( $t, $row ) {
    return Upstream502::Service->answering( $row->{listener}{b}, http_ok() );
}

# It answers once, then nothing of it arrives any more.
sub stop_answers (@) { firewall($DROP) or die "iptables\n" }
sub resume (@)       { quietly("iptables -D $DROP") }

play(
    [
        {
            name     => 'the service never takes the connection',
            site     => 'E6',
            b        => 'own',
            conf     => $TIMEOUT,
            status   => 504,
            finding  => 'not_accepted',
            says     => '\b1 waits for it',
            unsaid   => [qw(no_answer not_read queue_full)],
            evidence => { accepted => 0 },
            checks   => [
                [ qr/Recv-Q wait/  => '^LISTEN +1 .*127\.0\.0\.1:\d+ ', '^LISTEN +0 ' ],
                [
                    qr/MemAvailable/ => qr/^1 processes of \d+ MB, .*: room for \d+/,
                    qr/^[23] processes of \d+ MB, .*: room for \d+/
                ],
            ],
            repair => \&answer_all,
        },
        {
            name     => 'it takes it and does not read',
            site     => 'E6',
            @READS_LATE,
            conf     => $TIMEOUT,
            status   => 504,
            finding  => 'not_read',
            says     => 'left \d+ bytes of the request unread',
            unsaid   => [qw(no_answer not_accepted)],
            evidence => { accepted => 1, unread_bytes => qr/^[1-9]/ },
        },
        {
            name     => 'it reads and does not answer',
            site     => 'E6',
            b        => 'own',
            conf     => "proxy_read_timeout 1s; $PASS",
            during   => \&read_only,
            status   => 504,
            finding  => 'no_answer',
            says     => 'no answer came within 1s',
            unsaid   => [qw(not_read not_accepted unacknowledged)],
            evidence => { unread_bytes => 0, unacknowledged_bytes => 0 },
            checks   => [ [ qr/^curl .*time_starttransfer/ => qr/^curl: \(28\)/m, qr/\Astatus 200, header after 0\.\d+ s$/ ] ],
            repair   => \&answer_all,
        },
        {
            name   => 'nothing of what is sent is acknowledged',
            site   => 'E6',
            b      => 'own',
            listen => { host => '127.0.7.3', port => 8080 },
            http   => 'upstream %%u%% { server 127.0.7.3:8080; keepalive 1; }',
            conf   => "$KEEPALIVE proxy_read_timeout 1500ms;
                proxy_pass http://%%u%%;",
            before  => \&answer_once,
            after   => \&resume,
            status  => 504,
            reused  => 1,
            finding => 'unacknowledged',
            says    => 'sent [2-9] times',
            unsaid  => 'no_answer',
            checks  => [
                [ qr/^ss -tnoi dst / => qr/unacked:\d|retrans:\d|backoff:\d/, qr/\A(?!.*unacked:\d)/s ],
                [ qr/^nc -vz/        => qr/\A(?!.*^connected$)/ms, qr/^connected$/m ],
                @WAY,
            ],
            repair => \&resume,
            skip    => $can_drop ? undef : 'iptables cannot be used',
        },
        {
            name    => 'the accept queue is full',
            site    => 'B13',
            b       => 'own',
            listen  => { backlog => 0 },
            conf    => "proxy_connect_timeout 300ms; $PASS",
            before  => \&fill_queue,
            status  => 504,
            finding => 'queue_full',
            says    => 'there is room for 0',
            unsaid  => 'syn_unanswered',
            checks  => [
                [ qr/Recv-Q wait/  => '^LISTEN +[1-9]\d* +0 .*127\.0\.0\.1:\d+ ', '^LISTEN +0 ' ],
                [
                    qr/MemAvailable/ => qr/^1 processes of \d+ MB, .*: room for \d+/,
                    qr/^[23] processes of \d+ MB, .*: room for \d+/
                ],
                [
                    qr/^sysctl net\.core\.somaxconn/ => qr/somaxconn = (?!5000)\d+/,
                    qr/somaxconn = 5000/,
                    sub (@) { quietly('sysctl -w net.core.somaxconn=5000'); return }
                ],
            ],
            repair => \&answer_all,
        },
        {
            name => 'requests to connect are dropped',
            site => 'B13',
            conf => 'proxy_connect_timeout 300ms;
                proxy_pass http://127.0.7.4:80;',
            before  => sub (@) { firewall('OUTPUT -d 127.0.7.4 -j DROP') },
            status  => 504,
            finding => 'syn_unanswered',
            says    => '^1 connection request ',
            unsaid  => 'queue_full',
            checks  => [
                [ qr/^nc -vz/ => qr/\A(?!.*refused)/s, qr/refused/ ],
                [ qr/^nft list/ => qr/DROP/, qr/\A(?!.*DROP)/s ],
            ],
            repair => sub (@) { quietly('iptables -F OUTPUT') },
            skip    => $can_drop ? undef : 'iptables cannot be used',
        },
        {
            name   => 'the first request to connect is lost',
            site   => 'H3',
            conf   => 'proxy_pass http://127.0.7.5:8080;',
            before => sub (@) {
                firewall('OUTPUT -d 127.0.7.5 -p tcp --syn -j DROP');
                return listen_tcp( host => '127.0.7.5', port => 8080 );
            },
            during  => \&lose_one,
            origin  => 'upstream',
            received_status => 502,
            finding => 'syn_repeated',
            says    => 'took 1\.\d+ s: at least 1 connection request was lost',
            unsaid  => [qw(syn_unanswered queue_full)],
            checks  => [
                [
                    qr/Recv-Q wait/ => '^LISTEN +0 .*127\.0\.7\.5:8080 ',
                    \'it was the way, not the queue'
                ],
                [ qr/^nstat / => qr/TCPSynRetrans +[1-9]/, qr/TCPSynRetrans +0 / ],
            ],
            repair => sub (@) { return },    # the rule went while it was asked
            skip => $can_drop ? undef : 'iptables cannot be used',
        },
        {
            name   => 'it takes the connection as late as that',
            site   => 'E5',
            b      => 'own',
            during => sub ( $t, $row ) {
                sleep 1.1;    # as long as a lost request takes
                my $socket = accept_from( $row->{listener}{b} );
                sysread $socket, my $bytes, 65536;
                close $socket;
            },
            unsaid => 'syn_repeated',
        },
        {
            name => 'nobody reads the body',
            site => 'D14',
            @READS_LATE,
            conf => "proxy_send_timeout 300ms; $PASS",
            @UPLOAD,
            status   => 504,
            finding  => 'not_read',
            says     => 'left \d{4,} bytes of the request unread',
            evidence => { unacknowledged_bytes => qr/^\d{4,}$/ },
        },
    ],
    http => 'client_max_body_size 0;'
);

# The first request of a kept connection is answered; what comes after it is
# lost.
sub answer_once ( $t, $row ) {
    my $sent   = $t->send("/r$row->{number}");
    my $socket = accept_from( $row->{listener}{b} );
    sysread $socket, my $bytes, 65536;
    syswrite $socket, http_ok();
    $t->read($sent);
    $t->nginx->wait_idle;
    stop_answers();
    return $socket;
}

# The request to connect that comes a second after the lost one arrives.
sub lose_one ( $t, $row ) {
    wait_for 'a lost request', sub {
        `iptables -nvxL OUTPUT` =~ /^ +[1-9]\d* .*DROP .*127\.0\.7\.5/m;
    };
    quietly('iptables -D OUTPUT -d 127.0.7.5 -p tcp --syn -j DROP');
    my $socket = accept_from( $row->{held} );
    sysread $socket, my $bytes, 65536;
    syswrite $socket, http_status(502);
    close $socket;
}

# It takes all of the request, and says nothing.
sub read_only ( $t, $row ) {
    my $socket = accept_from( $row->{listener}{b} );
    sysread $socket, my $bytes, 65536;
    $row->{held} = $socket;
}
