# A real browser: chromium, driven by playwright-core in a node process.
#
#   my $browser = Upstream502::Browser->new;
#   my $page    = $browser->open( $url, colorScheme => 'dark' );
#   $page->do( click => '#pause' );             # any method of playwright's Page
#   $page->text('#headline');
#   $page->eval( 'id => document.getElementById(id).open', 'minutes' );
#   $page->wait(q{document.querySelector('#problem').hidden});
#
# missing() says what there is none of, for plan skip_all. The packages come
# from tools/install-npm.sh.

package Upstream502::Browser;

use v5.36;

use FindBin    ();
use IO::Select ();
use IPC::Open2 qw(open2);
use JSON::PP   ();
use Test::More ();

use constant PATIENCE => 150;

my $root = "$FindBin::Bin/..";
my $json = JSON::PP->new->utf8->allow_nonref->canonical;

sub chromium () { return $ENV{CHROMIUM} // '/usr/bin/chromium' }

sub modules () {
    return $ENV{NODE_PATH} // "$root/build/npm/node_modules";
}

sub missing ($class) {
    return 'no ' . chromium() unless -x chromium();
    return 'no node' unless grep { -x "$_/node" } split /:/, $ENV{PATH};
    for my $module (qw(playwright-core axe-core)) {
        return "no $module: run tools/install-npm.sh"
          unless -d modules() . "/$module";
    }
    return;
}

# For a file that is about the page alone.
sub need ($class) {
    my $reason = $ENV{TEST_NGINX_ASAN} ? 'the same without sanitizers' : $class->missing;
    Test::More::plan( skip_all => $reason ) if $reason;
}

sub new ($class) {
    local $ENV{NODE_PATH} = modules();
    local $ENV{CHROMIUM}  = chromium();
    my $pid =
      open2( my $out, my $in, 'node', "$root/t/browser/driver.js" );
    my $self = bless { pid => $pid, in => $in, out => $out }, $class;
    $self->_answer;
    return $self;
}

sub open ( $self, $url, %options ) {
    my $page =
      bless { browser => $self, name => ++$self->{pages} },
      'Upstream502::Browser::Page';
    $page->do( open => $url, \%options );
    return $page;
}

sub _ask ( $self, @request ) {
    local $SIG{PIPE} = 'IGNORE';
    syswrite $self->{in}, $json->encode( \@request ) . "\n";
    return $self->_answer;
}

sub _answer ($self) {
    my $line = '';
    while ( $line !~ /\n\z/ ) {
        IO::Select->new( $self->{out} )->can_read(PATIENCE)
          or die "the browser does not answer\n";
        sysread $self->{out}, $line, 1 << 20, length $line
          or die "the browser is gone\n";
    }
    my $answer = $json->decode($line);
    die "$answer->{error}\n" if exists $answer->{error};
    return $answer->{value};
}

# Backends that were started later hold the pipe open, too: its end is no sign.
sub DESTROY ($self) {
    local ( $?, $@ );
    eval {
        local $SIG{PIPE} = 'IGNORE';
        local $SIG{ALRM} = sub { die };
        alarm 20;
        syswrite $self->{in}, "null\n";
        waitpid $self->{pid}, 0;
        alarm 0;
        1;
    } or kill KILL => $self->{pid};
}

package Upstream502::Browser::Page;

sub do ( $self, $method, @arguments ) {
    return $self->{browser}->_ask( $self->{name}, $method, @arguments );
}

sub text ( $self, $selector ) {
    return $self->do( textContent => $selector );
}

sub eval ( $self, $script, @argument ) {
    return $self->do( eval => $script, @argument );
}

sub wait ( $self, $condition ) { return $self->do( wait => $condition ) }

# Whether nothing is wider than the window.
sub narrow ($self) {
    return $self->eval(
        '() => document.documentElement.scrollWidth <= innerWidth');
}

# Leaves a picture of the whole page for people to look at.
sub shoot ( $self, $name ) {
    $self->do( screenshot =>
          { path => "$root/build/screenshots/$name.png", fullPage => \1 } );
}

# Waits until an element's text matches; its text.
sub wait_text ( $self, $selector, $pattern ) {
    my ( $quoted, $regex ) = map { $json->encode($_) } $selector, $pattern;
    return $self->wait(
        "(() => { const t = document.querySelector($quoted)?.textContent;"
          . " return t && new RegExp($regex).test(t) ? t : ''; })()" );
}

1;
