# Clients that ask for a report over HTTP/2 and read nothing of it.
#
#   my $readers = Upstream502::Readers->new( $t, '/report', 120 );
#   my @clients = $readers->come(5);    # 5 connections of 120 streams
#   $readers->leave(@clients);
#
# The nginx of `t` listens on %%PORT_h2%% and has stub_status at /count.

package Upstream502::Readers;

use v5.36;

use Upstream502::H2;
use Upstream502::Http ();
use Upstream502::Net qw(wait_for);

sub new ( $class, $t, $uri, $streams ) {
    return bless { t => $t, uri => $uri, streams => $streams }, $class;
}

# How many requests are at work, without the one that asks.
sub requests ($self) {
    my $r = Upstream502::Http::request( $self->{t}->port('http'), uri => '/count' );
    my ($writing) = $r->{body} =~ /Writing: (\d+)/
      or die "stub_status: $r->{raw}\n";
    return $writing - 1;
}

sub come ( $self, $connections ) {
    my ( $t, $streams ) = @$self{qw(t streams)};
    my @clients = map { Upstream502::H2->new( $t->port('h2'), window => 0 ) }
      1 .. $connections;
    for my $client (@clients) {
        $client->send( 2 * $_ - 1, $self->{uri} ) for 1 .. $streams;
    }
    wait_for 'all of them',
      sub { $self->requests == $connections * $streams };
    $t->nginx->wait_idle;
    return @clients;
}

sub leave ( $self, @clients ) {
    close $_->{socket} for @clients;
    wait_for 'their end', sub { $self->requests == 0 };
}

1;
