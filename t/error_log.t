#!/usr/bin/perl

# Causes are captured whatever is done with the error log, and the log itself
# stays as it is without the module.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net qw(bind_udp reset_close);
use Upstream502::Test;
use Upstream502::Wire;

sub backends ($t) {
    $t->tcp( rst    => [ 'read', 'rst' ] );
    $t->tcp( closed => [ 'read', 'close' ] );
    $t->tcp( silent => [ 'read', 'hold' ] );
    $t->tcp( bad => [ 'read', [ write => http_last( '', 'A b: c' ) ], 'close' ] );
    $t->tcp(
        big => [ 'read', [ write => http_last( 'x' x 8_000_000 ) ], 'close' ] );
    $t->tcp( ok => [ 'read', [ write => http_last() ], 'close' ] );
}

# LOG is what each location says about its error log.
my $LOCATIONS = <<'CONF';
location /refused { LOG proxy_pass http://127.0.0.1:%%PORT_nobody%%; }
location /missing { LOG proxy_pass http://unix:%%DIR%%/missing.sock; }
location /rst { LOG proxy_pass http://%%rst%%; }
location /closed { LOG proxy_pass http://%%closed%%; }
location /silent { LOG proxy_read_timeout 200ms;
    proxy_pass http://%%silent%%; }
location /bad { LOG proxy_pass http://%%bad%%; }
location /name { LOG set $target name.test; proxy_pass http://$target; }
location /retried { LOG proxy_pass http://pair; }
location /ok { LOG proxy_pass http://%%ok%%; }
location /big { LOG proxy_pass http://%%big%%; }
CONF

my $HTTP = 'upstream pair { server 127.0.0.1:%%PORT_nobody%%;
    server %%ok%% backup; }';

my %CAUSE = (
    refused => 'connection_refused',
    missing => 'socket_missing',
    rst     => 'reset_before_response',
    closed  => 'closed_before_response',
    silent  => 'read_timeout',
    bad     => 'header_invalid',
    name    => 'resolver_missing',
    retried => 'connection_refused',
    ok      => '-',
);

# name => [main, http, location]
my $syslog   = bind_udp();
my $address  = '127.0.0.1:' . $syslog->sockport;
my %variants = (
    'none at all'            => [ '',                                  '', '' ],
    'crit'                   => [ 'error_log %%DIR%%/main.log crit;',  '', '' ],
    'emerg'                  => [ 'error_log %%DIR%%/main.log emerg;', '', '' ],
    'debug'                  => [ 'error_log %%DIR%%/main.log debug;', '', '' ],
    'stderr'                 => [ 'error_log stderr;',                 '', '' ],
    '/dev/null'              => [ 'error_log /dev/null;',              '', '' ],
    '/dev/null emerg'        => [ 'error_log /dev/null emerg;',        '', '' ],
    'syslog'                 => [ "error_log syslog:server=$address;", '', '' ],
    'http level only'        => [ '', 'error_log %%DIR%%/http.log crit;',  '' ],
    'locations of their own' =>
      [ '', 'error_log %%DIR%%/http.log;', 'error_log %%DIR%%/loc.log emerg;' ],
    'a chain of levels' => [
        '',
        'error_log %%DIR%%/a.log crit; error_log %%DIR%%/b.log info;
         error_log %%DIR%%/c.log error;', ''
    ],
    'debug for a connection' => [ 'error_log %%DIR%%/main.log crit;', '', '' ],
);

# A client that resets its connection inside the body: what nginx logs about it
# is no failure of the upstream.
sub leave_early ($t) {
    my $sent = $t->send('/big');
    sysread $sent->{socket}, my $some, 1000;
    reset_close( $sent->{socket} );
    my $row = $t->row( $sent->{id} );
    is $row->{upstream_502_cause}, '-', 'a client that leaves is no cause';
}

for my $name ( sort keys %variants ) {
    my ( $main, $http, $location ) = @{ $variants{$name} };
    subtest $name => sub {
        my $t = Upstream502::Test->new;
        backends($t);
        $t->conf(
            error_log => $main,
            events    => 'worker_connections 256;'
              . ( $name =~ /^debug for/ ? 'debug_connection 127.0.0.1;' : '' ),
            http   => "$HTTP $http",
            server => $LOCATIONS =~ s/LOG/$location/gr,
        );
        $t->start;
        for my $uri ( sort keys %CAUSE ) {
            my $row = $t->row( $t->get("/$uri") );
            is $row->{upstream_502_cause}, $CAUSE{$uri}, $uri;
        }
        leave_early($t);
        my $totals = $t->status->{totals};
        is $totals->{failures}, 8, 'failures';
        is $totals->{rescued},  1, 'rescued';
        $t->finish;
    };
}

# The same requests without and with the module: time, pids and ports aside,
# not a byte may differ.
sub logs_of ( $t, $module ) {
    unlink glob $t->dir . '/*.log';
    $t->{rows_read} = 0;
    $t->{module}    = $module;
    $t->conf(
        http => "$HTTP error_log %%DIR%%/a.log crit;
            error_log %%DIR%%/b.log info; error_log %%DIR%%/c.log error;",
        server => $LOCATIONS =~ s/LOG//gr . 'location /own {
            error_log %%DIR%%/own.log warn; proxy_pass http://%%rst%%; }',
    );
    $t->start;
    for my $uri ( sort( keys %CAUSE ), 'own', 'nothing' ) {
        $t->row( $t->get( "/$uri", id => "id-$module-$uri" ) );
    }
    $t->nginx->stop;
    return { map { $_ => plain( $t->slurp("$_.log") ) } qw(error a b c own) };
}

sub plain ($text) {

    # What the module says of its zone at the start is its own.
    $text =~ s{^.*\[notice\] [^:]*: upstream_502_zone "[^"]*" holds .*\n}{}mg;
    $text =~ s{^\d+/\d\d/\d\d \d\d:\d\d:\d\d }{TIME }mg;
    $text =~ s{ \d+#\d+: }{ PID: }g;
    $text =~ s{\b(process|from) \d+}{$1 PID}g;
    return $text;
}

subtest 'the content is the same with and without the module' => sub {
    my $t = Upstream502::Test->new;
    backends($t);
    my $without = logs_of( $t, 0 );
    my $with    = logs_of( $t, 1 );
    for my $name ( sort keys %$without ) {
        is $with->{$name}, $without->{$name}, "$name.log";
    }
    like $without->{c},   qr/recv\(\) failed/, 'something was logged';
    like $without->{own}, qr/recv\(\) failed/, 'in a location of its own too';
    $t->finish;
};

done_testing;
