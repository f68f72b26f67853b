#!/usr/bin/perl

# Whatever nginx sees first, the cause is the same.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Runner;
use Upstream502::Scenarios::Races;

plan skip_all => "IO::Socket::SSL is not installed"
  if !eval { require IO::Socket::SSL::Utils };

play(
    Upstream502::Scenarios::Races::rows(),
    setup => \&Upstream502::Scenarios::Races::setup
);
