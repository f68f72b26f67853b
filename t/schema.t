#!/usr/bin/perl

# The JSON Schema in contrib: what nginx really answers and logs is valid,
# nothing is in it that the schema does not name, and the documentation names
# the same members.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Follow;
use Upstream502::Nginx ();
use Upstream502::Test  qw(:DEFAULT decode_json);
use Upstream502::Wire;

my $root   = "$FindBin::Bin/..";
my $path   = "$root/contrib/upstream-502.schema.json";
my $python = '/usr/bin/python3';
my $schema = decode_json( Upstream502::Nginx::slurp($path) );

# The members of a part of the schema.
sub members (@path) {
    my $node = $schema;
    $node = ref $node eq 'ARRAY' ? $node->[$_] : $node->{$_} for @path;
    return sort keys %{ $node->{properties} };
}

subtest 'the documentation names what the schema names' => sub {
    my $text = Upstream502::Nginx::slurp("$root/docs/json.md");
    my %part = (
        'Top level'                      => [],
        server                           => [qw(properties server)],
        zone                             => [qw(properties zone)],
        totals                           => [qw(properties totals)],
        'upstreams[]'                    => [qw($defs upstream)],
        'upstreams[].peers[]'            => [qw($defs peer)],
        'diagnoses[]'                    => [qw($defs diagnosis)],
        'events[]'                       => [qw($defs event)],
        'events[].evidence'              => [qw($defs evidence)],
        'The object of $upstream_502_json' => [qw($defs logged)],
    );
    for my $heading ( sort keys %part ) {
        my ($section) = $text =~ /^## \Q$heading\E\n(.*?)(?:^## |\z)/ms;
        my @named = map { /`(\w+)`/g } $section =~ /^\| (`[^|]*) \|/gm;
        is_deeply [ sort @named ], [ members( @{ $part{$heading} } ) ], $heading;
    }
    my $words = join ' ', $text =~ /`(\w+)`/g;
    my @deep  = map { members(@$_) }[qw($defs upstream properties history)],
      [qw($defs upstream properties time_to_failure)],
      [qw(properties totals properties history)],
      [qw(properties totals properties origins)], [qw($defs responses)];
    is_deeply [ grep { $words !~ /\b$_\b/ } @deep ], [], 'and those within';
};

subtest 'it names the causes that there are' => sub {
    my $table = Upstream502::Nginx::slurp("$root/docs/causes.md");
    is_deeply [ sort @{ $schema->{'$defs'}{cause}{enum} } ],
      [ sort $table =~ /^### (\w+)$/gm ], 'as docs/causes.md';
};

if ( system("$python -c 'import jsonschema' 2>/dev/null") != 0 ) {
    diag 'no python3-jsonschema: documents are not validated';
    done_testing;
    exit;
}

my $t = Upstream502::Test->new;
$t->tcp( good => [ 'read', [ write => http_last() ] ] );
$t->tcp( said => [ 'read', [ write => http_status(502) ] ] );
$t->tcp( cut  => [
        'read', [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok" ]
    ]
);
$t->tcp( slow => [ 'read', 'hold' ] );
$t->tcp( banner => [ 'read', [ write => "SSH-2.0-OpenSSH_9.2p1\r\n" ], 'close' ] );
$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream pair { server %%closed%% max_fails=0; server %%good%%; }
upstream dead { server %%closed2%%; server %%closed3%%; }
CONF
upstream_502_record_uri full;
location /pair { proxy_pass http://pair; }
location /dead { proxy_pass http://dead; }
location /said { proxy_pass http://%%said%%; }
location /cut { proxy_pass http://%%cut%%; }
location /slow { proxy_pass http://%%slow%%; proxy_read_timeout 50ms; }
location /name { proxy_pass http://$http_x_target; }
location /banner { proxy_pass http://%%banner%%; }
location /config { return 502; }
CONF2
$t->start;

# What is wrong with these documents.
sub complaints ( $pointer, @documents ) {
    my $number = 0;
    my @files =
      map { $t->write_raw( 'document' . ++$number, $_ ) } @documents;
    my $said = qx{$python $FindBin::Bin/lib/validate.py $path '$pointer' @files 2>&1};
    return $said eq @files . " documents\n" ? '' : $said;
}

sub document ( $arguments = '' ) {
    return $t->get("/status?format=json$arguments")->{body};
}

my @documents = ( document() );
for my $uri (qw(/pair /dead /said /cut /slow /name /banner /config)) {
    $t->get( "$uri?\xff\"<\\", headers => ["X-Target: a\"b\xfe"] ) for 1 .. 5;
    push @documents, document();
}
push @documents, document($_)
  for '&upstream=dead', '&cause=body_incomplete', '&limit=0';

subtest 'what is answered is valid' => sub {
    is complaints( '', @documents ), '', @documents . ' documents';
    my $last = decode_json( $documents[-4] );
    cmp_ok scalar @{ $last->{$_} }, '>=', 4, "with $_"
      for qw(upstreams diagnoses events);
};

subtest 'what is logged is valid' => sub {
    my @logged = map { s/^\S+ //r } grep { /\{/ } split /\n/,
      wait_for 'the log', sub {
        my $log = $t->slurp('objects.log');
        return ( () = $log =~ /\n/g ) >= 40 ? $log : '';
      };
    cmp_ok scalar @logged, '>=', 30, scalar @logged . ' objects';
    is complaints( '#/$defs/logged', @logged ), '', 'all valid';
};

subtest 'what those who follow are told is valid' => sub {
    my $f = Upstream502::Follow->new( $t, 'format=json&since=0' );
    $f->wait( failure => 25 );
    my @told = grep { /^\{/ } split /\n/, $f->body;
    my %types = map { decode_json($_)->{type} => 1 } @told;
    is join( ' ', sort keys %types ), 'alive failure incident', 'with all types';
    push @told, '{"type":"left_out","count":5}';
    is complaints( '#/$defs/followed', @told ), '', @told . ' lines';
    for my $wrong (
        '{"type":"left_out"}',        '{"type":"alive","time":5,"more":1}',
        '{"type":"failure","time":5}', '{"type":"else"}',
        $told[-2] =~ s/"type":"failure"/"type":"incident"/r,
        $told[-2] =~ s/\}\z/,"more":1}/r
      )
    {
        isnt complaints( '#/$defs/followed', $wrong ), '',
          'not valid: ' . substr $wrong, 0, 40;
    }
    $f->leave;
};

subtest 'the event of the README is valid' => sub {
    my ($example) =
      Upstream502::Nginx::slurp("$root/README.md") =~ /^```json\n(.*?)^```/ms;
    is complaints( '#/$defs/event', $example ), '', 'it is';
};

subtest 'what is not valid is seen' => sub {
    my $broken = sub ($change) {
        my $document = decode_json( $documents[2] );
        $change->($document);
        return complaints( '', JSON::PP->new->utf8->encode($document) );
    };
    isnt $broken->( sub ($d) { delete $d->{events}[0]{hint} } ), '', 'missing';
    isnt $broken->( sub ($d) { $d->{events}[0]{more} = 1 } ),    '', 'unknown';
    isnt $broken->( sub ($d) { $d->{zone}{more} = 1 } ),         '', 'elsewhere';
    isnt $broken->( sub ($d) { $d->{events}[0]{cause} = 'bad' } ), '', 'a cause';
    isnt $broken->( sub ($d) { $d->{totals}{requests} = '1' } ), '', 'a type';
    isnt $broken->( sub ($d) { pop @{ $d->{totals}{history}{requests} } } ),
      '', 'a minute';
};

$t->finish;
done_testing;
