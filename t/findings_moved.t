#!/usr/bin/perl

# Names that lead elsewhere since the configuration was loaded, with a name
# server of the test's own that both the C library and nginx ask.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Upstream502::Namespace;
use Upstream502::Net qw(accept_from listen_tcp wait_for);
use Upstream502::Nginx ();
use Upstream502::Runner;
use Upstream502::Wire;

enter_namespace();

my $RESOLVER = 'resolver 127.0.0.1 valid=1s;';

# Names, and where they were when the configuration was loaded: nobody listens
# there, nor where they are now.
my @NAMES = qw(group implicit fastcgi slow turns stays unasked off hosts gone
  silent pending late);
my %OLD = map { $NAMES[$_] => "127.0.7.1$_" } 0 .. $#NAMES;
my $NEW = '127.0.7.9';
my ( %zone, $zone_file, $query_file );

# Where it is from now on; 3: it does not exist, "": nobody answers.
sub point ( $name, $to ) {
    $zone{"$name.test"} = $to;
    open my $file, '>', "$zone_file.new" or die "$zone_file: $!\n";
    print $file map { "$_ $zone{$_}\n" } keys %zone;
    close $file;
    rename "$zone_file.new", $zone_file;
}

# In the process of the backends.
sub answer_query ($query) {
    my ( $name, $type ) = question($query);
    my %now = map { /^(\S+) (.*)$/ } split /\n/,
      Upstream502::Nginx::slurp($zone_file);
    $_ = length $_ ? $_ : undef for values %now;
    open my $file, '>>', $query_file;
    syswrite $file, "$name $type\n";
    return dns_answers(%now)->($query);
}

sub queries ($name) {
    return scalar grep { /^\Q$name\E\.test /i } split /\n/,
      Upstream502::Nginx::slurp($query_file);
}

sub setup ($t) {
    ( $zone_file, $query_file ) = map { $t->dir . "/$_" } qw(zone queries);
    point( $_, $OLD{$_} ) for @NAMES;
    $t->udp( dns => \&answer_query, port => 53 );
    $t->tcp( turns => [ 'read', 'hold' ], host => $OLD{turns}, port => 81 );
    my %file = (
        'resolv.conf'   => "nameserver 127.0.0.1\n",
        'nsswitch.conf' => "hosts: files dns\n",
        'hosts'         => "127.0.0.1 localhost\n$OLD{hosts} hosts.test\n",
    );
    for my $name ( keys %file ) {
        $t->write_raw( $name, $file{$name} );
        quietly("mount --bind $t->{dir}/$name /etc/$name")
          or plan skip_all => "no permission to replace /etc/$name";
    }
}

# The name has moved when the first request fails, which asks for it; the next
# one knows what was answered.
sub moves ( $name, $to ) {
    return (
        warmup        => 1,
        warmup_status => 502,
        site          => 'B11a',
        errno         => 111,
        before        => sub (@) { point( $name, $to ) },
        ask           => sub ( $t, $row, $uri, %send ) {
            wait_for "queries for $name", sub { queries($name) > 2 }
              if $row->{asks} // 1;
            $t->nginx->wait_idle;
            return $t->get( $uri, %send );
        },
    );
}

sub group ( $name, %row ) {
    return {
        moves( $name, $row{to} // $NEW ),
        name => $row{name} // $name,
        http => "upstream %%u%% { server $name.test:80 max_fails=0; }",
        conf => "$RESOLVER proxy_pass http://%%u%%;",
        %row,
    };
}

sub moved ($name) {
    return (
        finding => 'name_moved',
        says    => [
            "^$name.test was $OLD{$name} when the configuration was loaded",
            " it now resolves to $NEW: reload nginx",
        ],
        evidence =>
          { named => 'moved', moved_seconds => 0, names_count => 1 },
    );
}

sub not_moved (%row) { return ( unsaid => 'name_moved', %row ) }

# As many queries as when the configuration was loaded: for A and for AAAA.
sub never_asked ( $name, %row ) {
    return not_moved(
        asks  => 0,
        after => sub (@) {
            is queries($name), $row{loaded} // 2, 'nobody was asked';
        },
    );
}

play(
    [
        group( 'group', name => 'a server of a group', moved('group') ),
        {
            moves( 'implicit', $NEW ),
            name => 'a name in proxy_pass',
            conf => "$RESOLVER proxy_pass http://Implicit.Test:80;",
            moved('implicit'),
        },
        {
            moves( 'fastcgi', $NEW ),
            name => 'a name in fastcgi_pass',
            conf => "$RESOLVER fastcgi_pass fastcgi.test:9000;",
            moved('fastcgi'),
        },
        group(
            'slow',
            name   => 'the service at the old address does not answer',
            site   => 'E6',
            errno  => 110,
            status => 504,
            warmup_status => 504,
            conf   => "$RESOLVER proxy_read_timeout 300ms; proxy_pass http://%%u%%;",
            before => sub (@) {
                point( slow => $NEW );
                return listen_tcp( host => $OLD{slow}, port => 80 );
            },
            moved('slow'),
        ),
        group(
            'turns',
            name => 'the service at the old address has taken the request',
            http => 'upstream %%u%% { server turns.test:81 max_fails=0; }',
            site   => 'E6',
            errno  => 110,
            status => 504,
            warmup_status => 504,
            conf   => "$RESOLVER proxy_read_timeout 300ms; proxy_pass http://%%u%%;",
            not_moved( finding => 'no_answer' ),
        ),
        group(
            'stays',
            name => 'the name is where it was',
            to   => $OLD{stays},
            not_moved( finding => 'port_closed' ),
        ),
        group(
            'unasked',
            name => 'the location has no resolver',
            conf => 'proxy_pass http://%%u%%;',
            never_asked('unasked'),
        ),
        group(
            'off',
            name => 'evidence is off',
            conf =>
              "$RESOLVER upstream_502_evidence off; proxy_pass http://%%u%%;",
            never_asked('off'),
        ),
        group(
            'hosts',
            name => 'the name is in /etc/hosts',
            never_asked( 'hosts', loaded => 0 ),
        ),
        group(
            'gone',
            name => 'the name is not there any more',
            to   => 3,
            not_moved(),
        ),
        group(
            'silent',
            name => 'the name server does not answer',
            to   => '',
            not_moved( after => \&once ),
        ),
        group(
            'pending',
            name => 'a reload while the name server is waited for',
            to   => '',
            not_moved( after => \&reload_at_once ),
        ),
        group(
            'late',
            name => 'nginx is reloaded, as a check has it',
            moved('late'),
            before => \&moves_for_a_worker,
            not_in => 'angie',                        # ps knows it by that name
            repair => sub (@) { return },
        ),
    ],
    setup => \&setup
);

# The last of its checks is the repair: workers begin anew.
sub moves_for_a_worker ( $t, $row ) {
    point( late => $NEW );
    my ($old) = $t->nginx->workers;
    $row->{checks} = [
        [
            qr/^getent .*lstart/ => qr/^127\.0\.7\.9 +STREAM.*^ *$old \w{3} [^\n]*worker process/ms,
            sub { wait_for 'a new worker', sub { begun( $t, $old ) } }
        ],
        [ qr/^nginx -t && / => qr/test is successful/, \'this was the repair' ],
    ];
    return;
}

sub begun ( $t, $old ) {
    my ($new) = grep { $_ != $old } $t->nginx->workers;
    return $new && qr/^ *$new \w{3} .*worker process/m;
}

# Within half a minute.
sub once ( $t, $row, @ ) {
    my $asked = queries('silent');
    $t->get("/r$row->{number}") for 1 .. 3;
    is queries('silent'), $asked, 'it is not asked again so soon';
}

# The old worker neither waits for the answer nor complains.
sub reload_at_once ( $t, @ ) {
    point( $_, $OLD{$_} ) for qw(silent pending gone);
    my ($old) = $t->nginx->workers;
    my $begin = time;
    $t->reload;
    wait_for 'the old worker to end',
      sub { !Upstream502::Nginx::alive($old) };
    cmp_ok time - $begin, '<', 4, 'it did not wait';
}
