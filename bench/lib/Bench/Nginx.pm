# One nginx to be measured: bare, with the module, or with another one.
#
#   my ( $bare, $with ) = variants($module);
#   my $nginx = Bench::Nginx->new( $dir, $with, server => 'location …' );
#   $nginx->start;
#   … $nginx->port …
#   $nginx->stop;

package Bench::Nginx;

use v5.36;

use Exporter         qw(import);
use POSIX            ();
use Time::HiRes      qw(sleep);
use Upstream502::Net qw(reserve_port wait_for);
use Upstream502::Nginx ();

our @EXPORT_OK = qw(variants median slurp stop_all);

my %running;

# A module to compare with comes as PEER_SO, the file, and PEER_CONF, a file of
# what its configuration needs at the level of http.
sub variants ($module) {
    my @variants = (
        { name => 'bare', load => '', http => '' },
        {
            name   => 'with',
            load   => "load_module $module;",
            http   => '',
            module => $module,
            status => 'upstream_502_status access=any;'
        },
    );
    if ( my $peer = $ENV{PEER_SO} ) {
        push @variants,
          {
            name   => 'peer',
            load   => "load_module $peer;",
            http   => $ENV{PEER_CONF} ? "include $ENV{PEER_CONF};" : '',
            module => $peer,
          };
    }
    return @variants;
}

# Parts: http and server of the configuration; workers, 0 for one process
# without a master; main and events.
sub new ( $class, $dir, $variant, %parts ) {
    my $self = bless {
        variant => $variant,
        dir     => "$dir/$variant->{name}",
        binary  => $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx',
        workers => $parts{workers} // 0,
    }, $class;
    mkdir $self->{dir};
    ( $self->{port}, $self->{reserved} ) = reserve_port();
    $self->_configure(%parts);
    return $self;
}

sub port ($self) { return $self->{port} }
sub pid  ($self) { return $self->{pid} }

sub _configure ( $self, %parts ) {
    my ( $dir, $variant ) = @$self{qw(dir variant)};
    my $group   = getgrgid( ( getpwnam 'nobody' )[3] // 0 ) // 'nobody';
    my $user    = $> == 0 ? "user nobody $group;" : '';
    my $process = $self->{workers} ? "worker_processes $self->{workers};"
      : 'master_process off;';
    my $status = $variant->{status} // 'return 204;';
    my $temp   = join "\n", map { "${_}_temp_path $dir/$_;" }
      qw(client_body proxy fastcgi uwsgi scgi);
    open my $file, '>', "$dir/nginx.conf" or die "$dir/nginx.conf: $!\n";
    print $file <<"CONF";
$variant->{load}
$user
$process
daemon off;
error_log $dir/error.log error;
pid $dir/nginx.pid;
@{[ $parts{main} // '' ]}
events { worker_connections 1024; }
http {
$temp
access_log off;
keepalive_requests 100000000;
$variant->{http}
@{[ $parts{http} // '' ]}
server {
listen 127.0.0.1:$self->{port};
location = /pid { return 200 \$pid; }
location = /status { $status }
@{[ $parts{server} // '' ]}
}
}
CONF
    close $file or die "$dir/nginx.conf: $!\n";
}

sub command ( $self, @more ) {
    return (
        $self->{binary}, '-p', "$self->{dir}/", '-c', "$self->{dir}/nginx.conf",
        '-e', "$self->{dir}/error.log", @more
    );
}

# `wrapper` is what runs nginx: valgrind with its arguments, or env.
sub start ( $self, @wrapper ) {
    unlink "$self->{dir}/nginx.pid";
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>',  "$self->{dir}/output";
        open STDERR, '>&', \*STDOUT;
        exec @wrapper, $self->command or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    $running{$pid} = $self;
    wait_for 'nginx', sub {
        waitpid( $pid, POSIX::WNOHANG() ) == $pid
          and die slurp("$self->{dir}/output");
        return -s "$self->{dir}/nginx.pid" && $self->workers;
    }, 120;
}

# The processes that serve.
sub workers ($self) {
    return $self->{pid} if !$self->{workers};
    my @workers = grep { Upstream502::Nginx::title($_) =~ /worker process/ }
      Upstream502::Nginx::children( $self->{pid} );
    return @workers == $self->{workers} ? @workers : ();
}

# A signal that comes just before nginx begins to wait is not noticed until
# the next one.
sub stop ($self) {
    my $pid = $self->{pid};
    wait_for 'the end of nginx', sub {
        kill 'TERM', $pid;
        sleep 0.2;
        return waitpid( $pid, POSIX::WNOHANG() ) == $pid;
    }, 60;
    delete $running{$pid};
}

sub stop_all () {
    for my $nginx ( values %running ) {
        kill 'KILL', $nginx->{pid},
          Upstream502::Nginx::children( $nginx->{pid} );
        waitpid $nginx->{pid}, 0;
    }
}

sub median (@values) {
    my @sorted = sort { $a <=> $b } @values;
    return ( $sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ] ) / 2;
}

sub slurp ($path) { return Upstream502::Nginx::slurp($path) }

1;
