#!/usr/bin/perl

# The demo, as `DEMO_ONESHOT=1 make demo` runs it: each of its broken backends
# fails as it should and is told by its finding. Two pairs fail with one cause
# each, and only what the kernel knew tells them apart.

use v5.36;

use FindBin;
use Test::More;

my $root   = "$FindBin::Bin/..";
my $module = $ENV{TEST_MODULE}
  // "$root/build/ngx_http_upstream_502_module.so";
plan skip_all => 'the same without sanitizers' if $ENV{TEST_NGINX_ASAN};
plan skip_all => 'no PHP-FPM: apt-get install php-fpm'
  if !glob '/usr/sbin/php-fpm[0-9]*';

# Cause and finding of each upstream; '': nothing is there to be found.
my %EXPECTED = (
    wrong_port          => [ 'connection_refused',     'port_closed' ],
    stopped             => [ 'connection_refused',     'port_closed' ],
    socket_missing      => [ 'socket_missing',         'socket_absent' ],
    socket_forbidden    => [ 'permission_denied',      'no_permission' ],
    queue_full          => [ 'backlog_full',           'queue_full' ],
    crash_after_request => [ 'closed_before_response', 'still_listening' ],
    crash_in_header     => [ 'header_incomplete',      'still_listening' ],
    crash_in_body       => [ 'body_incomplete',        'still_listening' ],
    header_too_big      => [ 'header_too_big',         'header_size' ],
    slow                => [ 'read_timeout',           'no_answer' ],
    says_502            => [ 'error_status',           '' ],
    keepalive_too_short => [ 'keepalive_race',         'closed_in_use' ],
    one_bad_of_three    => [ 'connection_refused',     'port_closed' ],
    all_down            => [ 'no_live_upstreams',      'peers_down' ],
    '(/no_resolver)'    => [ 'resolver_missing',       '' ],
    php_exhausted       => [ 'read_timeout',           'not_accepted' ],
    php_slow            => [ 'read_timeout',           'no_answer' ],
);

my ( $output, %section );

sub play () {
    local $ENV{DEMO_ONESHOT} = 1;
    open my $demo, '-|', $^X, "$root/demo/run.pl", $module
      or die "$root/demo/run.pl: $!\n";
    $output = do { local $/ = undef; <$demo> };
    ok close $demo, 'it ends well';
    my ($folder) = $output =~ /^starting nginx and its backends in (\S+)$/m;
    ok $folder && !-e $folder, 'and leaves nothing behind';
    %section = $output =~ /^== (\S+) \(\w+\) =+\n(.*?)(?=^== )/gms;
}

# What a table of the report has rows of.
sub names ( $name, $table ) {
    my ($rows) =
      ( $section{$name} // '' ) =~ /^  $table +count.*\n((?:  \w.*\n)*)/m;
    return join ' ', sort { $a cmp $b } ( $rows // '' ) =~ /^  (\w+)/gm;
}

sub is_found ($name) {
    my $finding = $EXPECTED{$name}[1];
    return names( $name, 'finding' ) =~ ( $finding
        ? qr/\b$finding\b/
        : qr/\A(?:not_retried)?\z/ );
}

# The kernel is not waited for: on a machine that is busy a question may stay
# without an answer, but not each time.
for ( 1 .. 3 ) {
    play();
    last if !grep { !is_found($_) } keys %EXPECTED;
}

is_deeply [ sort keys %section ], [ sort keys %EXPECTED ],
  'it reports what is broken, and no more';

for my $name ( sort keys %EXPECTED ) {
    my ( $cause, $finding ) = @{ $EXPECTED{$name} };
    like names( $name, 'cause' ), qr/\b$cause\b/, "$name: $cause";
    ok is_found($name), "$name: " . ( $finding || 'no finding' );
}

# What comes first of an upstream, in one line.
sub diagnosis ($name) {
    my ($lines) = ( $section{$name} // '' ) =~ /\A(.*?)^  hint: /ms;
    return ( $lines // '' ) =~ s/\s+/ /gr;
}

subtest 'a pool that is exhausted is not a script that is slow' => sub {
    is names( 'php_exhausted', 'finding' ), 'not_accepted not_retried';
    is names( 'php_slow',      'finding' ), 'no_answer not_retried';
    like diagnosis('php_exhausted'),
      qr/the kernel took the connection to \S+, the service never did/;
    like diagnosis('php_slow'),
      qr/the service on \S+ has read all of the request, and no answer came/;
};

subtest 'a wrong port is not a service that was stopped' => sub {
    my ( $port, $others ) = diagnosis('wrong_port') =~
      /nothing listens on [\d.]+:(\d+); open ports at that address: ([\d, ]+)/;
    like $others, qr/\b${\( $port - 1 )}\b/, 'what listens is the port before';
    like diagnosis('wrong_port'), qr/all 4 attempts/;
    like diagnosis('stopped'),
      qr{nothing listens on .*; 4 of 8 attempts failed .* the others did not fail};
};

diag $output if !Test::More->builder->is_passing;
done_testing;
