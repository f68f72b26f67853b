#!/usr/bin/perl
# The documentation is run: every configuration in it passes nginx -t, every
# directive is accepted where its reference says so and nowhere else, every
# link leads somewhere, and the members and metrics it names are the real ones.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../bench/lib";

use Bench::Baseline qw(readme_section README_SECTION);
use Test::More;
use Upstream502::Nginx ();
use Upstream502::Test  qw(wait_for decode_json);

my $root  = "$FindBin::Bin/..";
my @pages = ( 'README.md', map { s{^\Q$root\E/}{}r } glob "$root/docs/*.md" );
my %text  = map { $_ => Upstream502::Nginx::slurp("$root/$_") } @pages;

my $t = Upstream502::Test->new(
    status => 0,
    allow  => [qr/directive is not allowed here/],
);
mkdir "$t->{dir}/logs";
chmod 0777, "$t->{dir}/logs";

# Fenced blocks of a language.
sub blocks ( $page, $language ) {
    return $text{$page} =~ /^```\Q$language\E\n(.*?)^```$/gms;
}

# The names of the directives outside of all braces.
sub top_directives ($config) {
    my $rest = $config =~ s/#.*//gr =~ s/"[^"]*"|'[^']*'/x/gr;
    1 while $rest =~ s/\{[^{}]*\}/;/g;
    return map { /^\s*(\w+)/ ? $1 : () } split /;/, $rest;
}

my %LEVEL = (
    ( map { $_ => 'file' } qw(load_module events http) ),
    ( map { $_ => 'http' } qw(server upstream log_format upstream_502_zone) ),
    location => 'server',
);

# A configuration that can be started, whatever level the example is at, with
# addresses and paths of our own.
sub runnable ($example) {
    my ($level) = map { $LEVEL{$_} // () } top_directives($example);
    BAIL_OUT("no level for: $example") if !$level;
    my %part = ( $level => $example );
    my $config;
    if ( $level eq 'file' ) {
        $config = $example;
        $config .= "\nevents {}\n" if $example !~ /^events/m;
        my $paths = join ' ',
          map { "${_}_temp_path %%DIR%%/$_;" }
          qw(client_body proxy fastcgi uwsgi scgi);
        $config =~ s/^http \{/http { $paths access_log off;/m;
        $config = "pid %%DIR%%/nginx.pid; error_log %%DIR%%/error.log;\n"
          . $config;
    }
    else {
        $config = $t->_config(%part);
        $config =~ s/^(?:access_log|log_format) .*\n//gm
          if $example !~ /access_log/;
    }
    $config =~ s{modules/ngx_http_upstream_502_module\.so}{%%MODULE%%};
    $config =~ s{listen\s+(?:127\.0\.0\.1:)?(8\d\d\d);}
                {listen 127.0.0.1:%%PORT_p$1%%;}g;
    $config =~ s{state=/var/lib/nginx/(?:upstream_502/)?}{state=%%DIR%%/logs/};
    $config =~ s{include log_format\.conf}{include $root/contrib/log_format.conf};
    return $config;
}

sub passes ( $example, $name ) {
    my ( $code, $output ) = $t->check_config( file => runnable($example) );
    is( $code, 0, "$name passes nginx -t" ) or diag "$example\n$output";
}

subtest 'every configuration passes nginx -t' => sub {
    for my $page (@pages) {
        my $number = 0;
        passes( $_, "example " . ++$number . " of $page" )
          for blocks( $page, 'nginx' );
    }
    passes( Upstream502::Nginx::slurp("$root/contrib/$_"), "contrib/$_" )
      for qw(nginx.conf log_format.conf debian/upstream-502.conf);
};

# "### name" followed by the reference in nginx.org's form.
my %WRAP = (
    http                => sub ($d) { ( http   => $d ) },
    server              => sub ($d) { ( server => $d ) },
    location            => sub ($d) { ( server => "location /x { $d }" ) },
    'if in location'    => sub ($d) {
        ( server => "location /x { if (\$arg_x) { $d } }" );
    },
    main                => sub ($d) { ( main => $d ) },
);

# Else: bench/run --update
subtest 'the cost is that of bench/baseline.txt' => sub {
    my ($section) = $text{'README.md'} =~ /(${\README_SECTION})/;
    is $section, readme_section();
};

subtest 'what nginx -t says of the zone' => sub {
    my ( undef, $output ) = $t->check_config;
    my ($said)   = $output             =~ /^(nginx: \[notice\] upstream_502_zone.*)/m;
    my ($quoted) = $text{'docs/cost.md'} =~ /^ {4}(nginx: \[notice\].*?)\n\n/ms;
    is $quoted =~ s/\s+/ /gr, $said, 'is quoted in docs/cost.md';
};

subtest 'every directive is allowed where its reference says' => sub {
    my @references = $text{'README.md'} =~
      /^### (upstream_502\w*)\n\n((?:    .*\n)+)/gm;
    while ( my ( $name, $reference ) = splice @references, 0, 2 ) {
        my ($default)  = $reference =~ /^    Default: (.*)$/m;
        my ($contexts) = $reference =~ /^    Context: (.*)$/m;
        my %allowed    = map { $_ => 1 } split /, /, $contexts;
        my $directive = $default eq '—' ? "$name;" : $default;
        for my $context ( sort keys %WRAP ) {
            my ( $code, $output ) =
              $t->check_config( $WRAP{$context}->($directive) );
            if ( $allowed{$context} ) {
                is( $code, 0, "$directive in $context" ) or diag $output;
            }
            else {
                like( $output, qr/directive is not allowed here/,
                    "$name not in $context" );
            }
        }
    }
};

subtest 'every variable exists' => sub {
    my %variables =
      map { $_ => 1 } $text{'README.md'} =~ /\$(upstream_502\w*)/g;
    cmp_ok( keys %variables, '>', 20, 'the README names them' );
    for my $variable ( sort keys %variables ) {
        my ( $code, $output ) =
          $t->check_config( http => "log_format x '\$$variable';" );
        is( $code, 0, "\$$variable" ) or diag $output;
    }
};

subtest 'no directive and no variable is left out' => sub {
    my $source = join '', map { Upstream502::Nginx::slurp($_) }
      glob "$root/src/nginx/*.cc";
    my @directives = $source =~ /ngx_string\("(upstream_502\w*)"\)/g;
    my @variables  = $source =~ /\{"(upstream_502\w*)", Of::/g;
    cmp_ok( scalar @directives, '>', 0, 'directives in the source' );
    cmp_ok( scalar @variables,  '>', 0, 'variables in the source' );
    for my $name (@directives) {
        like( $text{'README.md'}, qr/^### \Q$name\E$/m, $name );
    }
    for my $name (@variables) {
        like( $text{'README.md'}, qr/^\| .*`\$\Q$name\E`.* \|/m, "\$$name" );
    }
};

# As GitHub makes them.
sub anchors ($page) {
    return map { lc s/[^\w\s-]//gr =~ s/ /-/gr }
      $text{$page} =~ /^#+ (.*)$/gm;
}

subtest 'every link leads somewhere' => sub {
    for my $page (@pages) {
        for my $link ( $text{$page} =~ /\]\(([^)\s]+)\)/g ) {
            next if $link =~ /^https?:/;
            my ( $file, $anchor ) = split /#/, $link, 2;
            my $target = $page;
            if ( length $file ) {
                $target = $page =~ s{[^/]*$}{}r . $file;
                1 while $target =~ s{[^/.]+/\.\./}{};
            }
            ok( -e "$root/$target", "$page: $link" ) or next;
            ok( ( grep { $_ eq $anchor } anchors($target) ),
                "$page: $link has its heading" )
              if defined $anchor;
        }
    }
};

# From here on nginx runs: the quick start, and beside it a server with a
# failing upstream.
my ($quick_start) = blocks( 'README.md', 'nginx' );
my ($json_lines) =
  grep { /log_format upstream_502_json/ } blocks( 'README.md', 'nginx' );
my $config = runnable($quick_start);
$config =~ s/(http \{)/$1\n$json_lines/;
$config =~ s/listen\s+8080/listen 127.0.0.1:%%PORT_front%%/;
$config =~ s/127\.0\.0\.1:9000/%%closed%%/;
$t->conf( file => $config );
$t->start;

sub quick_start (@arguments) {
    return $t->get( @arguments, port => $t->port('p8080') );
}

subtest 'the quick start answers' => sub {
    my $r = quick_start('/upstream_502_status');
    is( $r->{status}, 200 );
    like( $r->{headers}{'content-type'}, qr{^text/plain} );
    like( $r->{body},                    qr/^upstream failures on / );
};

subtest 'a failure is one JSON line, a success is none' => sub {
    is( $t->get( '/cart', port => $t->port('front') )->{status}, 502 );
    is( quick_start('/upstream_502_status')->{status},                  200 );
    my $log = wait_for 'the line', sub {
        my $text = $t->slurp('logs/upstream_502.log');
        return $text =~ /\n\z/ ? $text : '';
    };
    is( decode_json($log)->{cause}, 'connection_refused' );
    unlike( $log, qr/\n./, 'one line' );
};

subtest 'the requests of the README' => sub {
    for my $uri ( $text{'README.md'} =~ m{127\.0\.0\.1:8080(/\S*?)'}g ) {
        # Who follows has an answer that does not end.
        is( quick_start( $uri, patience => $uri =~ /follow/ ? 1 : 20 )->{status},
            200, $uri );
    }
};

my $status =
  decode_json( quick_start('/upstream_502_status?format=json')->{body} );

subtest 'the JSON event of the README has the members of a real one' => sub {
    my ($example) = blocks( 'README.md', 'json' );
    is_deeply( [ sort keys %{ decode_json($example) } ],
        [ sort keys %{ $status->{events}[0] } ] );
};

# The first column of the table under a heading.
sub members ($heading) {
    my ($section) =
      $text{'docs/json.md'} =~ /^## \Q$heading\E\n(.*?)(?:^## |\z)/ms;
    my @rows = $section =~ /^\| (`[^|]*) \|/gm;
    return [ sort map { /`(\w+)`/g } @rows ];
}

subtest 'docs/json.md names the members there are' => sub {
    my %real = (
        'Top level'           => $status,
        server                => $status->{server},
        zone                  => $status->{zone},
        totals                => $status->{totals},
        'upstreams[]'         => $status->{upstreams}[0],
        'upstreams[].peers[]' => $status->{upstreams}[0]{peers}[0],
        'diagnoses[]'         => $status->{diagnoses}[0],
        'events[]'            => $status->{events}[0],
    );
    for my $heading ( sort keys %real ) {
        is_deeply( members($heading), [ sort keys %{ $real{$heading} } ],
            $heading );
    }
};

subtest 'docs/metrics.md names the metrics there are' => sub {
    my $scrape = quick_start('/upstream_502_status?format=prometheus')->{body};
    my @real   = sort $scrape =~ /^# TYPE (\w+) /gm;
    my @named  = sort $text{'docs/metrics.md'} =~ /^\| \[`(\w+)`\]/gm;
    is_deeply( \@named, \@real );
};

$t->finish;

subtest 'a zone has the room that the README says' => sub {
    my @rows = $text{'README.md'} =~
      /^\| \d+ \| (\d+) \| (\d+) \| `(\d+m)` \|$/gm;
    while ( my ( $peers, $events, $size ) = splice @rows, 0, 3 ) {
        my $sized = Upstream502::Test->new;
        $sized->conf( http => "upstream_502_zone z:$size events=$events;" );
        $sized->start;
        cmp_ok( $sized->status->{zone}{peers_max}, '>=', $peers, $size );
        $sized->end;
    }
};

done_testing;
