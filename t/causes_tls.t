#!/usr/bin/perl

# Every cause in this table, through a real nginx.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Runner;
use Upstream502::Scenarios::Tls;

plan skip_all => "IO::Socket::SSL is not installed"
  if !eval { require IO::Socket::SSL::Utils };

play(
    Upstream502::Scenarios::Tls::rows(),
    setup => \&Upstream502::Scenarios::Tls::setup
);
