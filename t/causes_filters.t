#!/usr/bin/perl

# Responses that a filter of nginx cannot pass on: slices that do not fit, what
# is not compressed, more than a subrequest may keep.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Compress::Gzip     qw(gzip);
use Upstream502::Backend   qw(sequence);
use Upstream502::Diagnosis qw(edits);
use Upstream502::Runner;
use Upstream502::Wire;

my $SLICES = "slice 10; postpone_output 0; proxy_set_header Range \$slice_range;
    proxy_http_version 1.1; $PASS";

# A part of twenty bytes as an answer to a request for it; `range` is what it
# says of itself.
sub part ( $range, @headers ) {
    return answer(
        http_status(
            206, 'x' x 10,
            'Connection: close',
            defined $range ? "Content-Range: $range" : (), @headers
        )
    );
}
my $FIRST = part( 'bytes 0-9/20', 'ETag: "a"' );

# The first slice is well; the client has the beginning of a response.
# What a server says of the first byte tells whether it has the same file, and
# can give parts of it.
sub later ( $site, $name, $script, $shows, %row ) {
    return {
        checks => [ [ qr/^curl .* -r 0-0 / => $shows, qr{^HTTP/1.1 206 .*^Content-Range: bytes 0-0/20\r\nETag: "a"}ms ] ],
        well   => part( 'bytes 0-0/20', 'ETag: "a"' ),
        site            => $site,
        name            => "a later slice: $name",
        b               => sequence( $FIRST, $script ),
        conf            => $SLICES,
        upstream        => undef,                         # asked for two slices
        status          => 200,
        outcome         => 'cut',
        quiet           => 1,
        received_status => 206,
        %row,
    };
}

# The client gets nothing.
sub first ( $site, $name, $script, %row ) {
    return {
        site            => $site,
        name            => "the first slice: $name",
        b               => $script,
        conf            => $SLICES,
        status          => 206,
        outcome         => 'open',
        received_status => 206,
        %row,
    };
}

my @slices = (
    (
        map {
            later(
                'G1', "status $_",
                answer( http_status( $_, 'x' x 20, 'Connection: close' ) ),
                qr{^HTTP/1.1 $_ },
                received_status => $_
            )
        } ( 401, 200, 416 )
    ),
    later( 'G2', 'another ETag', part( 'bytes 10-19/20', 'ETag: "b"' ), qr/^ETag: "b"/m ),
    later( 'G2', 'no ETag',  part('bytes 10-19/20'),     qr/\A(?!.*^ETag:).*206/ms ),
    later( 'G3', 'no range', part( undef, 'ETag: "a"' ), qr/\A(?!.*^Content-Range:).*206/ms ),
    later(
        'G4',
        'a range of an unknown whole',
        part( 'bytes 10-19/*', 'ETag: "a"' ),
        qr{^Content-Range: .*/\*}m
    ),
    ( map { later( $_, 'another range', $FIRST, qr/bytes 0-9/ ) } qw(G5a G5b) ),
    first( 'G3', 'no range', part(undef) ),
    (
        map { first( $_, 'another range', part('bytes 10-19/20') ) }
          qw(G5a G5b)
    ),
    later(
        'G1',
        'status 404, intercepted',
        answer( http_status( 404, 'no', 'Connection: close' ) ),
        qr{^HTTP/1.1 404 },
        conf            => "proxy_intercept_errors on; $SLICES",
        received_status => 404,
    ),
    later(
        'G6',
        'status 404, which error_page answers',
        answer( http_status( 404, 'no', 'Connection: close' ) ),
        qr{^HTTP/1.1 404 },
        conf => "proxy_intercept_errors on; error_page 404 %%loc%%/page;
            $SLICES",
        server  => 'location = %%loc%%/page { internal; return 200 page; }',
        outcome => 'open',
        quiet   => 0,
        received_status => undef,
        passed          => 1,
    ),
    {
        name     => 'slices that fit',
        b        => sequence( $FIRST, part( 'bytes 10-19/20', 'ETag: "a"' ) ),
        conf     => $SLICES,
        upstream => undef,
    },
);

my $LIMIT = 'subrequest_output_buffer_size 8;';
my $KEPT  = 'ssi on; ssi_types *; alias %%DIR%%/kept.html;';

sub kept ( $site, $name, $answer ) {
    return {
        site     => $site,
        name     => "kept by SSI: $name",
        conf     => $KEPT,
        args     => '?uri=%%loc%%/large',
        b        => answer($answer),
        server   => "location = %%loc%%/large { $LIMIT $PASS }",
        checks   => [
            [ qr/^curl .*size_download/ => qr/^(?:100|11)$/m, qr/^4$/m ],
            [
                qr/^nginx -T/ => qr/subrequest_output_buffer_size 8;/,
                qr/subrequest_output_buffer_size 64k;/,
                edits( 'buffer_size 8;', 'buffer_size 64k;' )
            ],
        ],
        well => answer( http_ok('less') ),
        upstream => undef,
        outcome  => 'open',
        status   => 200,
        quiet    => 1,
    };
}

# The beginning of a compressed text: ten bytes of header, a stored block of
# five that has three.
my $GZIP =
    pack( 'C4VCC', 0x1f, 0x8b, 8, 0, 0, 0, 3 )
  . pack( 'Cvv', 1, 5, 0xfffa ) . 'abc';

gzip( \'whole', \my $whole ) or die "gzip\n";
my $COMPRESSED = answer( http_ok( $whole, 'Content-Encoding: gzip', 'Connection: close' ) );

my @others = (
    {
        site    => 'G7',
        name    => 'gunzip of what is no gzip',
        conf    => "gunzip on; proxy_http_version 1.1; $PASS",
        b       => answer( http_ok( 'x' x 1000, 'Content-Encoding: gzip' ) ),
        checks  => [
            [ qr/^curl .*\| gzip -t/ => qr/not in gzip format/, qr/\A\z/ ],
            [ qr/^curl .* -D -/      => qr/^Content-Encoding: gzip/m, \'it is said, and true' ],
        ],
        well => $COMPRESSED,
        outcome => 'open',
        status  => 200,
    },
    {
        site => 'G8',
        name => 'gunzip of what ends too early',
        conf => "gunzip on; proxy_http_version 1.1; $PASS",
        b    => answer(
            http_ok( $GZIP, 'Content-Encoding: gzip', 'Connection: close' )
        ),
        checks  => [
            [ qr/^curl .*\| gzip -t/ => qr/unexpected end of file/, qr/\A\z/ ],
            [ qr/^curl .* -D -/      => qr/^Content-Encoding: gzip/m, \'it is said, and true' ],
        ],
        well => $COMPRESSED,
        outcome => 'open',
        status  => 200,
    },
    kept( 'G9a', 'a long answer', http_ok( 'x' x 100 ) ),
    kept(
        'G9b', 'one of unknown length', "HTTP/1.0 200 OK\r\n\r\nlong answer"
    ),
);

sub setup ($t) {
    $t->write( 'kept.html',
        '<!--# include virtual="$arg_uri" set="kept" -->after' );
}

play( [ @slices, @others ], setup => \&setup );
