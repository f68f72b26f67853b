#!/usr/bin/perl

# Servers that replace their workers every few requests, under load and with
# kept connections: whatever comes of it, it has its right name, and the books
# balance.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Books;
use Upstream502::Clients;
use Upstream502::Load qw(log_format);
use Upstream502::Test;
use Upstream502::Wsgi;

my $REQUESTS = 1000;
my ($PHP)    = reverse sort glob '/usr/sbin/php-fpm[0-9]*';
my $GUNICORN = '/usr/bin/gunicorn';
my $t        = Upstream502::Test->new;
my @kinds;

if ( -x $GUNICORN ) {
    write_application($t);
    $t->port('gunicorn');
    $t->service(
        gunicorn => [
            $GUNICORN,        '--chdir',
            '%%DIR%%',        '--bind',
            '%%gunicorn%%',   qw(--workers 2 --worker-class gthread),
            '--max-requests', qw(3 --graceful-timeout 5 app:application)
        ]
    );
    push @kinds, qw(gunicorn gunicorn post_gunicorn);
}
if ($PHP) {
    my $user = $> == 0 ? "user = nobody\ngroup = nogroup" : '';

    # A kept connection holds a child: one for each that nginx can have.
    $t->port('php');
    $t->write( 'well.php', '<?php echo "well";' );
    $t->write( 'fpm.conf', <<"CONF");
[global]
error_log = %%DIR%%/fpm.log
[www]
$user
listen = %%php%%
pm = static
pm.max_children = 36
pm.max_requests = 3
CONF
    $t->service( php => [ $PHP, '-n', '-F', '-y', '%%DIR%%/fpm.conf' ] );
    push @kinds, qw(php php post_php);
}
plan skip_all => 'neither gunicorn nor PHP-FPM' if !@kinds;

# Locations of what is not here have a target all the same.
$t->port($_) for qw(gunicorn php);
my $format = log_format();
$t->conf(
    workers => 2,
    http    => "log_format load '$format';" . <<'CONF', server => <<'CONF2' );
upstream gunicorn { server %%gunicorn%%; keepalive 4; }
upstream php { server %%php%%; keepalive 4; }
CONF
access_log %%DIR%%/load.log load;
proxy_http_version 1.1;
proxy_set_header Connection "";
location ~ gunicorn { proxy_pass http://gunicorn; }
location ~ php {
    fastcgi_param SCRIPT_FILENAME %%DIR%%/well.php;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_keep_conn on;
    fastcgi_pass php;
}
CONF2
$t->start;

# GET is tried again where it met a kept connection that was closed, POST is
# not. A worker may also go with a new connection that it has just taken.
my $GONE =
qr/(?:keepalive_race|closed_before_response|reset_before_response|send_reset)/;

sub want ($kind) {
    return
      qr/^(?:200 - - -|200 - 1 (?:$GONE, )+-|502 nginx - (?:$GONE, )*$GONE)$/;
}

my $books   = Upstream502::Books->new( $t->dir . '/load.log', \&want );
my $clients = Upstream502::Clients->new( $t->port('http'), \@kinds, $REQUESTS );
ok $clients->wait, 'every request was answered';
wait_for 'all log lines', sub { $books->read; $books->{lines} >= $REQUESTS };
my $status = $books->compare($t);
note "requests with a failure: $books->{failing} of $REQUESTS; ",
  join ', ', map { "$_ $books->{causes}{$_}" } sort keys %{ $books->{causes} };

my @misnamed = grep { $_->{reused} xor $_->{cause} eq 'keepalive_race' }
  @{ $status->{events} };
is_deeply \@misnamed, [], 'a race on kept connections, and only there';
is $status->{events}[0]{id} // 0, $books->{failures},
  'an event for each failure';

$t->finish;
done_testing;
