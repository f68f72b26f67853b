#!/usr/bin/perl

# The log of JSON lines as contrib/log_format.conf ships it: one valid object
# for each request that failed, whatever came in. And one source of advice:
# the log, the JSON, the text report and the page say the same.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cwd    qw(realpath);
use Encode ();
use Test::More;
use Upstream502::Test qw(:DEFAULT decode_json);
use Upstream502::Wire;

my $contrib = realpath("$FindBin::Bin/../contrib");
my $t       = Upstream502::Test->new;
$t->write_raw( 'log_format.conf',
    Upstream502::Nginx::slurp("$contrib/log_format.conf") );
$t->tcp( rst  => [ 'read', 'rst' ] );
$t->tcp( good => [ 'read', [ write => http_last() ] ] );
$t->tcp( slow => [ 'read', 'hold' ] );
$t->tcp( said => [ 'read', [ write => http_status(502) ] ] );
$t->tcp(
    evil => [
        'read', [ write => "HTTP/1.1 200 OK\r\n<b>\"\\\xff\x01 : x\r\n\r\n" ],
    ]
);
$t->tcp(
    stderr => [
        'read_some',
        [ write => fcgi( 7, "PHP \"\\\x01\xc3\x28\n\x1b[31m" ) . fcgi( 6, '' ) ],
        'hold'
    ]
);
$t->tcp( big =>
      [ 'read', [ write => http_ok( 'ok', 'X-Long: ' . 'x' x 9000 ) ] ] );
$t->conf( http => <<'CONF', server => <<'CONF2' );
include log_format.conf;
access_log %%DIR%%/upstream_502.log upstream_502_json if=$upstream_502_json;
large_client_header_buffers 4 64k;
upstream reset { server %%rst%%; }
upstream refused { server %%closed%%; }
upstream missing { server unix:%%DIR%%/missing.sock; }
upstream slow { server %%slow%%; }
upstream said { server %%said%%; }
upstream big { server %%big%%; }
CONF
upstream_502_record_uri full;
# With evidence a diagnosis says what to do about the finding.
upstream_502_evidence off;
location / { proxy_pass http://reset; }
location /good { proxy_pass http://%%good%%; }
location /evil { proxy_pass http://%%evil%%; }
location /stderr { fastcgi_pass %%stderr%%; fastcgi_catch_stderr PHP; }
location /name { proxy_pass http://$http_x_target; }
location /refused { proxy_pass http://refused; }
location /missing { fastcgi_pass missing; }
location /slow { proxy_pass http://slow; proxy_read_timeout 50ms; }
location /said { proxy_pass http://said; }
location /big { proxy_pass http://big; }
CONF2
$t->start;

sub logged ($count) {
    my $text = wait_for "$count lines", sub {
        my $log = $t->slurp('upstream_502.log');
        return ( () = $log =~ /\n/g ) >= $count ? $log : '';
    };
    return split /\n/, $text, -1;
}

my @strings = (
    "\xff\xfe\xc3\x28", "\xe2\x82", "\xed\xa0\x80", '%0a%0d%00%1b[31m',
    q{"'\\"\\\\}, '</script><script>', "\x7f\xc2\x85\xe2\x80\xa8",
    '{"a":[', '%s%n%V', 'x' x 8000, "\xe2\x82\xac" x 3000, '%22' x 3000,
);
my $sent = 0;
for my $string (@strings) {
    for my $request (
        [ "/u$string" ],
        [ "/q?$string" ],
        [ '/h', host => $string ],
        [ '/name', headers => ["X-Target: $string"] ],
        [ '/r', headers => [ "X-Request-ID: $string", "Referer: $string" ] ],
      )
    {
        # Some of it nginx refuses itself: that asks no upstream.
        $sent++ if $t->get(@$request)->{status} >= 500;
    }
}
for my $uri (qw(/evil /stderr)) {
    $t->get($uri);
    $sent++;
}
$t->get('/good') for 1 .. 3;

subtest 'each line is one object' => sub {
    my @lines = logged($sent);
    is pop @lines, '', 'the last line is whole';
    is scalar @lines, $sent, "a line for each of $sent, none for what is well";
    cmp_ok $sent, '>=', 40, 'which are many';
    my ( @not_utf8, @not_json, @control );
    for my $line (@lines) {
        push @not_utf8, $line
          if !eval { Encode::decode( 'UTF-8', my $copy = $line, 1 ); 1 };
        push @control, $line if $line =~ /[\x00-\x1f\x7f]/;
        my $object = eval { decode_json($line) };
        push @not_json, $line if ref $object ne 'HASH' || !$object->{cause};
    }
    is_deeply \@not_utf8, [], 'UTF-8';
    is_deeply \@control,  [], 'without a control character';
    is_deeply \@not_json, [], 'JSON, with its cause';
};

subtest 'one source of advice' => sub {
    my $lines = $sent;
    for my $name (qw(refused missing slow said big)) {
        my $r    = $t->get("/$name");
        my $hint = $t->row($r)->{upstream_502_hint};
        cmp_ok length $hint, '>', 20, "\$upstream_502_hint: $hint";
        my $object = decode_json( ( logged( ++$lines ) )[-2] );
        is $object->{hint}, $hint, 'the log';
        my $status = $t->status;
        is $status->{events}[0]{hint}, $hint, 'the event';
        my ($d) = grep { $_->{upstream} eq $name } @{ $status->{diagnoses} };
        is $d->{hint}, $hint, 'the diagnosis';
        my $text = $t->get('/status?format=text')->{body};
        ok index( $text =~ s/\s+/ /gr, "hint: $hint" ) > 0, 'the text report';
        my $page = $t->get('/status?format=html')->{body};
        my ($data) = $page =~ m{id="data">(.*?)</script>}s;
        is decode_json($data)->{events}[0]{hint}, $hint, "the page's data";
        my $rest = $page =~ s{id="data">.*?</script>|<pre.*?</pre>}{}gsr;
        ok index( $rest, substr $hint, 0, 20 ) < 0,
          'which has no words of its own';
    }
};

$t->finish;
done_testing;
