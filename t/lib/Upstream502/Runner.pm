# Plays a table of scenarios through one nginx: every row gets its own
# location, its own backends and its own upstream.
#
#   { name => 'reset after the request', site => 'E1', b => [ 'read', 'rst' ] }
#
# What happens: b, b2, b3 (scripts of the row's backends; 'own': the row itself
# accepts, from $row->{listener}{b}), unix => 1 (they listen on unix sockets),
# http and conf (configuration; %%b%% is the first backend, %%u%% a name for the
# row's upstream{}; by itself conf is $PASS), before (a function called with the
# harness and the row, which it may change; what it returns lives, as `held`,
# until the row is over), warmup (a number of requests, ending in
# warmup_status), during (the same as before, once the request is on its way:
# $row->{sent}), ask (in the place of sending it), method, body, headers, args,
# raw (of the request; with %%id%% in it), since/until (nginx versions, beside
# those of its sites), not_in (a pattern of nginx's kin that do otherwise), skip
# (why the row cannot be played here).
#
# Which places of t/sites.tsv it reaches: site, or sites => [...], all of which
# must show in what nginx logged and the module captured; maybe => [...] are
# those of which chance chooses.
#
# What must come of it: see Expected.pm. Beside that, what was found: finding (the
# name of one), says (what its text holds), lacks (what it does not), unsaid
# (names that must not be among them), evidence (values, undef: not there). And
# checks: all that the diagnosis prints are run, see Diagnosis.pm. What ends the
# fault is repair (a function), well (the script of the first backend from then
# on), or both; cure is a directive among them that does, too.

package Upstream502::Runner;

use v5.36;

use Exporter qw(import);
use Test::More;
use Upstream502::Diagnosis;
use Upstream502::Expected
  qw(certain complete expectations local_names protocol_of sites_of);
use Upstream502::Net   qw(fill_tcp_queue listen_tcp);
use Upstream502::Sites qw(version_number);
use Upstream502::Test  qw(:DEFAULT gained);

our @EXPORT = qw(play answer fill_queue $PASS $KEEPALIVE);

# What most rows have: requests go to their first backend.
our $PASS = 'proxy_pass http://%%b%%;';

# Before a proxy_pass to an upstream{} that keeps connections.
our $KEEPALIVE = 'proxy_http_version 1.1; proxy_set_header Connection "";';

# A backend's script: reads a request, answers and closes.
sub answer (@bytes) { return [ 'read', [ write => @bytes ], 'close' ] }

# Before a row whose backend is its own, with a backlog of 0: it takes no more.
sub fill_queue ( $t, $row ) {
    return fill_tcp_queue( $row->{listener}{b}->sockport );
}

my %ERRNO = (
    1   => [qw(EPERM permission)],
    2   => [qw(ENOENT not_found)],
    11  => [qw(EAGAIN backlog)],
    13  => [qw(EACCES permission)],
    20  => [qw(ENOTDIR not_found)],
    22  => [qw(EINVAL other)],
    23  => [qw(ENFILE exhausted)],
    24  => [qw(EMFILE exhausted)],
    28  => [qw(ENOSPC other)],
    32  => [qw(EPIPE broken_pipe)],
    91  => [qw(EPROTOTYPE other)],
    99  => [qw(EADDRNOTAVAIL exhausted)],
    101 => [qw(ENETUNREACH unreachable)],
    104 => [qw(ECONNRESET reset)],
    110 => [qw(ETIMEDOUT timed_out)],
    111 => [qw(ECONNREFUSED refused)],
    113 => [qw(EHOSTUNREACH unreachable)],
);

# Plays the rows whose name or site matches TEST_SCENARIO, if it is set.
# Options: setup (a function called with the harness before it starts), http,
# and those of the harness.
sub play ( $rows, %options ) {
    my $t       = Upstream502::Test->new(%options);
    my $wanted  = $ENV{TEST_SCENARIO} // '';
    my $version = $t->nginx->version;
    my $kin     = $t->nginx->kin;
    $options{setup}->($t)                     if $options{setup};
    Upstream502::Sites::start_notes($version) if $wanted eq '';
    for my $row (@$rows) {
        $row->{conf} //= $PASS;
        complete($row);
    }
    my @rows = grep { is_played( $_, $version, $kin ) }
      grep { join( ' ', sites_of($_), $_->{name} ) =~ /(?:$wanted)/ } @$rows;
    my ( $http, $server ) = ( $options{http} // '', '' );
    my $number = 0;

    for my $row (@rows) {
        prepare( $t, $row, ++$number );
        $http .= local_names( $row, $row->{http} // '' ) . "\n";
        $server .=
            "location /r$number {\n"
          . local_names( $row, $row->{conf} ) . "\n}\n"
          . local_names( $row, $row->{server} // '' ) . "\n";
    }
    $t->conf( http => $http, server => $server );
    $t->start;
    for my $row (@rows) {
        subtest join( ' ', sites_of($row), $row->{name} ) =>
          sub { check( $t, $row ) };
    }
    $t->finish;
    done_testing;
}

# Whether nginx has what the row is about; if not, it is noted why.
sub is_played ( $row, $version, $kin ) {
    my ( $since, $before ) =
      Upstream502::Sites::lifetime( protocol_of($row), certain($row) );
    my ($first) = grep { version_number($_) > version_number($version) }
      grep { $_ ne '-' } $since, $row->{since} // '-';
    my ($last) = grep { version_number($_) <= version_number($version) }
      grep { $_ ne '-' } $before, $row->{until} // '-';
    my $why = $row->{skip};
    $why = "not in $kin" if $row->{not_in} && $kin =~ /^(?:$row->{not_in})$/;
    $why = "since nginx $first" if $first;
    $why = "until nginx $last"  if $last;
    return 1 if !$why;
    Upstream502::Sites::note( $_, $row->{name}, $why ) for sites_of($row);
    return 0;
}

sub prepare ( $t, $row, $number ) {
    $row->{number} = $number;
    for my $name (qw(b b2 b3)) {
        my $script = $row->{$name} // next;
        if ( $script eq 'own' ) {
            my $own = listen_tcp( %{ $row->{listen} // {} } );
            $row->{listener}{$name} = $own;
            $t->{address}{"r${number}_$name"} = '127.0.0.1:' . $own->sockport;
            next;
        }
        my $kind = $row->{unix} ? 'unix' : 'tcp';
        $t->$kind(
            "r${number}_$name", $script,
            %{ $row->{listen} // {} },
            well => $name eq 'b' ? $row->{well} : undef
        );
    }
}

sub check ( $t, $row ) {
    my %send = map { $_ => $row->{$_} }
      grep { exists $row->{$_} } qw(method body headers host);
    if ( defined $row->{raw} ) {
        $send{id}  = "raw$row->{number}";
        $send{raw} = local_names( $row, $row->{raw} ) =~ s/%%id%%/$send{id}/r;
    }
    local $row->{held} = $row->{before} ? $row->{before}->( $t, $row ) : undef;
    my $uri = "/r$row->{number}" . local_names( $row, $row->{args} // '' );
    for ( 1 .. $row->{warmup} // 0 ) {
        is $t->get($uri)->{status}, $row->{warmup_status} // 200, 'warm-up';
    }
    my $want   = expectations( $t, $row );
    my $mine   = filter($want);
    my $before = $t->status($mine);
    my $log    = length $t->error_log;
    my $r      = request( $t, $row, $uri, %send );
    check_response( $row, $r );
    my $logged = $t->row($r);
    check_variables( $row, $want, $logged );
    my $object = $t->object($r);
    check_object( $row, $want, $object );
    check_findings( $t, $row, $object );
    my $after = $t->status( join '&', $mine || (), 'since=' . newest($before) );
    check_events( $row, $want, $after, $logged );
    check_stored( $after->{events}[0], $object ) if !$want->{quiet};
    check_counters( $row, $want, $before, $after );
    check_sites( $row,
        { events => $after->{events}, log => substr $t->error_log, $log } );

    check_advice( $t, $row, $after->{events}[0]{upstream} ) if $row->{checks};
    if ( $row->{after} ) {
        $row->{after}->( $t, $row, $r );
    }
}

# The row's own upstream: those of all rows are much to read.
sub filter ($want) {
    my $name = $want->{upstream} // return '';
    return 'upstream=' . $name =~ s/([^\w.:\/-])/sprintf '%%%02X', ord $1/ger;
}

sub request ( $t, $row, $uri, %send ) {
    if ( $row->{ask} ) {
        return $row->{ask}->( $t, $row, $uri, %send );
    }
    my $sent = $t->send( $uri, %send );
    local $row->{sent} = $sent;
    $row->{during}->( $t, $row ) if $row->{during};
    my $r = $t->read($sent);
    close $sent->{socket};    # nginx may linger, and logs when it is done
    return $r;
}

# The sites a row names are those it reached.
sub check_sites ( $row, $seen ) {
    my $protocol = protocol_of($row);
    my %maybe    = map { $_ => 1 } @{ $row->{maybe} // [] };
    my @reached;
    for my $id ( sites_of($row) ) {
        my @keys = Upstream502::Sites::reached( $id, $protocol, $seen );
        Upstream502::Sites::note( $_, $row->{name} ) for @keys;
        push @reached, @keys;
        ok scalar @keys, "site $id was reached"
          or diag explain $seen
          if !$maybe{$id};
    }
    ok scalar @reached, 'one of the sites was reached'
      or diag explain $seen
      if %maybe;
}

sub newest ($status) {
    my $event = $status->{events}[0];
    return $event ? $event->{id} : 0;
}

sub check_response ( $row, $r ) {
    if ( $row->{outcome} ne 'open' ) {
        is $r->{status},                     $row->{status},  'client status';
        is $r->{complete} ? 'whole' : 'cut', $row->{outcome}, 'the response is';
    }
}

# `-` in the log means empty.
sub check_variables ( $row, $want, $logged ) {
    my %v = map { s/^upstream_502_?//r => $logged->{$_} } keys %$logged;
    is $logged->{status}, sprintf( '%03d', $want->{status} ), 'logged status';
    is $v{''},            $want->{gateway} ? 1 : '-',         '$upstream_502';
    is $v{origin},        $want->{origin},            '$upstream_502_origin';
    is $v{rescued},       $want->{rescued} ? 1 : '-', '$upstream_502_rescued';
    if ( !@{ $want->{events} } || $want->{quiet} ) {
        is $v{$_}, '-', "\$upstream_502_$_"
          for qw(cause phase errno event message);
        return;
    }
    matches( $v{cause}, $want->{cause}, '$upstream_502_cause' );
    matches( $v{phase}, $want->{phase}, '$upstream_502_phase' );
    check_errno( $want->{errno}, @v{qw(errno errno_name errno_class)} );
    matches( $v{causes}, $want->{causes}, '$upstream_502_causes' );
    is $v{attempts}, $want->{attempts}, '$upstream_502_attempts';
    is $v{failures}, $want->{failures}, '$upstream_502_failures';
    is $v{reused}, $want->{reused} ? 1 : '-', '$upstream_502_reused'
      if exists $want->{reused};

    for my $name (qw(upstream peer)) {
        is $v{$name}, $want->{$name}, "\$upstream_502_$name"
          if defined $want->{$name};
    }
    for my $allowed ( $want->{said} // (), $want->{message} // () ) {
        my ($any) = map { qr/$_/ } join '|',
          ref $allowed eq 'ARRAY' ? @$allowed : $allowed;
        like $v{message}, $any, '$upstream_502_message';
    }
    check_times( $want, \%v );
    like $v{hint},  $want->{hint} // qr/^[^-]/, '$upstream_502_hint';
    like $v{event}, qr/^\d+$/,                  '$upstream_502_event';
}

# How far an attempt got shows in its times.
sub check_times ( $want, $v ) {
    my $time  = qr/^\d+\.\d{3}$/;
    my $phase = $v->{phase};
    if ( $phase =~ /^(?:resolve|select|connect)$/ || $want->{unconnected} ) {
        is $v->{connect_time}, '-', '$upstream_502_connect_time';
    }
    elsif ( $phase =~ /^(?:header|body)$/ ) {
        like $v->{connect_time}, $time, '$upstream_502_connect_time';
    }
    if ( $phase eq 'body' || $want->{received_status} || $want->{passed} ) {
        like $v->{header_time}, $time, '$upstream_502_header_time';
    }
    elsif ( $phase ne 'tls' ) {
        is $v->{header_time}, '-', '$upstream_502_header_time';
    }
    if ( $want->{attempts} > 0 ) {
        like $v->{response_time}, $time, '$upstream_502_response_time';
    }
}

# An errno nobody asks for may not be there; undef in a row says so, and
# leaving it out too, unless the cause itself is left open.
sub check_errno ( $errno, $number, $name, $class ) {
    if ( ref $errno ) {
        like $number, $errno, 'errno';
        return;
    }
    my ( $want_name, $want_class ) =
      defined $errno ? @{ $ERRNO{$errno} } : ( '-', '-' );
    is $number, $errno // '-', 'errno';
    is $name,   $want_name,    'errno name';
    is $class,  $want_class,   'errno class';
}

sub matches ( $got, $want, $name ) {
    ref $want ? like( $got, $want, $name ) : is( $got, $want, $name );
}

sub check_object ( $row, $want, $object ) {
    if ( ( !@{ $want->{events} } || $want->{quiet} ) && !$want->{gateway} ) {
        is $object, undef, '$upstream_502_json is empty';
        return;
    }
    is ref $object, 'HASH', '$upstream_502_json is an object' or return;
    matches( $object->{cause}, $want->{cause}, 'cause in the object' );
}

sub check_findings ( $t, $row, $object ) {
    my %text = map { $_->{name} => $_->{text} } @{ $object->{findings} // [] };
    my $evidence = $object->{evidence} // {};
    if ( my $name = $row->{finding} ) {
        ok defined $text{$name}, "finding $name"
          or return diag explain $object;
        for my $said ( listed( $row->{says} ) ) {
            my $wanted = $t->expand( local_names( $row, $said ) );
            like $text{$name}, qr/$wanted/, 'it says so';
        }
        for my $said ( listed( $row->{lacks} ) ) {
            my $unwanted = $t->expand( local_names( $row, $said ) );
            unlike $text{$name}, qr/$unwanted/, 'and not so';
        }
    }
    ok !exists $text{$_}, "not found: $_"
      or diag $text{$_}
      for listed( $row->{unsaid} );
    my %wanted = %{ $row->{evidence} // {} };
    matches( $evidence->{$_}, $wanted{$_}, "evidence: $_" )
      for sort keys %wanted;
}

# Each check that is printed for it shows the fault.
sub check_advice ( $t, $row, $upstream ) {
    my $diagnosis = $t->{diagnosis} //= Upstream502::Diagnosis->new($t);
    my $d = $diagnosis->of($upstream);
    ok $d, 'a diagnosis' or return;
    $diagnosis->cures( $d, $row->{cure}, "/r$row->{number}" ) if $row->{cure};
    my @checks = map {
        [ map { ref ? $_ : do { my $p = $t->expand( local_names( $row, $_ ) ); qr/$p/m } } @$_ ]
    } @{ $row->{checks} };
    $diagnosis->run_all( $d, checks => \@checks, repair => repair_of( $t, $row ) );
}

sub repair_of ( $t, $row ) {
    my $repair = $row->{repair};
    return $repair && sub { $repair->( $t, $row ) } if !$row->{well};
    return sub {
        $t->{farm}->repair("r$row->{number}_b");
        return $repair ? $repair->( $t, $row ) : ();
    };
}

# What the request's variables said is what its last event has kept.
sub check_stored ( $event, $object ) {
    return if !$event || ( $object->{event} // 0 ) != $event->{id};
    is_deeply $event->{$_}, $object->{$_}, "the event keeps its $_"
      for qw(findings evidence);
}

# One, several or none.
sub listed ($value) {
    return ref $value eq 'ARRAY' ? @$value : $value // ();
}

sub check_events ( $row, $want, $status, $logged ) {
    my @peers    = elements( $logged->{upstream_addr} );
    my @statuses = elements( $logged->{upstream_status} );
    my @events   = reverse @{ $status->{events} };
    my @wanted   = @{ $want->{events} };
    is scalar @events, scalar @wanted, 'number of events' or return;
    for my $i ( 0 .. $#wanted ) {
        my ( $cause, $phase, $errno ) = @{ $wanted[$i] };
        my $event = $events[$i];
        matches( $event->{cause}, $cause, "event $i: cause" );
        matches( $event->{phase}, $phase, "event $i: phase" );
        check_errno( $errno,
            map { $event->{$_} // '-' } qw(errno errno_name errno_class) );
        is $event->{client_status}, $want->{status}, "event $i: client status";
        is $event->{attempts},      $want->{attempts}, "event $i: attempts";
        my $attempt = $event->{attempt};

        if ( $attempt && $logged->{upstream_addr} ne '-' && !$want->{quiet} ) {
            is $event->{peer}, $peers[ $attempt - 1 ],
              "event $i: peer, as in \$upstream_addr"
              if length $peers[ $attempt - 1 ] // '';
            is $event->{status} || '-', $statuses[ $attempt - 1 ],
              "event $i: status, as in \$upstream_status";
        }
        ok abs( $event->{time} / 1000 - time ) < 60,  "event $i: time";
        ok !!$event->{rescued} == !!$want->{rescued}, "event $i: rescued";
        like $event->{uri}, qr{^/r$row->{number}\b}, "event $i: uri";
        ok index( $row->{method} // 'GET', $event->{method} ) == 0,
          "event $i: method";
    }
    my @times = map { $_->{time} } @events;
    is_deeply \@times, [ sort { $a <=> $b } @times ], 'in the order of time';
    my $last = $events[-1] // return;
    for my $name (qw(upstream target protocol received_status)) {
        is $last->{$name}, $want->{$name}, "last event: $name"
          if defined $want->{$name};
    }
}

# The attempts of a variable like $upstream_addr.
sub elements ($text) {
    return split / : |, /, $text;
}

# What the counters gained: all together, and the upstream's.
sub check_counters ( $row, $want, $before, $after ) {
    my $all = sub (@path) { gained( $before, $after, 'totals', @path ) };
    is $all->('failures'), scalar @{ $want->{events} }, 'failures in all';
    is $all->('rescued'),  $want->{rescued},            'rescued in all';
    for my $code ( 500, 502, 504 ) {
        is $all->( 'responses', $code ),
          $want->{gateway} && $want->{status} == $code ? 1 : 0,
          "responses $code in all";
    }
    is $all->( 'origins', $want->{origin} ), 1, "origin $want->{origin} in all"
      if $want->{gateway};
    my $name = $want->{upstream} // return;
    my $gain = sub (@path) { gained( $before, $after, \$name, @path ) };
    is $gain->('requests'), 1,                           'requests counted';
    is $gain->('attempts'), $want->{attempts},           'attempts counted';
    is $gain->('failures'), scalar @{ $want->{events} }, 'failures counted';
    is $gain->('rescued'),  $want->{rescued},            'rescued counted';

    for my $code ( 500, 502, 504 ) {
        is $gain->( 'responses', $code ),
          $want->{gateway} && $want->{status} == $code ? 1 : 0,
          "responses $code counted";
    }
    my %causes;
    $causes{ $_->[0] }++ for grep { !ref $_->[0] } @{ $want->{events} };
    is $gain->( 'causes', $_ ), $causes{$_}, "cause $_ counted"
      for sort keys %causes;
}

1;
