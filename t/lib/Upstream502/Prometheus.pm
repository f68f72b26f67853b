# A real Prometheus beside the nginx under test.
#
#   my $prometheus = Upstream502::Prometheus->new($t);
#   $prometheus->start($configuration);    # %%PORT_http%% as in nginx's
#   $prometheus->value_of('sum(up)');      # the vector, as its API tells it

package Upstream502::Prometheus;

use v5.36;

use POSIX ();
use Test::More;
use Upstream502::Http ();
use Upstream502::Net  qw(wait_for);
use Upstream502::Test qw(decode_json);

sub program ($name) {
    my ($path) = grep { -x } map { "$_/$name" } split /:/, $ENV{PATH};
    return $path;
}

sub missing ($class) {
    my ($absent) = grep { !program($_) } qw(promtool prometheus);
    return $absent ? "no $absent here" : undef;
}

sub new ( $class, $t ) {
    return bless { t => $t, port => $t->port('prometheus') }, $class;
}

sub start ( $self, $config ) {
    my $path = $self->{t}->write( 'prometheus.yml', $config );
    my $dir  = $self->{t}->dir;
    my $pid  = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>',  "$dir/prometheus.log";
        open STDERR, '>&', \*STDOUT;
        exec program('prometheus'), "--config.file=$path",
          "--storage.tsdb.path=$dir/tsdb",
          "--web.listen-address=127.0.0.1:$self->{port}"
          or POSIX::_exit(127);
    }
    $self->{pid}   = $pid;
    $self->{owner} = $$;
    wait_for 'Prometheus', sub {
        return eval { $self->value_of('1') };
    }, 60;
}

# Also where the test dies; its forks, which do not own it, leave it alone.
sub stop ($self) {
    return if ( $self->{owner} // 0 ) != $$;
    my $pid = delete $self->{pid} // return;
    local $?;
    kill TERM => $pid;
    waitpid $pid, 0;
}

sub DESTROY ($self) { $self->stop }

# The data of an answer of Prometheus's HTTP API.
sub api ( $self, $uri ) {
    my $r =
      Upstream502::Http::request( $self->{port}, uri => "/api/v1/$uri" );
    my $answer = eval { decode_json( $r->{body} ) } // {};
    diag "$uri: $r->{raw}" if ( $answer->{status} // '' ) eq 'error';
    return $answer->{data};
}

sub value_of ( $self, $expression ) {
    my $query = $expression =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
    my $data  = $self->api("query?query=$query") // return;
    return $data->{result};
}

1;
