# The harness: a folder, an nginx with the module in it, scripted backends, and
# at the end the assertion that nobody crashed or complained.
#
#   my $t = Upstream502::Test->new;
#   $t->tcp( dead => ['rst'] );
#   $t->conf( server => 'location / { proxy_pass http://%%dead%%; }' );
#   $t->start;
#   my $r = $t->get('/');
#   is $r->{status}, 502;
#   is $t->row($r)->{upstream_502_cause}, 'reset_before_response';
#   $t->finish;
#
# Environment: TEST_NGINX_BINARY, TEST_MODULE, TEST_LD_PRELOAD (for the nginx
# under test only), TEST_LEAVE=1 keeps the folder.

package Upstream502::Test;

use v5.36;

use Exporter   qw(import);
use File::Spec ();
use File::Temp ();
use FindBin    ();
use JSON::PP   ();
use Test::More;
use Upstream502::Backend qw(sequence);
use Upstream502::Http    ();
use Upstream502::Net     qw(reserve_port wait_for);
use Upstream502::Nginx   ();
use Upstream502::Service ();

our @EXPORT    = qw(sequence wait_for);
our @EXPORT_OK = qw(decode_json gained);

# What the access log holds, one column each.
our @PLAIN   = qw(http_x_test status uri upstream_addr upstream_status);
our @COLUMNS = qw(
  upstream_502 upstream_502_rescued upstream_502_cause upstream_502_phase
  upstream_502_errno upstream_502_errno_name upstream_502_errno_class
  upstream_502_causes upstream_502_origin upstream_502_upstream
  upstream_502_peer upstream_502_connect_time upstream_502_header_time
  upstream_502_response_time upstream_502_attempts upstream_502_failures
  upstream_502_reused upstream_502_message upstream_502_hint
  upstream_502_event upstream_502_proxy_status
);

my %running;

# Options: module => 0 runs nginx without the module; status => 0 leaves out
# the status location; allow => [qr/…/] alerts that nginx itself logs.
sub new ( $class, %options ) {
    my $dir = File::Temp->newdir(
        'upstream_502.' . 'X' x 6,
        TMPDIR  => 1,
        CLEANUP => !$ENV{TEST_LEAVE},
    );
    chmod 0755, $dir;
    my $module = File::Spec->rel2abs( $ENV{TEST_MODULE}
          // "$FindBin::Bin/../build/ngx_http_upstream_502_module.so" );
    my $self = bless {
        module => 1,
        status => 1,
        allow  => [],
        %options,
        folder   => $dir,
        dir      => "$dir",
        path     => $module,
        farm     => Upstream502::Backend->new("$dir"),
        nginx    => Upstream502::Nginx->new("$dir"),
        address  => { DIR => "$dir", MODULE => $module },
        ports    => {},
        services => [],
        ids      => 0,
        rows     => {},
    }, $class;
    if ( $self->{module} && !-e $module ) {
        BAIL_OUT("no module at $module: run make or set TEST_MODULE");
    }
    return $running{$self} = $self;
}

sub dir   ($self) { return $self->{dir} }
sub nginx ($self) { return $self->{nginx} }
sub farm  ($self) { return $self->{farm} }

# Backends: %%NAME%% in a configuration is "127.0.0.1:PORT" or "unix:PATH".
sub tcp ( $self, $name, $script, %options ) {
    my $port = $self->{farm}->tcp( $name, $script, %options );
    $self->{ports}{$name}   = $port;
    $self->{address}{$name} = '127.0.0.1:' . $port;
    return $port;
}

sub unix ( $self, $name, $script, %options ) {
    my $path = $self->{farm}->unix( $name, $script, %options );
    $self->{address}{$name} = "unix:$path";
    return $path;
}

sub udp ( $self, $name, $script, %options ) {
    my $port = $self->{farm}->udp( $name, $script, %options );
    $self->{address}{$name} = '127.0.0.1:' . $port;
    return $port;
}

# A real server: its command may name addresses like a configuration; it is
# ready when it answers at `at`, an address (by default that of its name).
sub service ( $self, $name, $command, %options ) {
    my $service = Upstream502::Service->new( "$self->{dir}/$name.log",
        map { $self->expand($_) } @$command );
    push @{ $self->{services} }, $service;
    my $at = $options{at} // '%%' . $name . '%%';
    $at = $self->expand($at) =~ s/^(?:unix:|127\.0\.0\.1:)//r;
    my $ready = eval {
        wait_for "$name at $at", sub {
            eval { Upstream502::Http::connect_to($at) }
        };
    };
    return $ready ? $service : die $@, $service->log;
}

# A port of ours; connecting to it is refused as long as nobody listens there.
sub port ( $self, $name ) {
    if ( !$self->{ports}{$name} ) {
        ( $self->{ports}{$name}, $self->{reserved}{$name} ) = reserve_port();
        $self->{address}{$name} //= "127.0.0.1:$self->{ports}{$name}";
    }
    return $self->{ports}{$name};
}

sub address ( $self, $name ) {
    return $self->{address}{$name} // die "nothing is called $name\n";
}

# Replaces %%NAME%% by addresses and %%PORT_NAME%% by ports.
sub expand ( $self, $text ) {
    $text =~ s{%%PORT_(\w+)%%}{$self->port($1)}ge;
    $text =~ s{%%closed(\w*)%%}{'127.0.0.1:' . $self->port("closed$1")}ge;
    $text =~ s{%%(\w+)%%}{$self->address($1)}ge;
    return $text;
}

# Parts of the configuration; see _config for where they go. `modules` are
# other modules to load, with `order` "before" or after this one; `shutdown` is
# what an old worker has to end; `file` replaces everything.
sub conf ( $self, %parts ) {
    $self->{parts} = { %{ $self->{parts} // {} }, %parts };
    $self->write( 'nginx.conf', $self->_config( %{ $self->{parts} } ) );
}

sub write ( $self, $name, $text ) {
    return $self->write_raw( $name, $self->expand($text) );
}

sub write_raw ( $self, $name, $bytes ) {
    my $path = "$self->{dir}/$name";
    open my $file, '>:raw', $path or die "$path: $!\n";
    print $file $bytes;
    close $file or die "$path: $!\n";
    return $path;
}

sub _config ( $self, %p ) {
    if ( defined $p{file} ) {
        return $p{file};
    }
    my $group   = getgrgid( ( getpwnam 'nobody' )[3] // 0 ) // 'nobody';
    my $user    = $> == 0         ? "user nobody $group;"     : '';
    my @modules = $self->{module} ? 'load_module %%MODULE%%;' : ();
    if ( $p{modules} ) {
        ( $p{order} // '' ) eq 'before'
          ? unshift @modules, $p{modules}
          : push @modules, $p{modules};
    }

    # nginx gives a new binary (USR2) no environment but what is named here.
    my $environment =
      $ENV{TEST_LD_PRELOAD}
      ? 'env LD_PRELOAD; env ASAN_OPTIONS; env UBSAN_OPTIONS;'
      : '';
    my $status =
      $self->{module} && $self->{status}
      ? 'location = /status { access_log off; upstream_502_status write=on; }'
      : '';
    my $error_log = $p{error_log} // 'error_log %%DIR%%/error.log info;';
    my @columns   = ( @PLAIN, $self->{module} ? @COLUMNS : () );
    my $format    = join '\t', map { "$_=\$$_" } @columns;
    my $json      = $self->{module} ? '$upstream_502_json' : '';
    my $temp      = join "\n",
      map { "${_}_temp_path %%DIR%%/$_;" }
      qw(client_body proxy fastcgi uwsgi scgi);
    return <<"CONF";
$user
@modules
$environment
$error_log
pid %%DIR%%/nginx.pid;
worker_processes @{[ $p{workers} // 1 ]};
worker_shutdown_timeout @{[ $p{shutdown} // '5s' ]};
@{[ $p{main} // '' ]}
events { @{[ $p{events} // 'worker_connections 256;' ]} }
http {
$temp
log_format rows "$format";
log_format objects escape=none '\$http_x_test $json';
access_log %%DIR%%/rows.log rows;
access_log %%DIR%%/objects.log objects;
@{[ $p{http} // '' ]}
server {
listen 127.0.0.1:%%PORT_http%%;
server_name localhost;
$status
@{[ $p{server} // '' ]}
}
}
CONF
}

sub start ($self) {
    $self->{farm}->start;
    $self->{nginx}->start;
}

sub reload ($self) { $self->{nginx}->reload }

# nginx -t on the present configuration, or on these parts.
sub check_config ( $self, %parts ) {
    $self->write( 'checked.conf',
        $self->_config( %parts, error_log => 'error_log stderr;' ) );
    return $self->{nginx}
      ->run( '-t', $self->{nginx}->arguments( 'checked.conf', 'checked.log' ) );
}

# Requests: the response carries the id under which the access log knows it.
sub request ( $self, $uri, %o ) {
    return $self->read( $self->send( $uri, %o ) );
}

sub get ( $self, $uri, %o ) { return $self->request( $uri, %o ) }

sub post ( $self, $uri, $body = 'body', %o ) {
    return $self->request( $uri, method => 'POST', body => $body, %o );
}

# The two halves of a request, for several at once.
sub send ( $self, $uri, %o ) {
    $o{id} //= 'r' . ++$self->{ids};
    my $port   = $o{port} // $self->port('http');
    my $socket = Upstream502::Http::send_request( $port, %o, uri => $uri );
    return { %o, socket => $socket };
}

sub read ( $self, $sent, %o ) {
    my $r = Upstream502::Http::read_response( $sent->{socket}, %$sent, %o );
    $r->{id}     = $sent->{id};
    $r->{socket} = $sent->{socket} if $sent->{keep};
    return $r;
}

# How many requests are at work, without the one that asks: /count is to be
# nginx's stub_status.
sub at_work ($self) {
    my ($writing) = $self->get('/count')->{body} =~ /Writing: (\d+)/;
    return $writing - 1;
}

# The access log's line of a response (or of an id) as a hash.
sub row ( $self, $response ) {
    my $id = ref $response ? $response->{id} : $response;
    return wait_for "the log line of $id", sub {
        $self->_read_rows;
        return $self->{rows}{$id};
    };
}

# All lines so far.
sub rows ($self) {
    $self->_read_rows;
    return @{ $self->{all_rows} // [] };
}

sub _read_rows ($self) {
    open my $log, '<:raw', "$self->{dir}/rows.log" or return;
    seek $log, $self->{rows_read} // 0, 0;
    while ( my $line = <$log> ) {
        $line =~ s/\n\z// or last;
        $self->{rows_read} += length($line) + 1;
        my %row = map { unescape($_) } map { split /=/, $_, 2 } split /\t/,
          $line;
        $self->{rows}{ $row{http_x_test} } = \%row;
        push @{ $self->{all_rows} }, \%row;
    }
}

sub unescape ($text) {
    return $text =~ s/\\x([0-9A-F]{2})/chr hex $1/ger;
}

# $upstream_502_json of a request: undef where it was empty.
sub object ( $self, $response ) {
    my $id = ref $response ? $response->{id} : $response;
    $self->row($id);
    my $line = wait_for "the object of $id",
      sub { $self->slurp('objects.log') =~ /^(\Q$id\E .*)\n/m ? $1 : undef };
    my $text = substr $line, length($id) + 1;
    return length $text ? decode_json($text) : undef;
}

sub decode_json ($text) { return JSON::PP->new->utf8->decode($text) }

# The status location's JSON, decoded.
sub status ( $self, $arguments = '' ) {
    my $uri = '/status?format=json' . ( $arguments ? "&$arguments" : '' );
    my $r   = Upstream502::Http::request( $self->port('http'), uri => $uri );
    if ( $r->{status} != 200 ) {
        die "status location: $r->{raw}\n";
    }
    return decode_json( $r->{body} );
}

sub upstream ( $self, $name, $status = $self->status ) {
    my ($found) = grep { $_->{name} eq $name } @{ $status->{upstreams} };
    return $found;
}

# What one request did: its response (r), its log line (row), its events,
# oldest first, and how the counters moved: gained => function of a path.
sub observe ( $self, $uri, %o ) {
    my $before = $self->status;
    my $since  = @{ $before->{events} } ? $before->{events}[0]{id} : 0;
    my $r      = $self->request( $uri, %o );
    my $row    = $self->row($r);
    my $after  = $self->status("since=$since");
    return {
        r      => $r,
        row    => $row,
        events => [ reverse @{ $after->{events} } ],
        gained => sub (@path) { gained( $before, $after, @path ) },
    };
}

# How much a number of the status gained: gained( $before, $after,
# 'totals', 'causes', 'dns_error' ), or of an upstream with `\'name'` first.
sub gained ( $before, $after, @path ) {
    my @values = map { number_at( $_, @path ) } $before, $after;
    return $values[1] - $values[0];
}

sub number_at ( $status, @path ) {
    if ( ref $path[0] ) {
        my $name = ${ shift @path };
        ($status) = grep { $_->{name} eq $name } @{ $status->{upstreams} };
    }
    for my $key (@path) {
        $status = ( $status // {} )->{$key};
    }
    return $status // 0;
}

sub slurp ( $self, $name ) {
    return Upstream502::Nginx::slurp("$self->{dir}/$name");
}

sub error_log ($self) { return $self->slurp('error.log') }

# Stops everything and asserts that nothing crashed on the way.
sub finish ($self) {
    $self->end;
    my @complaints = $self->{nginx}->complaints( @{ $self->{allow} } );
    if ( !ok !@complaints, 'no alert, no crash, no sanitizer report' ) {
        diag join "\n", splice @complaints, 0, 20;
    }
}

sub end ($self) {
    $self->{nginx}->stop;
    $self->{farm}->stop;
    $_->stop for splice @{ $self->{services} };
    delete $running{$self};
}

$SIG{$_} = sub { exit 1 }
  for qw(INT TERM HUP);

END {
    my $code = $?;
    $_->end for values %running;
    $? = $code;
}

1;
